"""Conformal sets against the closed form of their limits, and their coverage on beats not seen."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from beatlens.conformal import ConformalSets, fit_conformal
from beatlens.evaluate.conformal import conformal_scores


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


def test_a_class_with_few_beats_is_never_excluded():
    probability, target = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]), np.array([0, 0, 1])
    fitted = fit_conformal(probability, target, ["a", "b", "c"], 0.1)
    assert fitted.minimum == (0.0, 0.0)
    assert fit_conformal(probability, target * 0, ["a", "b", "c"], 0.1).n_beats == (3, 0)
    assert fitted.sets(probability, ("V", "N")).tolist() == ["N;V"] * 3


def test_sets_as_text_and_round_trip():
    sets = ConformalSets(0.1, (0.5, 0.3, 0.9), (10, 10, 10), (2, 2, 2))
    assert sets.sets(np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]]), ("V", "N", "S")).tolist() == ["N;V", ""]
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
