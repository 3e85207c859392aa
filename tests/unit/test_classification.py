from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as oracle

from beatlens.evaluate.predictions.classification import evaluate_classification
from beatlens.evaluate.predictions.outcomes import check_splits, join_missed, outcomes
from beatlens.evaluate.predictions.presence import evaluate_presence
from beatlens.evaluate.predictions.probabilities import (
    aurc,
    auroc,
    calibration_error,
    calibration_table,
    error_at_coverage,
    rank_histogram,
)
from beatlens.evaluate.settings import EvaluateSettings

CLASSES = ["N", "S", "V"]
SETTINGS = EvaluateSettings(
    bootstrap=200,
    level=0.95,
    random_draws=2,
    deletion_steps=2,
    leave_out=[["r1", "r2"], ["zz"], ["c/r1"], ["d/r1"]],
    calibration_bins=10,
)


def predictions(n: int = 600, seed: int = 0, patients: int = 8) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, n, p=[0.7, 0.2, 0.1])
    logits = rng.normal(0, 1, (n, 3)) + 1.5 * np.eye(3)[truth]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    person = rng.integers(0, patients, n)
    table = pd.DataFrame(
        {
            "beat_id": [f"c/r{k}/{i}" for i, k in enumerate(person)],
            "corpus": "c",
            "record": [f"r{k}" for k in person],
            "patient": [f"q{k}" for k in person],
            "split": "test",
            "label": np.array(CLASSES)[truth],
            "pred": np.array(CLASSES)[p.argmax(axis=1)],
            "review": p.max(axis=1) < 0.5,
            "matched": True,
        }
    )
    table[[f"p_{name}" for name in CLASSES]] = p
    return table


def get(table: pd.DataFrame, metric: str, name: str = "all", scope: str = "all") -> Any:
    row = table[(table["scope"] == scope) & (table["class"] == name) & (table["metric"] == metric)]
    assert len(row) == 1, (metric, name, scope, len(row))
    return row.iloc[0]


def test_agrees_with_scikit_learn() -> None:
    beats = predictions()
    table, confusion = evaluate_classification(beats, beats.iloc[:0], CLASSES, SETTINGS, 1)
    y, p = beats["label"], beats["pred"]
    probability = beats[[f"p_{name}" for name in CLASSES]].to_numpy()
    expected = oracle.precision_recall_fscore_support(y, p, labels=CLASSES)
    for k, name in enumerate(CLASSES):
        for metric, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
            assert get(table, metric, name).value == pytest.approx(values[k])
        assert get(table, "auroc", name).value == pytest.approx(oracle.roc_auc_score(y == name, probability[:, k]))
    assert get(table, "accuracy").value == pytest.approx(oracle.accuracy_score(y, p))
    assert get(table, "macro_f1").value == pytest.approx(oracle.f1_score(y, p, average="macro"))
    constant = ["N"] * len(y)
    assert get(table, "baseline_accuracy").value == pytest.approx((y == "N").mean())
    assert get(table, "baseline_macro_f1").value == pytest.approx(oracle.f1_score(y, constant, average="macro"))
    grid = confusion[confusion["scope"] == "all"].pivot(index="truth", columns="pred", values="n")
    np.testing.assert_array_equal(grid.loc[CLASSES, CLASSES], oracle.confusion_matrix(y, p, labels=CLASSES))
    for metric in ("accuracy", "macro_f1"):
        row = get(table, metric)
        assert row.lo < row.value < row.hi
    one = beats[beats["patient"] == "q3"]
    row = get(table, "macro_f1", scope="patient:q3")
    assert row.value == pytest.approx(oracle.f1_score(one["label"], one["pred"], average="macro"))
    assert np.isnan(row.lo)
    assert row.n == len(one)


def test_scopes() -> None:
    beats = predictions()
    table, _ = evaluate_classification(beats, beats, CLASSES, SETTINGS, 1)
    kept = beats[~beats["record"].isin(["r1", "r2"])]
    assert get(table, "accuracy", scope="without r1 r2").value == pytest.approx((kept["label"] == kept["pred"]).mean())
    kept = beats[beats["record"] != "r1"]
    assert get(table, "accuracy", scope="without c/r1").value == pytest.approx((kept["label"] == kept["pred"]).mean())
    assert not table["scope"].isin(["without zz", "without d/r1"]).any()
    accepted = beats[~beats["review"]]
    row = get(table, "accuracy", scope="accepted")
    assert row.value == pytest.approx((accepted["label"] == accepted["pred"]).mean())
    assert get(table, "review_rate").value == pytest.approx(beats["review"].mean())
    assert get(table, "coverage").value == pytest.approx(1 - beats["review"].mean())
    assert get(table, "accuracy", scope="annotated: all").value == get(table, "accuracy").value
    confidence = beats[[f"p_{name}" for name in CLASSES]].max(axis=1)
    surest = confidence >= confidence.sort_values(ascending=False).iloc[539]  # 540 of 600
    for name in CLASSES:
        own = beats["label"] == name
        wrong = own & (beats["pred"] != name)
        row = get(table, "accepted_wrong", name)
        assert row.value == pytest.approx((wrong & ~beats["review"]).sum() / own.sum())
        assert row.lo < row.value < row.hi
        assert row.n == own.sum()
        row = get(table, "accepted_wrong_at_90_coverage", name)
        assert row.value == pytest.approx((wrong & surest).sum() / own.sum())
        assert row.n == own.sum()


