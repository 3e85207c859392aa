"""The choice of settings by left-out training patients: its numbers, and what it must never see."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml
from sklearn.metrics import f1_score

from beatlens.core.files import read_arrays, read_table, sha256_of, write_table

CLOSED = "a05"
"""Record of a patient who is for tests in the table below."""
RESULTS = [
    *(f"held_out/{name}/1.parquet" for name in ("plain", "context")),
    "scores.csv",
    "choice.yaml",
    "selection.svg",
    "selection.png",
]


@pytest.fixture
def dealt(finished):
    """Let five of six patients train, so that they can be dealt to folds."""
    records = read_table(finished.results / "records.tsv")
    chosen = records[["corpus", "record"]].assign(split=np.where(records["record"] == CLOSED, "test", "train"))
    write_table(finished.folder / "dealt.csv", chosen)
    return finished


def spoil(project, record):
    """Turn a record's signal to noise and its labels to nonsense in the shards."""
    for shard in (project.results / "preprocess").iterdir():
        table = read_table(shard / "records.parquet")
        for row in table[table["record"] == record].itertuples():
            signals = np.lib.format.open_memmap(shard / "signals.npy", mode="r+")
            size = row.n_leads * row.n_samples
            signals[row.offset : row.offset + size] = np.random.default_rng(0).standard_normal(size)
            signals.flush()
            beats = read_table(shard / "beats.parquet")
            beats.loc[beats["record"] == record, "label"] = "STE"
            write_table(shard / "beats.parquet", beats)
            return
    raise AssertionError(f"no record {record}")


def test_the_choice_follows_from_left_out_training_patients_and_from_nobody_else(dealt):
    folder = dealt.results / "selection"
    dealt.snakemake("select", "--cores", "2", "--config", "select={table: dealt.csv}")
    first = {name: sha256_of(folder / name) for name in RESULTS}
    scores = read_table(folder / "scores.csv")
    behind = scores[scores["metric"] == "macro_f1_to_best"].set_index("candidate")
    records = read_table(dealt.results / "records.tsv")
    for name in ("plain", "context"):
        table = read_table(folder / "held_out" / name / "1.parquet")
        assert set(table["record"]) == set(records["record"]) - {CLOSED}
        wanted = f1_score(table["label"], table["pred"], labels=sorted(set(table["label"])), average="macro")
        found = scores[(scores["candidate"] == name) & (scores["metric"] == "macro_f1")]
        np.testing.assert_allclose(found["value"], [wanted, wanted])
        origin = json.loads((folder / "held_out" / name / "1.json").read_text())
        assert f"synthetic/{CLOSED}" not in origin["records_opened"]
        assert sorted(sum(origin["folds"], [])) == [f"synthetic/{who}" for who in ("A01", "A02", "A03", "A04", "C01")]
        assert origin["settings"]["model"]["name"] == ("hybrid" if name == "plain" else "context")
    keeps = -behind.loc["plain", "value"] <= behind.loc["plain", "standard_error"]
    choice = yaml.safe_load((folder / "choice.yaml").read_text())
    assert choice == ({} if keeps else {"model": {"name": "context"}, "leads": ["II", "V1"]})
    assert not list(folder.rglob("*.state*"))
    stacked = ["--configfile", "tests/workflow/tiny.yaml", "results/tiny/selection/choice.yaml"]
    assert ("train_network" in dealt.planned(*stacked, config=None)) is not keeps

    dealt.edit("tests/workflow/tiny.yaml", "leads: [II, V1]", "leads: [V1]")
    planned = dealt.planned("select", "--config", "select={table: dealt.csv}")
    assert planned == {"fit_candidate": 1, "choose_candidate": 1, "select": 1}
    dealt.edit("tests/workflow/tiny.yaml", "leads: [V1]", "leads: [II, V1]")

    again = "held_out/context/1.parquet"
    before = (folder / again).stat().st_mtime_ns
    spoil(dealt, CLOSED)
    dealt.snakemake(f"results/tiny/selection/{again}", "--cores", "1", "--config", "select={table: dealt.csv}")
    assert (folder / again).stat().st_mtime_ns > before
    assert sha256_of(folder / again) == first[again]


def test_networks_of_folds_are_jobs_that_hold_out_their_patients(dealt):
    chosen = ["--config", "split={scheme: table, table: dealt.csv}", "training={folds: 2}"]
    planned = dealt.planned("results/tiny/model/bundle/bundle.json", *chosen)
    assert {name: planned.get(name) for name in ("train_fold", "gather_held_out", "train_network", "make_bundle")} == {
        "train_fold": 2, "gather_held_out": 1, "train_network": 1, "make_bundle": 1,
    }  # fmt: skip
    held_out = "results/tiny/model/training/held_out.npz"
    dealt.snakemake(held_out, *chosen, "--cores", "2")
    folder = dealt.results / "model" / "training"
    parts = [read_arrays(folder / f"held_out_{fold}.npz") for fold in (0, 1)]
    joined = read_arrays(folder / "held_out.npz")
    for name, values in joined.items():
        np.testing.assert_array_equal(values, np.concatenate([part[name] for part in parts]), err_msg=name)
    people = [set(part["patient"].tolist()) for part in parts]
    assert not people[0] & people[1]
    assert people[0] | people[1] == {f"synthetic/{who}" for who in ("A01", "A02", "A03", "A04", "C01")}
    assert not list(folder.glob("state*"))
    assert dealt.planned(held_out, *chosen) == {}


def test_without_candidates_or_with_an_unknown_key_it_says_what_is_expected(fresh):
    said = fresh.snakemake("select", "--dry-run", config=None, ok=False)
    assert "select.candidates is empty; expected" in said
    unknown = "select={candidates: [{name: one, change: {modl: {name: context}}}]}"
    said = fresh.snakemake("select", "--dry-run", "--config", unknown, ok=False)
    assert "select.candidates[0].change.modl" in said
    assert "did you mean model?" in said
