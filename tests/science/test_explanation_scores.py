"""Scores of explanations against sklearn, closed forms and planted models."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import average_precision_score, roc_auc_score

from beatlens.evaluate.explanation_table import COLUMNS, CaseScores, Score, scores_table
from beatlens.evaluate.faithfulness import deletion_insertion, greedy_areas, random_area, ranked_cells, step_counts
from beatlens.evaluate.localisation import Truth, auc, average_precision, beat_truth, localisation, planted_truth
from beatlens.evaluate.nulls import fixed_nulls, random_maps
from beatlens.evaluate.settings import EvaluateSettings

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config/config.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("seed", range(5))
def test_areas_agree_with_sklearn_also_with_ties(seed):
    rng = np.random.default_rng(seed)
    scores, truth = rng.integers(0, 6, 200).astype(float), rng.random(200) < 0.2
    assert average_precision(scores, truth) == pytest.approx(average_precision_score(truth, scores))
    assert auc(scores, truth) == pytest.approx(roc_auc_score(truth, scores))
    assert np.isnan(auc(scores, np.ones(200)))


def test_localisation_of_perfect_reversed_and_constant_maps():
    inside = np.zeros((3, 50), dtype=bool)
    inside[0, 10:20] = inside[1, 12:15] = True
    truth = Truth(inside, np.ones_like(inside))
    perfect = localisation(inside.astype(float), truth)
    assert perfect == dict.fromkeys(perfect, 1.0)
    reverse = localisation(-inside.astype(float), truth)
    assert reverse["pointing_game"] == reverse["relevance_mass"] == reverse["time_auc"] == 0
    for values in (np.zeros(inside.shape), np.ones(inside.shape)):
        constant = localisation(values, truth)
        assert constant["auprc"] == pytest.approx(inside.mean())
        assert constant["pointing_game"] == pytest.approx(inside.mean())
        assert constant["time_auc"] == constant["lead_auc"] == 0.5


def test_truth_of_the_target_beat_and_other_beats_of_its_class():
    spans = pd.DataFrame(
        [
            ("II", 1.0, 1.1, "V", 500),
            ("V1", 1.05, 1.1, "V", 500),
            ("II", 0.2, 0.3, "V", 100),
            ("II", 1.5, 1.6, "S", 700),
        ],
        columns=["lead", "start_s", "end_s", "label", "r_sample"],
    )
    truth = planted_truth(spans, 500, "V", ("II", "V2"), 100.0, 0.25, 200)
    assert np.flatnonzero(truth.inside[0]).tolist() == list(range(75, 85))
    assert not truth.inside[1].any()
    assert np.flatnonzero(~truth.counted[0]).tolist() == list(range(0, 5))  # a span that begins before the window


def test_spans_of_beats_end_half_way_to_their_neighbours():
    r_samples = np.array([20, 60, 90, 200])
    chosen = np.array([True, False, True, False])
    truth = beat_truth(r_samples, chosen, (25, 40), (2, 120))
    assert np.flatnonzero(truth.inside[1]).tolist() == [*range(0, 40), *range(75, 120)]
    part = truth.within(np.arange(120) >= 100)
    assert np.flatnonzero(part.inside[0]).tolist() == list(range(100, 120))
    assert np.flatnonzero(part.counted[0]).tolist() == list(range(100, 120))
    assert truth.within(np.arange(120) == 50) is None
    assert beat_truth(r_samples, np.zeros(4, dtype=bool), (25, 40), (2, 120)) is None


def test_nulls():
    signal = np.random.default_rng(0).normal(size=(2, 100)).astype(np.float32)
    change = np.abs(signal)
    nulls = fixed_nulls(signal, change, np.array([20, 70]), [(10, 40)], 100.0)
    assert np.flatnonzero(nulls["r_peak"][1]).tolist() == [*range(16, 25), *range(66, 75)]
    assert np.flatnonzero(nulls["target_beat"][0]).tolist() == list(range(10, 40))
    np.testing.assert_array_equal(nulls["target_change"][:, 10:40], change[:, 10:40])
    assert not nulls["target_change"][:, 40:].any()
    maps = random_maps(2, np.array([10, 10, 5]), 3, np.random.default_rng(0))
    assert len(maps) == 3
    assert maps[0].shape == (2, 25)
    assert len(np.unique(maps[0])) == 6


def planted(weights):
    def value(cells):
        return cells.reshape(len(cells), -1) @ weights.ravel()

    return value


def test_deletion_of_an_additive_model():
    """For an additive model the true order is the greedy one, its reverse the worst, and chance lies half-way."""
    weights = np.random.default_rng(0).random((2, 20))
    value, shape = planted(weights), weights.shape
    order = ranked_cells(weights, np.random.default_rng(1))
    best = deletion_insertion(value, order, shape, 40)
    worst = deletion_insertion(value, order[::-1].copy(), shape, 40)
    greedy = greedy_areas(value, shape, 40)
    chance = random_area(value, shape, 40, 200, np.random.default_rng(2))
    assert greedy.deletion == pytest.approx(best.deletion)
    assert greedy.insertion == pytest.approx(best.insertion)
    assert worst.deletion == pytest.approx(best.insertion)
    assert chance == pytest.approx(weights.sum() / 2, rel=0.02)
    assert best.deletion < chance < best.insertion


def test_equal_cells_are_ordered_by_chance_and_steps_reach_all():
    orders = [ranked_cells(np.zeros((2, 10)), np.random.default_rng(k)) for k in range(2)]
    assert sorted(orders[0]) == list(range(20))
    assert (orders[0] != orders[1]).any()
    assert step_counts(7, 3).tolist() == [0, 2, 5, 7]
    assert step_counts(2, 10).tolist() == [0, 1, 2]
    assert random_area(planted(np.ones((1, 1))), (1, 1), 10, 2, np.random.default_rng(0)) == 0.5


def evaluate_settings():
    own = {field.name: CONFIG["evaluate"][field.name] for field in fields(EvaluateSettings)}
    return EvaluateSettings(**own)


def test_table_of_scores():
    """Means over cases, ratios as ratio of sums, gain positive where better, intervals from patients."""
    cases = [
        CaseScores(
            f"V-correct-{k:02d}",
            f"c/r{k}",
            f"c/p{k}",
            "V",
            (
                Score("lime", "auprc", "planted", 0.5 + 0.1 * k, "empty", 0.1),
                Score("lime", "deletion_auc", "model", 0.2, "random", 0.5),
                Score("lime", "deletion", "model", 1.0 * k, "random", 0.0, 2.0),
            ),
        )
        for k in range(4)
    ]
    table = scores_table(cases, ["N", "V"], evaluate_settings(), 1)
    assert tuple(table.columns) == COLUMNS
    assert (table["scope"] == "case").sum() == 12
    for scope, name in (("class", "V"), ("all", "")):
        own = table[(table["scope"] == scope) & (table["class"] == name)].set_index("metric")
        assert own.loc["auprc", "value"] == pytest.approx(0.65)
        assert own.loc["auprc", "gain"] == pytest.approx(0.55)
        assert own.loc["auprc", "lo"] < 0.65 < own.loc["auprc", "hi"]
        assert own.loc["deletion_auc", "gain"] == pytest.approx(0.3)
        assert own.loc["deletion", "value"] == pytest.approx(6 / 8)
    assert table[table["class"] == "N"].empty
    assert scores_table([], ["N"], evaluate_settings(), 1).empty
