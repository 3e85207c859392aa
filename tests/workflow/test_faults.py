"""Kills, bad records, damage, and the numbers that must not depend on how a run was made."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from beatlens.core.files import read_table, sha256_of

PREDICTIONS = ("predictions/beats.parquet", "predictions/beats_annotated.parquet")
NUMBERS = ("model/training/weights.npz", "model/bundle/weights.npz", "predictions/shards/0of2/beats.parquet")


def kill_when(project, path, *arguments):
    """Start Snakemake, and kill it and all of its jobs without warning as soon as a file is there."""
    process = subprocess.Popen(
        project.command(*arguments),
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(60_000):
            if list(project.folder.glob(path)):
                break
            assert process.poll() is None, f"ended before {path} was there"
            time.sleep(0.01)
        else:
            pytest.fail(f"{path} never came")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_killed_run_goes_on_to_the_same_numbers_on_one_core(finished):
    """The uninterrupted run had two cores, so this also shows that cores change no bit."""
    wanted = {name: sha256_of(finished.results / name) for name in NUMBERS}
    shutil.rmtree(finished.results)
    shutil.rmtree(finished.folder / "results" / "corpora")
    shutil.rmtree(finished.folder / ".snakemake")
    kill_when(finished, "results/tiny/preprocess/*/.signals.*.tmp.npy", "--cores", "2")
    targets = [f"results/tiny/{name}" for name in NUMBERS]
    said = finished.snakemake("--cores", "1", *targets, ok=False)
    assert "--unlock" in said
    finished.snakemake("--unlock")
    finished.snakemake(*targets, "--cores", "1")
    assert {name: sha256_of(finished.results / name) for name in NUMBERS} == wanted


def test_the_number_of_shards_changes_no_prediction(finished):
    before = {name: read_table(finished.results / name) for name in PREDICTIONS}
    tables = [f"results/tiny/{name}" for name in PREDICTIONS]
    finished.snakemake(*tables, "--cores", "2", "--config", "shards=1")
    for name, old in before.items():
        new = read_table(finished.results / name)
        assert new["beat_id"].is_unique
        both = old.merge(new, on="beat_id", suffixes=("", "_new"), how="outer", validate="1:1", indicator=True)
        assert (both["_merge"] == "both").all()
        assert (both["pred"] == both["pred_new"]).all()
        assert (both["review"] == both["review_new"]).all()
        for column in [column for column in old.columns if column.startswith("p_")]:
            np.testing.assert_allclose(both[f"{column}_new"], both[column], atol=1e-6, rtol=0)


@pytest.fixture
def with_bad_records(finished):
    """Add a corpus of bad records of every kind beside one good record; return the reason wanted of each."""
    made = finished.folder / "results" / "corpora" / "synthetic"
    corpus = finished.folder / "data" / "bad"
    corpus.mkdir(parents=True)

    def copy(name, like="a01"):
        for ending in (".dat", ".hea", ".atr"):
            shutil.copy2(made / f"{like}{ending}", corpus / f"{name}{ending}")
        edit(name, lambda header: header.replace(like, name))
        return corpus / f"{name}.dat"

    def edit(name, change):
        header = corpus / f"{name}.hea"
        header.write_text(change(header.read_text(encoding="utf-8")), encoding="utf-8")

    def without_sums(header):
        return re.sub(r"(?m)^(\S+ \d+ \S+ \S+ \S+) \S+ \S+", r"\1 0 0", header)

    copy("good")
    copy("lost").unlink()
    with copy("short").open("r+b") as signal_file:
        signal_file.truncate(600)
    copy("garbled")
    edit("garbled", lambda header: "garbled two 250\n" + header.split("\n", 1)[1])
    copy("liar")
    edit("liar", lambda header: header.replace("liar ", "other ", 1))
    copy("void")
    edit("void", lambda header: header.replace(header.split("\n", 1)[0], "void 2 250 0"))
    (corpus / "void.dat").write_bytes(b"")
    file = copy("still")
    file.write_bytes(bytes(file.stat().st_size))
    edit("still", without_sums)
    file = copy("backward")
    file.write_bytes(file.read_bytes()[::-1])
    copy("strange")
    edit("strange", lambda header: header.replace("MLII", "RESP").replace("V1", "PLETH"))
    copy("climber")
    edit("climber", lambda header: header.replace("climber.dat", "../good.dat"))
    nan = copy("numb", "c01_1")
    nan.write_bytes(np.full(nan.stat().st_size // 2, -32768, dtype="<i2").tobytes())
    edit("numb", without_sums)
    copy("twin")
    (corpus / "again").mkdir()
    for ending in (".dat", ".hea", ".atr"):
        shutil.copy2(corpus / f"twin{ending}", corpus / "again" / f"twin{ending}")
    (finished.folder / "bad.yaml").write_text(
        "corpora:\n"
        "  - {name: synthetic, format: synthetic, role: train, labels: config/labels/synthetic.csv}\n"
        "  - {name: bad, format: wfdb, role: predict}\n",
        encoding="utf-8",
    )
    return finished, {
        "lost": "missing_signal_file",
        "short": "truncated_signal",
        "garbled": "malformed_header",
        "liar": "header_names_another_record",
        "void": "zero_length",
        "still": "flat",
        "backward": "wrong_samples",
        "strange": "unknown_leads",
        "climber": "unsafe_path",
        "numb": "all_nan",
        "twin": "duplicate_id",
    }


def test_bad_records_are_listed_with_a_reason_and_the_run_goes_on(with_bad_records):
    project, reasons = with_bad_records
    files = ["--configfile", "tests/workflow/tiny.yaml", "bad.yaml"]
    project.snakemake("preprocess", "--cores", "2", "--config", "max_bad_fraction=0.1", *files, config=None)
    status = read_table(project.results / "status.tsv")
    bad = status[(status["corpus"] == "bad") & (status["reason"] != "")]
    assert dict(zip(bad["record"], bad["reason"], strict=True)) == reasons
    used = status[(status["corpus"] == "bad") & status["used"]]
    assert sorted(used["record"]) == ["good", "twin"]
    records = read_table(project.results / "records.tsv")
    assert sorted(records.loc[records["corpus"] == "bad", "record"]) == ["good", "twin"]

    project.edit("bad.yaml", "role: predict", "role: test")  # of records to predict, each is for itself
    said = project.snakemake(
        "preprocess", "--cores", "2", "--config", "max_bad_fraction=0.1", *files, config=None, ok=False
    )
    assert "max_bad_fraction" in said
    assert "All are listed in results/tiny/status.tsv and results/tiny/status.html" in said
    assert "Traceback" not in said
    assert not (project.results / "records.tsv").exists()
    listed = read_table(project.results / "status.tsv")
    assert (
        dict(zip(bad["record"], bad["reason"], strict=True)).items()
        <= dict(zip(listed["record"], listed["reason"], strict=True)).items()
    )
    page = (project.results / "status.html").read_text(encoding="utf-8")
    assert all(f"bad/{name}" in page for name in reasons)
    worst = re.search(r"(\d+) of (\d+) records can't be used: (.*)", said)
    assert worst is not None
    assert worst.group(1, 2) == ("11", "20")
    assert sum(f"{reason} (1: bad/{name})" in worst.group(3) for name, reason in reasons.items()) >= 3


def test_damage_is_named_with_the_command_that_rebuilds_it(finished):
    assert "0 damaged or missing" in finished.snakemake("verify", "--cores", "1")
    table = finished.results / "metrics" / "classification.csv"
    damaged = table.read_text(encoding="utf-8").replace("0.", "1.", 1)
    table.write_text(damaged, encoding="utf-8")
    said = finished.snakemake("verify", "--cores", "1", ok=False)
    assert "results/tiny/metrics/classification.csv: sha256" in said
    assert "rule evaluate_classification" in said
    command = said.split("rebuild it: ")[1].split("\n")[0].split(" && ")[0]
    words = command.split()
    assert Path(words[0]).name == "snakemake"
    finished.snakemake("--cores", "1", *words[1:], config=None)
    finished.snakemake("--cores", "1")
    assert "0 damaged or missing" in finished.snakemake("verify", "--cores", "1")

    case = next((finished.results / "explanations" / "lime").glob("*.npz"))
    case.unlink()
    assert f"{case.relative_to(finished.folder)}: missing" in finished.snakemake("verify", "--cores", "1", ok=False)


def test_a_run_without_a_manifest_is_no_verified_run(fresh):
    assert "no manifest" in fresh.snakemake("verify", "--cores", "1", ok=False)


def test_the_manifest_lists_every_result(finished):
    listed = {entry["path"] for entry in json.loads((finished.results / "manifest.json").read_text())["artefacts"]}
    skipped = {"logs", "benchmarks"}
    undeclared = {"manifest.json", "record_sheet.tsv", "record_sheet.tsv.lock", "test_reads.tsv"}
    there = {
        file.relative_to(finished.folder).as_posix()
        for file in finished.results.rglob("*")
        if file.is_file() and file.name != ".snakemake_timestamp"
        if file.relative_to(finished.results).parts[0] not in skipped | undeclared
    }
    assert there == listed


def test_networks_alone_need_torch(finished):
    """Preparing, fusing, drawing and reporting do without; the programs of the finished run have noted it."""
    noted = (finished.folder / "with_torch.txt").read_text(encoding="utf-8").splitlines()
    assert {Path(program).stem for program in noted} == {
        "train", "bundle", "predict", "find_alerts", "explain", "score_cases", "describe_cases",
    }  # fmt: skip