def test_false_detections_missed_beats_and_foreign_labels() -> None:
    """Two N right, one false detection called V, one missed V, one Q beat called N, one unlabelled beat."""
    beats = predictions(6)
    beats["label"] = ["N", "N", "none", "V", "Q", ""]
    beats["pred"] = ["N", "N", "V", "V", "N", "S"]
    beats["review"] = False
    annotated = beats.iloc[:3].copy()
    annotated["beat_id"] = ["c/r0/900", "c/r0/901", "c/r0/902"]
    annotated["label"], annotated["matched"] = ["N", "V", "Q"], [True, False, False]
    table, confusion = evaluate_classification(beats, annotated, CLASSES, SETTINGS, 1)
    cells = confusion[confusion["scope"] == "all"].set_index(["truth", "pred"])["n"]
    assert cells["none", "V"] == 1
    assert cells["V", "missed"] == 1
    assert cells["Q", "missed"] == 1
    assert cells["Q", "N"] == 1
    assert cells.sum() == 7
    assert get(table, "precision", "V").value == 0.5  # one of two V calls was no beat
    assert get(table, "recall", "V").value == 0.5  # one of two V beats was missed
    assert get(table, "precision", "N").value == 1.0  # the Q beat counts nowhere
    assert get(table, "accuracy").value == 3 / 4
    assert get(table, "accuracy").n == 4
    assert np.isnan(get(table, "recall", "S").value)
    assert get(table, "macro_f1").value == pytest.approx((1 + 0.5) / 2)
    assert get(table, "accuracy", scope="accepted").value == 1.0


def test_risk_and_calibration_against_naive_definitions() -> None:
    rng = np.random.default_rng(4)
    confidence, wrong = rng.permutation(np.arange(300)) / 300.0, rng.random(300) < 0.2
    histogram = rank_histogram(
        confidence, wrong.astype(int), n_groups=2, patient=np.zeros(300, int), n_patients=1, max_bins=None
    )
    order = np.argsort(-confidence)
    risks = np.cumsum(wrong[order]) / np.arange(1, 301)
    assert aurc(histogram)[0] == pytest.approx(risks.mean())
    assert error_at_coverage(histogram)[0] == pytest.approx(risks[269])
    tied = np.round(rng.random(500), 1)
    positive = rng.random(500) < 0.3 + 0.3 * tied
    histogram = rank_histogram(
        tied, positive.astype(int), n_groups=2, patient=np.zeros(500, int), n_patients=1, max_bins=None
    )
    assert auroc(histogram)[0] == pytest.approx(oracle.roc_auc_score(positive, tied))
    coarse = rank_histogram(
        confidence, wrong.astype(int), n_groups=2, patient=np.zeros(300, int), n_patients=1, max_bins=64
    )
    assert coarse.shape[2] == 64
    assert coarse.sum() == 300
    rows = outcomes(predictions(), CLASSES)
    p, hit = rows.probability.max(axis=1), rows.probability.argmax(axis=1) == rows.truth
    naive = 0.0
    for k in range(10):
        inside = (p > k / 10) & (p <= (k + 1) / 10)
        naive += inside.mean() * abs(p[inside].mean() - hit[inside].mean()) if inside.any() else 0
    assert calibration_error(calibration_table(rows, 10).sum(axis=0, keepdims=True))[0] == pytest.approx(naive)


def strips(n: int = 400, patients: int = 7) -> pd.DataFrame:
    """Make strips whose label and prediction are sets of classes."""
    rng = np.random.default_rng(6)
    person = rng.integers(0, patients, n)
    there = rng.random((n, 3)) < [0.9, 0.3, 0.2]
    probability = np.clip(0.4 * there + 0.6 * rng.random((n, 3)), 0, 1).round(2)
    table = pd.DataFrame(
        {
            "corpus": "c",
            "record": [f"r{k}" for k in person],
            "patient": [f"q{k}" for k in person],
            "split": "test",
            "label": [";".join(np.array(CLASSES)[row]) for row in there],
            "label_source": "beat",
            "pred": [";".join(np.array(CLASSES)[row]) for row in probability > 0.5],
        }
    )
    table[[f"p_{name}" for name in CLASSES]] = probability
    return table


def sets(column: pd.Series) -> np.ndarray:
    return np.array([[name in text.split(";") for name in CLASSES] for text in column])


