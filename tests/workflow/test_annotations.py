"""Records whose annotations don't belong to them, through the whole graph; and the tables that say so."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import wfdb

from beatlens.core.files import read_table
from beatlens.run.summary import METRICS

CONFIG = """
run: odd
bundle: given
allow_made_bundle: true
shards: 1
cases: {max_cases: 1, max_windows: 0}
explain: {methods: [lime]}
corpora:
  - {name: odd, format: wfdb, role: test, folder: odd, labels: config/labels/synthetic.csv}
"""


@pytest.fixture
def odd(finished):
    """Return a finished project with a run over one record and copies of it whose annotations are off."""
    project, folder = finished, finished.folder
    shutil.copytree(project.results / "model" / "bundle", folder / "given")
    made, corpus = folder / "results" / "corpora" / "synthetic", folder / "odd"
    corpus.mkdir()
    right = wfdb.rdann(str(made / "a01"), "atr")
    beats = np.isin(right.symbol, ["N", "V", "A", "L", "R"])

    def put(name: str, sample: np.ndarray, symbol: list[str]) -> None:
        shutil.copy2(made / "a01.dat", corpus / f"{name}.dat")
        header = (made / "a01.hea").read_text(encoding="utf-8").replace("a01", name)
        (corpus / f"{name}.hea").write_text(header, encoding="utf-8")
        wfdb.wrann(name, "atr", sample, symbol=symbol, write_dir=str(corpus))

    samples, symbols = right.sample[beats], list(np.array(right.symbol)[beats])
    put("own", samples, symbols)
    put("late", samples[:-1] + 60, symbols[:-1])  # 60 samples at 250 Hz
    put("rate", np.rint(samples * 128 / 250).astype(int), symbols)
    put("bare", samples, symbols)
    (corpus / "bare.atr").write_bytes(b"")
    (folder / "odd.yaml").write_text(CONFIG, encoding="utf-8")
    project.snakemake("--cores", "2", "--configfile", "tests/workflow/tiny.yaml", "odd.yaml", config=None)
    return project


def summary_is_of_the_tables(results):
    summary = json.loads((results / "summary.json").read_text(encoding="utf-8"))
    beats = pd.read_parquet(results / "predictions" / "beats.parquet")
    assert summary["beats"]["n"] == len(beats)
    assert summary["beats"]["review"] == beats["review"].sum()
    assert {k: n for k, n in summary["beats"]["by_class"].items() if n} == beats["pred"].value_counts().to_dict()
    for reason, n in summary["beats"]["by_reason"].items():
        assert sum(reason in text.split(";") for text in beats["reason"]) == n
    status = read_table(results / "status.tsv")
    assert summary["records"]["n"] == len(status)
    assert sum(own["records"] for own in summary["records"]["splits"].values()) == summary["records"]["used"]
    remarks = read_table(results / "predictions" / "remarks.tsv")
    assert sum(summary["records"]["remarks"].values()) == len(remarks)
    strips = pd.read_parquet(results / "predictions" / "strips.parquet")
    assert summary["strips"]["in_review"] == (strips["n_review"] > 0).sum()
    for name, n in summary["strips"]["with_class"].items():
        assert (strips[f"n_{name}"] > 0).sum() >= n
    stretches = pd.read_parquet(results / "predictions" / "stretches.parquet")
    seconds = sum(own["seconds"] for own in summary["stretches"].values())
    assert seconds == pytest.approx((stretches["end_s"] - stretches["start_s"]).sum(), abs=1e-4)
    assert summary["alerts"]["n"] == len(read_table(results / "alerts" / "alerts.csv"))
    assert summary["cases"]["n"] == len(read_table(results / "explanations" / "cases.csv"))
    scored = read_table(results / "metrics" / "classification.csv")
    for row in scored[(scored["scope"] == "all") & (scored["class"] == "all")].itertuples():
        if row.metric in METRICS and row.value == row.value:
            assert summary["scores"][row.split]["all"][row.metric]["value"] == pytest.approx(row.value, abs=1e-6)


def test_their_labels_are_set_aside_and_nothing_is_scored_by_them(odd):
    results = odd.folder / "results" / "odd"
    remarks = read_table(results / "predictions" / "remarks.tsv").set_index("record")
    found = remarks[remarks["remark"].isin(["annotations_elsewhere", "no_annotated_beats"])]
    assert found["remark"].to_dict() == {
        "late": "annotations_elsewhere", "rate": "annotations_elsewhere", "bare": "no_annotated_beats",
    }  # fmt: skip
    assert "about 240 ms late" in found.loc["late", "detail"]
    assert "counted at 128 Hz instead of 250 Hz" in found.loc["rate", "detail"]
    records = read_table(results / "records.tsv").set_index("record")
    assert records["split"].to_dict() == {"own": "test", "late": "none", "rate": "none", "bare": "none"}
    beats = read_table(results / "predictions" / "beats.parquet")
    assert set(beats.loc[beats["record"] != "own", "label"]) == {""}
    assert (beats.groupby("record")["pred"].size() == (beats["record"] == "own").sum()).all()
    scored = read_table(results / "metrics" / "classification.csv")
    assert set(scored.loc[scored["scope"].str.startswith("patient:"), "scope"]) == {
        f"patient:{beats.loc[beats['record'] == 'own', 'patient'].iloc[0]}"
    }
    assert scored["n"].max() <= (beats["record"] == "own").sum() + 1
    page = (results / "report.html").read_text(encoding="utf-8")
    assert "don&#39;t lie where beats are" in page
    assert "What it says of the recordings of odd means nothing" in page
    manifest = json.loads((results / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["run"] == "odd"
    summary_is_of_the_tables(results)


def test_seeds_are_mined_where_the_configuration_names_them(finished):
    summary_is_of_the_tables(finished.results)
    said = finished.snakemake("--dry-run", "seeds", ok=False)
    assert "seed_mining.table is null; expected a CSV of beat_id,label" in said
    beats = pd.read_parquet(finished.results / "predictions" / "beats.parquet")
    beats[["beat_id", "pred"]].iloc[[3, 40]].set_axis(["beat_id", "label"], axis=1).to_csv(
        finished.folder / "mine.csv", index=False
    )
    finished.snakemake("seeds", "--cores", "1", "--config", "seed_mining={table: mine.csv, top: 5, max_records: 3}")
    found = read_table(finished.results / "seeds" / "similar_beats.csv")
    assert len(found) == 10
    assert found["rr_before_s"].gt(0).all()
    assert len(found[["corpus", "record"]].drop_duplicates()) <= 3
