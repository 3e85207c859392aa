"""Labels of records, folds by patient, and inputs that nothing can be learnt from; the bundle of diagnoses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatlens.corpora.diagnosis_table import DiagnosisTable
from beatlens.decision.diagnoses import DiagnosisDecision
from beatlens.learning.diagnoses.record_labels import label_records, label_to_predict
from beatlens.learning.diagnoses.settings import DiagnosisSettings
from beatlens.prediction.diagnoses.bundle import DiagnosisBundle
from beatlens.shards.shard import BeatGeometry

CODES = {"1": "A", "2": "B", "22": "B", "3": "C", "9": ""}
TABLE = DiagnosisTable(Path("t.csv"), CODES, dict.fromkeys("ABC", "name"), ("A", "B"))
SETTINGS = DiagnosisSettings(min_positives=3, folds=3)


def records(dx: list[str], **columns: object) -> pd.DataFrame:
    n = len(dx)
    table = {
        "corpus": "c",
        "record": [f"r{k:02}" for k in range(n)],
        "patient": [f"p{k:02}" for k in range(n)],
        "database": "c",
        "role": "train",
        "duration_s": 10.0,
        "strat_fold": "",
        "dx": dx,
    }
    return pd.DataFrame({**table, **columns})


def test_codes_are_labels_and_an_unknown_code_is_named(caplog: pytest.LogCaptureFixture) -> None:
    dx = ["1", "22;1", "2", "77", "", "9", "1;77"] + ["1", "2", "3"] * 4
    table = label_records(records(dx), {"c": TABLE}, SETTINGS, seed=1)
    assert [name for name in table if name.startswith("label_")] == ["label_A", "label_B"]
    assert table[["label_A", "label_B"]].iloc[:7].to_numpy().tolist() == [
        *([1, 0], [1, 1], [0, 1], [-1, -1], [-1, -1], [0, 0], [1, 0])
    ]
    assert "c: 77" in caplog.text
    assert set(table["fold"]) == {0, 1, 2}


@pytest.mark.parametrize("seed", range(3))
def test_patients_are_whole_and_rare_diagnoses_in_every_fold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dx = ["1" if k < 9 else "2" if k < 40 else "3" for k in range(90)]
    who = [f"p{k // 3:02}" for k in range(90)]
    table = label_records(records(dx, patient=who), {"c": TABLE}, SETTINGS, seed)
    assert (table.groupby("patient")["fold"].nunique() == 1).all()
    assert table[table["label_A"] == 1].groupby("fold")["patient"].nunique().tolist() == [1, 1, 1]
    assert np.ptp(table["fold"].value_counts()) <= 6
    mixed = records(dx, patient=who).iloc[rng.permutation(90)]
    assert label_records(mixed, {"c": TABLE}, SETTINGS, seed).equals(table)  # whatever the shards


def test_folds_of_corpora_and_of_databases() -> None:
    dx = ["1", "2"] * 15
    given = records(dx, strat_fold=[str(1 + k % 10) for k in range(30)])
    by_corpus = label_records(given, {"c": TABLE}, replace(SETTINGS, folds_by="corpus"), 1)
    assert by_corpus["fold"].tolist() == [(1 + k % 10) % 3 for k in range(30)]
    by_database = replace(SETTINGS, folds_by="database")
    parts = records(dx, database=["x", "y", "z"] * 10)
    assert label_records(parts, {"c": TABLE}, by_database, 1)["fold"].tolist() == [0, 1, 2] * 10
    with pytest.raises(ValueError, match="the databases are c"):
        label_records(records(dx), {"c": TABLE}, by_database, 1)


@pytest.mark.parametrize(
    ("dx", "change", "words"),
    [
        (["", "77"], {}, "no training record has a code"),
        (["1"] * 9, {}, "all 9 training records have A"),
        (["1", "2"] * 2, {}, "most frequent diagnosis, [AB], is had by 2"),
        (["1", "2"] * 9, {"classes": ["C"]}, "C is had by 0 training records"),
        (["1", "2"] * 9, {"classes": ["D"]}, "'D'; expected ids"),
    ],
)
def test_what_nothing_can_be_learnt_from(dx: list[str], change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        label_records(records(dx), {"c": TABLE}, replace(SETTINGS, **change), 1)


def test_a_database_of_one_patient_and_a_patient_of_two_roles() -> None:
    dx = ["1", "2"] * 9
    with pytest.raises(ValueError, match="there are 1 training patients"):
        label_records(records(dx, patient="one"), {"c": TABLE}, SETTINGS, 1)
    twice = records(dx, role=["train"] * 9 + ["test"] * 9, patient=[f"p{k % 9}" for k in range(18)])
    with pytest.raises(ValueError, match="both train and test: c/p"):
        label_records(twice, {"c": TABLE}, SETTINGS, 1)
    few = records(["2"] * 4 + ["1"] * 30, patient=["x", "x", "y", "y", *map(str, range(30))])
    with pytest.raises(ValueError, match="with B lie in 2 folds"):
        label_records(few, {"c": TABLE}, SETTINGS, 1)


def test_with_a_given_bundle_no_record_is_in_a_fold() -> None:
    table = label_to_predict(records(["1", "", "3"], role=["test", "predict", "test"]), {"c": TABLE}, ("B", "A"))
    assert table["fold"].tolist() == [-1] * 3
    assert table["split"].tolist() == ["test", "none", "test"]
    assert table[["label_B", "label_A"]].to_numpy().tolist() == [[0, 1], [-1, -1], [0, 0]]


@pytest.fixture
def bundle() -> DiagnosisBundle:
    sizes = {"n_classes": 2, "before": 50, "after": 80, "fs": 200.0}
    weights = {"rhythm_std": np.ones(3, dtype=np.float32)}
    sections = {"signal": {"fs": 200}, "rpeaks": {"match_s": 0.1}, "beats": {}, "quality": {}}
    decision = DiagnosisDecision(1.0, (0.0, 0.0), (0.5, 0.5), 0.1, (0.1, 0.1), 0.2)
    geometry = BeatGeometry(200.0, 50, 80)
    return DiagnosisBundle({"A": "a", "B": "b"}, ("II",), geometry, sizes, weights, decision, sections, {}, {}, 1)


def test_a_bundle_is_read_as_it_was_written(tmp_path: Path, bundle: DiagnosisBundle) -> None:
    bundle.write(tmp_path / "b")
    read = DiagnosisBundle.read(tmp_path / "b")
    assert replace(read, weights={}) == replace(bundle, weights={})
    assert np.array_equal(read.weights["rhythm_std"], bundle.weights["rhythm_std"])
    same = {**bundle.sections, "leads": ["II"], "rpeaks": {"match_s": 0.2}}
    read.check_sections(same)
    with pytest.raises(ValueError, match=r"signal.fs: 250; expected 200"):
        read.check_sections({**same, "signal": {"fs": 250}})


def test_a_bundle_that_was_changed_is_refused(tmp_path: Path, bundle: DiagnosisBundle) -> None:
    bundle.write(tmp_path / "b")
    file = tmp_path / "b" / "bundle.json"
    value = json.loads(file.read_text())
    value["decision"]["thresholds"][0] = 0.4
    file.write_text(json.dumps(value))
    with pytest.raises(ValueError, match="digest"):
        DiagnosisBundle.read(tmp_path / "b")
    replace(bundle, weights={"rhythm_std": np.zeros(3, dtype=np.float32)}).write(tmp_path / "zero")
    with pytest.raises(ValueError, match="scales above 0"):
        DiagnosisBundle.read(tmp_path / "zero")
    replace(bundle, weights={"x": np.array([np.nan], dtype=np.float32)}).write(tmp_path / "nan")
    with pytest.raises(ValueError, match="finite float32"):
        DiagnosisBundle.read(tmp_path / "nan")
    replace(bundle, classes={"A": "a"}).write(tmp_path / "fewer")
    with pytest.raises(ValueError, match="n_classes 2; expected 1"):
        DiagnosisBundle.read(tmp_path / "fewer")
