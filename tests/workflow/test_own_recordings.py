"""A folder of one's own recordings, from `make predict`'s program to predictions, with a bundle of made records."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import yaml

from beatlens.core.files import read_table
from beatlens.core.remarks import REMARK_COLUMNS


def test_a_bundle_of_made_records_is_refused_and_where_it_is_allowed_the_log_says_so(finished):
    shutil.copytree(finished.results / "model" / "bundle", finished.folder / "given")
    folder = finished.folder / "elsewhere" / "my recordings"
    folder.mkdir(parents=True)
    made = sorted((finished.folder / "results" / "corpora" / "synthetic").glob("c*.hea"))[:2]
    for header in made:
        for ending in (".hea", ".dat"):
            shutil.copy(header.with_suffix(ending), folder)
    answer = subprocess.run(
        [sys.executable, "scripts/predict_folder.py", "--folder", "elsewhere/my recordings", "--bundle", "given"],
        cwd=finished.folder, env=os.environ | {"PYTHONPATH": "src"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    config = answer.stdout.strip()
    assert config == "results/my_recordings/predict.yaml"
    said = finished.snakemake("--dry-run", config=config, ok=False)
    assert "since my_recordings holds recordings: this one has seen made records alone (synthetic)" in said
    wanted = ["predict", "results/my_recordings/run_config.yaml"]
    finished.snakemake(*wanted, "--cores", "2", "--config", "allow_made_bundle=true", config=config)
    results = finished.folder / "results" / "my_recordings"
    beats = read_table(results / "predictions" / "beats.parquet")
    assert set(beats["record"]) == {header.stem for header in made}
    remarks = read_table(results / "predictions" / "shards" / "0of1" / "remarks.tsv")
    assert list(remarks.columns) == list(REMARK_COLUMNS)
    log = (results / "logs" / "predict" / "0of1.log").read_text(encoding="utf-8")
    assert "Learnt from made records alone, no real one: synthetic" in log
    shipped = yaml.safe_load((results / "run_config.yaml").read_text(encoding="utf-8"))
    assert shipped["corpora"][0]["folder"] == str(folder)
    assert finished.planned(*wanted, "--config", "allow_made_bundle=true", config=config) == {}