def test_classes_in_strips_agree_with_scikit_learn() -> None:
    """Of 400 strips 61 hold a beat of another label and 60 are named as a whole: for them a class may be missing."""
    table = strips()
    full = sets(table["label"])
    table.loc[:60, "label"] += ";Q"
    weak = table.index[200:260]
    table.loc[weak, "label_source"] = "record"
    table.loc[weak, "label"] = [text.rpartition(";")[2] for text in table.loc[weak, "label"]]
    unlabelled = table.iloc[50:90].assign(label_source="", label="")
    scores = evaluate_presence({"strip": pd.concat([table, unlabelled])}, CLASSES, SETTINGS, 1)
    assert set(scores["split"]) == {"test"}
    there, found = sets(table["label"]), sets(table["pred"])
    known = ~(table["label"].str.contains("Q") | (table["label_source"] == "record")).to_numpy()
    np.testing.assert_array_equal(there[known], full[known])
    for k, name in enumerate(CLASSES):
        y, p = there[known, k], found[known, k]
        expected = {
            "sensitivity": oracle.recall_score(there[:, k], found[:, k]),
            "specificity": oracle.recall_score(~y, ~p),
            "precision": oracle.precision_score(y, p),
            "f1": oracle.f1_score(y, p),
            "baseline_f1": oracle.f1_score(y, np.ones_like(y)),
            "auroc": oracle.roc_auc_score(y, table[f"p_{name}"][known]),
        }
        for metric, value in expected.items():
            row = scores[(scores["class"] == name) & (scores["metric"] == metric)].iloc[0]
            assert row["value"] == pytest.approx(value), (name, metric)
            assert row["lo"] < value < row["hi"]
        assert scores[(scores["class"] == name) & (scores["metric"] == "sensitivity")]["n"].item() == there[:, k].sum()
        assert scores[(scores["class"] == name) & (scores["metric"] == "specificity")]["n"].item() == (~y).sum()
    assert scores[scores["metric"] == "weak_labels"]["value"].item() == 60 / 400


def test_a_label_of_the_whole_record_denies_no_class() -> None:
    """Ten records called V have normal beats as well; all predictions are right."""
    table = pd.DataFrame(
        {
            "corpus": "c",
            "record": [f"r{k}" for k in range(20)],
            "patient": [f"q{k}" for k in range(20)],
            "split": "test",
            "label": ["N", "V"] * 10,
            "label_source": "record",
            "pred": ["N", "N;V"] * 10,
            **{f"p_{name}": 0.9 for name in CLASSES},
        }
    )
    table.loc[0, "pred"] = ""  # nothing was detected
    scores = evaluate_presence({"record": table}, CLASSES, SETTINGS, 1).set_index(["class", "metric"])
    assert scores.loc[("N", "sensitivity"), ["value", "n"]].tolist() == [0.9, 10]
    assert scores.loc[("V", "sensitivity"), ["value", "n"]].tolist() == [1.0, 10]
    for metric in ("specificity", "precision", "f1", "baseline_f1", "auroc"):
        assert np.isnan(scores.loc[("N", metric), "value"]), metric
    assert scores.loc[("all", "weak_labels"), "value"] == 1.0


def test_strips_without_labels_have_no_scores() -> None:
    none = evaluate_presence({"record": strips().assign(label="", label_source="")}, CLASSES, SETTINGS, 1)
    assert len(none) == 0
    assert list(none.columns) == ["split", "level", "class", "metric", "value", "lo", "hi", "n"]
    foreign = evaluate_presence({"record": strips().assign(label="Q")}, CLASSES, SETTINGS, 1)
    assert foreign["value"].dropna().tolist() == [0.0]  # the share of weak labels


def test_without_labels_tables_are_empty() -> None:
    beats = predictions(10)
    beats["label"] = ""
    table, confusion = evaluate_classification(beats, beats.iloc[:0], CLASSES, SETTINGS, 1)
    assert len(table) == len(confusion) == 0
    assert list(table.columns) == ["split", "scope", "class", "metric", "value", "lo", "hi", "n"]


def test_every_beat_missed() -> None:
    annotated = predictions(12)
    annotated["matched"] = False
    table, _ = evaluate_classification(annotated.iloc[:0], annotated, CLASSES, SETTINGS, 1)
    assert get(table, "accuracy").value == 0.0
    assert not (table[table["scope"] == "all"]["metric"] == "auroc").any()
    assert np.isnan(get(table, "accuracy", scope="accepted").value)


def test_faults_are_named() -> None:
    beats = predictions(10)
    with pytest.raises(ValueError, match=r"c/r\d/0"):
        join_missed(pd.concat([beats, beats.iloc[:1]]), beats.iloc[:0])
    with pytest.raises(ValueError, match="'X'"):
        outcomes(beats.assign(pred="X"), CLASSES)
    records = beats[["corpus", "record", "patient", "split"]].drop_duplicates()
    check_splits(records, beats)
    with pytest.raises(ValueError, match="split 'train'"):
        check_splits(records, beats.assign(split="train"))


def test_equal_patient_ids_of_two_corpora_are_two_patients() -> None:
    beats = predictions(40, patients=2)
    beats.loc[beats.index >= 20, "corpus"] = "d"
    assert outcomes(beats, CLASSES).patients == ("c/q0", "c/q1", "d/q0", "d/q1")
    assert outcomes(beats[beats["corpus"] == "c"], CLASSES).patients == ("q0", "q1")
