"""Scores of explanations against sklearn, closed forms and planted models."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import average_precision_score, roc_auc_score

from beatlens.evaluate.explanations.faithfulness import (
    deletion_insertion,
    greedy_areas,
    random_area,
    ranked_cells,
    step_counts,
)
from beatlens.evaluate.explanations.localisation import (
    METRICS,
    Grid,
    Truth,
    auc,
    average_precision,
    beat_truth,
    localisation,
    planted_truth,
    share_inside,
    threshold_areas,
)
from beatlens.evaluate.explanations.nulls import fixed_nulls, random_maps
from beatlens.evaluate.explanations.sensitivity import (
    infidelity,
    random_subsets,
    sensitivity_n,
    shown_cells,
    span_losses,
)
from beatlens.evaluate.explanations.table import COLUMNS, CaseScores, Score, scores_table
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
    truth, lengths = Truth(inside, np.ones_like(inside)), np.full(25, 2)
    perfect = localisation(inside.astype(float), truth, lengths)
    assert tuple(perfect) == METRICS
    count = perfect.pop("token_count")
    assert count == 6  # .9 of 13 samples, which lie in six cells of two and one of one
    assert perfect == dict.fromkeys(perfect, 1.0)
    reverse = localisation(-inside.astype(float), truth, lengths)
    zeros = ("pointing_game", "relevance_mass", "relevance_rank", "time_auc", "span_f1", "aup", "aur", "token_count")
    assert [reverse[name] for name in zeros] == [0.0] * len(zeros)
    share = inside.mean()
    for level in (0.0, 1.0):
        constant = localisation(np.full(inside.shape, level), truth, lengths)
        for name in ("auprc", "pointing_game", "relevance_rank", "precision_at_5"):
            assert constant[name] == pytest.approx(share)
        assert constant["time_auc"] == constant["lead_auc"] == 0.5
        assert constant["span_f1"] == pytest.approx(level * 2 * share / (1 + share))
        assert constant["aup"] == pytest.approx(level * share)
        assert constant["aur"] == level
    with pytest.raises(ValueError, match="segments of 48 samples"):
        localisation(inside, truth, lengths[:-1])


def test_mean_precision_and_recall_over_thresholds_by_hand():
    scores, truth = np.array([4.0, 3.0, 1.0, 0.0, -2.0]), np.array([True, False, True, True, False])
    # Thresholds 0 to 1: three samples, of them two right; 1 to 3: two, one right; 3 to 4: one, right.
    assert threshold_areas(scores, truth) == pytest.approx((2 / 3 / 4 + 1 / 2 * 2 / 4 + 1 / 4, (2 + 2 * 1 + 1) / 3 / 4))
    rng = np.random.default_rng(0)
    many, inside = rng.normal(size=300).round(1), rng.random(300) < 0.3
    thresholds = (np.arange(20_000) + 0.5) / 20_000 * many.max()
    hits = [(many >= t, (inside & (many >= t)).sum()) for t in thresholds]
    expected = np.mean([(hit / above.sum(), hit / inside.sum()) for above, hit in hits], axis=0)
    assert threshold_areas(many, inside) == pytest.approx(tuple(expected), abs=1e-4)


def test_equal_values_enter_the_largest_by_chance():
    scores, inside = np.array([2.0, 1.0, 1.0, 1.0, 0.0]), np.array([1.0, 1.0, 0.0, 0.0, 1.0])
    assert share_inside(scores, inside, 1) == 1.0
    assert share_inside(scores, inside, 3) == pytest.approx((1 + 2 / 3) / 3)
    assert share_inside(scores, inside, 9) == pytest.approx(3 / 5)


def test_cells_that_hold_the_mass_and_the_truth():
    inside = np.zeros((2, 40), dtype=bool)
    inside[0, :10], inside[0, 10:15] = True, True
    values = np.zeros((2, 40))
    values[0, :10], values[0, 10:20], values[1, 30:] = 0.6, 0.3, 0.1
    found = localisation(values, Truth(inside, np.ones_like(inside)), np.full(4, 10))
    assert found["token_count"] == 2
    # The fifth largest cell is one of five empty ones.
    assert found["precision_at_5"] == pytest.approx((1 + 0.5 + 0) / 5)
    assert found["span_f1"] == pytest.approx(2 * 15 / (30 + 15))  # spans: all of at least a tenth of the largest


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
    truth = planted_truth(spans, 500, "V", Grid(("II", "V2"), 100.0, 0.25, 200))
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


def test_sums_of_an_additive_model_are_its_losses():
    weights = np.random.default_rng(0).normal(size=(2, 20))
    subsets = random_subsets(planted(weights), weights.shape, 60, np.random.default_rng(1))
    assert subsets.off.sum(axis=(2, 3)).tolist() == [[size] * 60 for size in (2, 4, 8, 16)]
    assert sensitivity_n(weights, subsets) == pytest.approx(1.0)
    assert sensitivity_n(-3 * weights, subsets) == pytest.approx(-1.0)
    assert infidelity(5 * weights, subsets) == pytest.approx(0.0, abs=1e-9)
    assert infidelity(-weights, subsets) == 1.0
    other = np.random.default_rng(2).normal(size=weights.shape)
    assert abs(sensitivity_n(other, subsets)) < 0.4
    assert infidelity(other, subsets) > 0.6
    assert sensitivity_n(np.ones_like(weights), subsets) == 0.0
    assert infidelity(np.zeros_like(weights), subsets) == 1.0
    constant = random_subsets(planted(np.zeros((2, 20))), (2, 20), 60, np.random.default_rng(1))
    assert np.isnan([sensitivity_n(weights, constant), infidelity(weights, constant)]).all()


def test_what_is_shown_beside_random_cells_of_equal_duration():
    weights, lengths = np.zeros((2, 4)), np.array([10, 10, 10, 5])
    weights[0, 1], weights[1, 3] = 4.0, 1.0
    shown = shown_cells(weights, lengths)
    assert np.argwhere(shown).tolist() == [[0, 1], [1, 3]]  # .4 and .2 a sample: both at least a tenth of the largest
    (found,) = span_losses(planted(weights), [shown], lengths, 4000, np.random.default_rng(0))
    assert found[0] == pytest.approx(5.0)
    # 15 of 70 samples: two cells of eight, where those are 15 long, or near it.
    assert found[1] == pytest.approx(5.0 * 15 / 70, rel=0.15)
    assert span_losses(planted(weights), [], lengths, 3, np.random.default_rng(0)) == []
    (nothing,) = span_losses(planted(weights), [shown & False], lengths, 3, np.random.default_rng(0))
    assert nothing == (0.0, 0.0)


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
