"""The manifest: what it lists, and what the check finds."""

from __future__ import annotations

import hashlib
import shlex
import subprocess
from pathlib import Path

import pytest

from beatlens.core.files import write_json
from beatlens.run import manifest


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a run with two artefacts of one file and one folder behind its index."""
    monkeypatch.chdir(tmp_path)
    results = Path("results/x")
    (results / "explanations" / "lime").mkdir(parents=True)
    (results / "run_config.yaml").write_text("run: x\n")
    (results / "metrics.csv").write_text("a\n1\n")
    (results / "explanations" / "lime" / "c1.npz").write_bytes(b"one")
    (results / "explanations" / "lime" / ".snakemake_timestamp").touch()
    manifest.write_index(results / "explanations" / "lime", results / "explanations" / "lime.tsv")
    (results / "benchmarks").mkdir()
    (results / "benchmarks" / "train.tsv").write_text("s\th:m:s\tmax_rss\n2.5\t0:00:02\t300.25\n")
    return results


def build(results):
    artefacts = {
        "write_config": [results / "run_config.yaml"],
        "evaluate_classification": [results / "metrics.csv"],
        "gather_explanations": [results / "explanations" / "lime.tsv"],
    }
    return manifest.build(artefacts, "x", results, Path.cwd())


def test_every_file_is_listed_with_its_digest(run):
    listed = build(run)
    digests = {entry["path"]: entry["sha256"] for entry in listed["artefacts"]}
    assert digests == {
        "results/x/run_config.yaml": hashlib.sha256(b"run: x\n").hexdigest(),
        "results/x/metrics.csv": hashlib.sha256(b"a\n1\n").hexdigest(),
        "results/x/explanations/lime.tsv": hashlib.sha256((run / "explanations" / "lime.tsv").read_bytes()).hexdigest(),
        "results/x/explanations/lime/c1.npz": hashlib.sha256(b"one").hexdigest(),
    }
    assert listed["jobs"] == {"train": {"s": 2.5, "max_rss": 300.25}}
    assert listed["versions"]["numpy"]
    assert listed["commit"] is None


def test_an_intact_run_has_no_faults_and_damage_is_named_with_its_cure(run):
    listed = build(run)
    assert list(manifest.check(listed)) == []
    (run / "explanations" / "lime" / "c1.npz").write_bytes(b"two")
    (run / "metrics.csv").unlink()
    (run / "run_config.yaml").write_text("run: x \n")
    faults = {fault.path: fault for fault in manifest.check(listed)}
    assert set(faults) == {
        "results/x/explanations/lime/c1.npz",
        "results/x/metrics.csv",
        "results/x/run_config.yaml",
    }
    assert faults["results/x/metrics.csv"].problem == "missing"
    assert faults["results/x/run_config.yaml"].problem == "8 bytes, expected 7"
    folder = faults["results/x/explanations/lime/c1.npz"]
    assert folder.problem.startswith("sha256")
    assert "--force results/x/explanations/lime.tsv" in folder.command
    assert "--configfile results/x/run_config.yaml" in folder.command
    restored = faults["results/x/run_config.yaml"].command
    assert "--restore-config" in restored
    write_json(run / "manifest.json", listed)
    subprocess.run(restored, shell=True, check=True, capture_output=True)
    assert (run / "run_config.yaml").read_text() == "run: x\n"


def test_commands_can_be_pasted_whatever_the_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = Path("results/a b; touch never")
    results.mkdir(parents=True)
    for name in ("run_config.yaml", "it's.csv"):
        (results / name).write_text("x")
    (results / "benchmarks").mkdir()
    listed = manifest.build({"rule": [results / "it's.csv"]}, "a", results, tmp_path)
    (results / "it's.csv").unlink()
    (fault,) = manifest.check(listed)
    first, second = fault.command.split(" && ")
    assert shlex.split(first)[1:] == [
        "--configfile",
        str(results / "run_config.yaml"),
        "--force",
        str(results / "it's.csv"),
    ]
    assert shlex.split(second)[1:] == ["--configfile", str(results / "run_config.yaml")]


@pytest.mark.parametrize("change", ["digest", "path", "target", "config"])
def test_an_edited_manifest_is_no_manifest(run, change):
    listed = build(run)
    write_json(run / "manifest.json", listed)
    assert manifest.read(run / "manifest.json") == listed
    if change == "digest":
        listed["artefacts"][0]["sha256"] = "0" * 64
    else:  # by someone who knows how the digest is made
        (listed if change == "config" else listed["artefacts"][0])[change] = "results/x/../../other"
        listed["sha256"] = manifest.digest(listed)
    write_json(run / "manifest.json", listed)
    with pytest.raises(ValueError, match="its own sha256 differs" if change == "digest" else "expected files below"):
        manifest.read(run / "manifest.json")


def test_a_given_bundle_is_put_back_not_rebuilt(run, tmp_path):
    write_json(run / "bundle.json", {"provenance": {"training_device": "cuda"}})
    listed = manifest.build({"given_bundle": [run / "bundle.json"]}, "x", run, tmp_path)
    assert listed["training_device"] == "cuda"
    (run / "bundle.json").unlink()
    (fault,) = manifest.check(listed)
    assert "put it back" in fault.command
    assert "snakemake" not in fault.command


def test_a_read_of_the_test_split_counts_once_a_result(run):
    assert build(run)["test_reads"] == 1
    assert build(run)["test_reads"] == 1
    (run / "metrics.csv").write_text("a\n2\n")
    assert build(run)["test_reads"] == 2
    (run / "metrics.csv").write_text("a\n1\n")
    assert build(run)["test_reads"] == 2


def test_checks_for_leaks_are_no_read_of_the_test_split(run):
    before = build(run)["test_reads"]
    (run / "leaks.csv").write_text("check,verdict\n")
    artefacts = {"evaluate_classification": [run / "metrics.csv", run / "leaks.csv"]}
    assert manifest.build(artefacts, "x", run, run)["test_reads"] == before


@pytest.mark.parametrize(("text", "words"), [(None, "no manifest"), ("{", "damaged"), ("[]", "damaged")])
def test_a_manifest_that_cannot_be_read_is_an_error(run, text, words):
    file = run / "manifest.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ValueError, match=words):
        manifest.read(file)


def test_an_empty_manifest_proves_nothing(run):
    write_json(run / "manifest.json", {"artefacts": [], "config": "results/x/run_config.yaml"})
    with pytest.raises(ValueError, match="no artefact"):
        manifest.read(run / "manifest.json")


def test_the_commit_says_whether_files_differ_from_it(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    git("init")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-m", "x")
    commit = manifest.git_commit(tmp_path)
    assert commit is not None
    assert len(commit) == 40
    (tmp_path / "file").write_text("2")
    assert manifest.git_commit(tmp_path) == f"{commit}-dirty"


def test_the_index_of_no_folder_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="not a folder"):
        manifest.write_index(tmp_path / "none", tmp_path / "none.tsv")
