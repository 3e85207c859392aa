"""Conformal sets against the closed form of their limits, and their coverage on beats not seen."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from beatlens.decision.conformal import ConformalSets, fit_conformal
from beatlens.evaluate.predictions.conformal import conformal_scores


def beats(n, rng):
    target = rng.choice(3, n, p=[0.9, 0.07, 0.03])
    values = np.exp(rng.normal(size=(n, 3)) + 2 * np.eye(3)[target])
    return values / values.sum(axis=1, keepdims=True), target


def test_limits_are_the_quantiles_of_the_closed_form():
    rng = np.random.default_rng(4)
    probability, target = beats(4000, rng)
    probability = np.round(probability, 2)  # with many ties
    fitted = fit_conformal(probability, target, [str(k % 7) for k in range(len(target))], 0.1)
    for k in range(3):
        scores = np.sort(1 - probability[target == k, k])
        rank = math.ceil((1 - 0.1) * (len(scores) + 1))
        assert fitted.minimum[k] == pytest.approx(1 - scores[rank - 1], abs=1e-12)
    assert fitted.n_beats == tuple(np.bincount(target))
    assert fitted.n_patients == (7, 7, 7)


def test_every_class_is_covered_on_its_own():
    rng = np.random.default_rng(5)
    probability, target = beats(8000, rng)
    fitted = fit_conformal(probability, target, ["p"] * len(target), 0.1)
    new, truth = beats(40000, rng)
    inside = fitted.contains(new)
    for k in range(3):
        assert inside[truth == k, k].mean() == pytest.approx(0.9, abs=0.03)
    assert inside.sum(axis=1).mean() < 2.5


def test_by_patient_a_new_patient_is_covered_however_many_beats_the_old_ones_have():
    """The mean over repeated draws of one beat a patient, with crepes, is the closed form."""
    from crepes import ConformalClassifier

    rng = np.random.default_rng(6)
    sizes = rng.integers(1, 60, 24)
    whose = np.repeat(np.arange(24), sizes)
    own = np.clip(np.repeat(rng.beta(4, 1, 24), sizes) + 0.1 * rng.standard_normal(len(whose)), 0, 1)
    limit = fit_conformal(own[:, None], np.zeros(len(own), int), [str(k) for k in whose], 0.1)
    assert limit.unit == ("patient",)
    near = np.array([limit.minimum[0] - 1e-6, limit.minimum[0] + 1e-6])
    starts = np.r_[0, np.cumsum(sizes)[:-1]]
    p_values = [
        ConformalClassifier().fit(1 - own[starts + rng.integers(sizes)]).predict_p(1 - near[:, None], smoothing=False)
        for _ in range(3000)
    ]
    below, at = np.mean(p_values, axis=0)[:, 0]
    assert below < 0.1 + 0.003
    assert at > 0.1 - 0.003
    covered = []
    for draw in range(400):
        level = np.random.default_rng([7, draw]).beta(4, 1, 21)
        scores = np.clip(level[:, None] + 0.1 * np.random.default_rng([8, draw]).standard_normal((21, 20)), 0, 1)
        names = np.repeat(np.arange(20), 20).astype(str).tolist()
        fitted = fit_conformal(scores[:20].reshape(-1, 1), np.zeros(400, int), names, 0.1)
        covered.append((scores[20] >= fitted.minimum[0]).mean())
    assert np.mean(covered) > 0.88


def test_a_class_with_few_beats_is_never_excluded():
    probability, target = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]), np.array([0, 0, 1])
    fitted = fit_conformal(probability, target, ["a", "b", "c"], 0.1)
    assert fitted.minimum == (0.0, 0.0)
    assert fit_conformal(probability, target * 0, ["a", "b", "c"], 0.1).n_beats == (3, 0)
    assert fitted.sets(probability, ("V", "N")).tolist() == ["N;V"] * 3


def test_sets_as_text_and_round_trip():
    sets = ConformalSets(0.1, (0.5, 0.3, 0.9), ("beat",) * 3, (10, 10, 10), (2, 2, 2))
    assert sets.sets(np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]]), ("V", "N", "S")).tolist() == ["N;V", "S"]
    assert ConformalSets.from_json(sets.to_json()) == sets
    with pytest.raises(ValueError, match=r"expected \(n, 3\)"):
        sets.contains(np.zeros((4, 2)))


def test_scores_count_by_class_and_leave_missed_beats_out():
    table = pd.DataFrame(
        {
            "corpus": "c",
            "patient": ["a", "a", "b", "b", "b"],
            "label": ["N", "N", "V", "N", "none"],
            "pred": ["N", "N", "V", "missed", "N"],
            "conformal_set": ["N", "V", "N;V", "", "N"],
        }
    )
    scores = {(name, metric): (i.value, n) for name, metric, i, n in conformal_scores(
        table, ["N", "V"], draws=20, level=0.9, seed=1)}  # fmt: skip
    assert scores["N", "conformal_coverage"] == (0.5, 2)
    assert scores["V", "conformal_coverage"] == (1.0, 1)
    assert scores["all", "conformal_set_size"] == (pytest.approx(4 / 3), 3)
    assert scores["all", "conformal_single"] == (pytest.approx(2 / 3), 3)
    assert conformal_scores(table.drop(columns="conformal_set"), ["N"], draws=2, level=0.9, seed=1) == []
