"""Statistics of attention against scipy, closed forms and planted weights."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy, permutation_test, spearmanr

from beatlens.evaluate.attention.alignment import cells_agreement, directions_agreement
from beatlens.evaluate.attention.outcomes import compare_outcomes
from beatlens.evaluate.attention.statistics import Direction, head_statistics, redundancy, top_pairs


def direction(weights: np.ndarray, name: str = "waveform->spectrogram") -> Direction:
    weights = np.asarray(weights, dtype=np.float64)
    return Direction(name, weights, np.arange(weights.shape[1]), np.arange(weights.shape[2]))


def drawn(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(shape[-1], 0.5), size=shape[:-1])


def test_uniform_and_single_key_have_their_closed_forms() -> None:
    uniform, single = np.full((6, 8), 1 / 8), np.eye(8)[:6]
    found = head_statistics(direction(np.stack([uniform, single])))
    np.testing.assert_allclose(found.entropy, [1, 0], atol=1e-12)
    np.testing.assert_allclose(found.effective_keys, [8, 1], atol=1e-9)
    np.testing.assert_allclose(found.gini, [0, 7 / 8], atol=1e-12)
    np.testing.assert_allclose(found.maximum, [1 / 8, 1])
    np.testing.assert_allclose(found.largest_ratio, [1, 8])
    np.testing.assert_allclose(found.above_uniform, [0, 1 / 8])


def test_statistics_of_drawn_weights_are_scipys() -> None:
    weights = drawn(0, 3, 5, 9)
    found = head_statistics(direction(weights))
    nats = entropy(weights, axis=2)
    np.testing.assert_allclose(found.entropy, (nats / np.log(9)).mean(1))
    np.testing.assert_allclose(found.effective_keys, np.exp(nats).mean(1))
    # Gini by its definition: the mean absolute difference of all pairs over twice the mean.
    pairs = np.abs(weights[:, :, :, None] - weights[:, :, None, :]).mean((2, 3))
    np.testing.assert_allclose(found.gini, (pairs / (2 * weights.mean(2))).mean(1))
    expected = [
        [(jensenshannon(weights[a], weights[b], axis=1, base=2) ** 2).mean() for b in range(3)] for a in range(3)
    ]
    np.testing.assert_allclose(redundancy(direction(weights)), expected, atol=1e-12)


def test_heads_that_share_no_key_are_one_bit_apart_and_a_single_head_has_no_other() -> None:
    eye = np.eye(4)
    np.testing.assert_allclose(redundancy(direction(np.stack([eye, eye[::-1], eye])))[0], [0, 1, 0], atol=1e-12)
    assert redundancy(direction(eye[None])).tolist() == [[0.0]]


def test_planted_pairs_come_first_by_their_own_places() -> None:
    weights = np.full((2, 3, 4), 0.25)
    weights[1, 2] = [0.1, 0.7, 0.1, 0.1]
    found = top_pairs(Direction("a->b", weights, np.array([4, 6, 9]), np.array([0, 3, 5, 7])), 2)
    assert (found[0].head, found[0].query, found[0].key) == (1, 9, 3)
    assert found[0].weight == pytest.approx(0.7)
    assert found[0].ratio == pytest.approx(2.8)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones((2, 3, 1)), "3 queries and 1 keys .* weight 1 whatever"),
        (np.full((1, 2, 2), 0.3), "rows that don't add up to 1"),
        (np.full((1, 2, 2), np.nan), "rows that don't add up to 1"),
    ],
)
def test_weights_that_say_nothing_are_refused(weights: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        direction(weights)


def test_directions_that_mirror_each_other_agree_and_others_do_not() -> None:
    there = drawn(1, 4, 12, 10)
    mirror = np.swapaxes(there, 1, 2) / there.sum(1)[:, :, None]
    found = directions_agreement(direction(there), direction(mirror), draws=99, seed=0)
    assert len(found) == 5
    assert all(one.beyond_chance and one.value > 0.8 for one in found)
    expected = spearmanr(there[0].ravel(), mirror[0].T.ravel()).statistic
    assert found[0].value == pytest.approx(expected)
    p = [
        directions_agreement(direction(drawn(k, 1, 12, 10)), direction(drawn(k + 50, 1, 10, 12)), draws=99, seed=k)[0].p
        for k in range(40)
    ]
    assert 0.3 < np.mean(p) < 0.7  # uniform where there is nothing
    assert (
        directions_agreement(direction(there), direction(drawn(3, 2, 10, 12)), draws=9, seed=0)[-1].p > 0
    )  # 4, 2 heads
    with pytest.raises(ValueError, match="other tokens"):
        directions_agreement(direction(there), direction(drawn(3, 4, 12, 10)), draws=9, seed=0)


def test_cells_agree_with_evidence_in_the_same_places_and_say_so_in_words() -> None:
    rng = np.random.default_rng(0)
    evidence, flat = rng.normal(size=(2, 30)), np.ones((2, 30))
    same = cells_agreement(
        np.abs(evidence) + rng.normal(scale=0.1, size=evidence.shape), evidence, flat, draws=199, seed=1
    )
    other = cells_agreement(rng.random((2, 30)), evidence, flat, draws=199, seed=1)
    assert same.beyond_chance
    assert not other.beyond_chance
    assert same.words("the fused explanation").startswith("agrees with the fused explanation: rank correlation 0.9")
    assert other.words("the fused explanation").startswith("does not agree with")
    told = cells_agreement(flat, evidence, flat, draws=9, seed=1)
    assert told.words("LIME") == "no agreement with LIME can be told: one of the two is the same everywhere"


def test_what_even_attention_has_too_is_no_agreement() -> None:
    """A map that has half of its mass on the target beat, as evidence has, agrees with it whatever the network says."""
    rng = np.random.default_rng(0)
    target = np.repeat([0.0, 1.0, 0.0], 10) * np.ones((2, 1))
    evidence, own = rng.random((2, 30)) + 3 * target, 0.1 * rng.random((2, 30))
    found = cells_agreement(target + own, evidence, target, draws=199, seed=1)
    assert found.p < 0.05
    assert found.even > found.value
    assert not found.beyond_chance
    assert "does not agree with LIME" in found.words("LIME")
    assert "even attention 0." in found.words("LIME")


def test_outcomes_are_compared_as_scipy_does_over_patients() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(1.0, 1, 7), rng.normal(0.0, 1, 8)
    values = np.concatenate([a, a, b])  # two cases of each correct patient are still one patient
    correct = np.array([True] * 14 + [False] * 8)
    patients = [f"a{k}" for k in range(7)] * 2 + [f"b{k}" for k in range(8)]
    found = compare_outcomes(values, correct, patients, draws=4999, seed=0)
    oracle = permutation_test((a, b), lambda x, y: x.mean() - y.mean(), n_resamples=4999, rng=1)
    assert found.p == pytest.approx(oracle.pvalue, abs=0.02)
    pooled = np.sqrt((6 * a.var(ddof=1) + 7 * b.var(ddof=1)) / 13)
    assert found.effect == pytest.approx((a.mean() - b.mean()) / pooled)
    assert (found.n_correct, found.n_wrong, found.absent) == (7, 8, "")


def test_patients_with_both_outcomes_are_paired() -> None:
    base = np.random.default_rng(5).normal(0, 100, 8)
    values, correct = np.concatenate([base + 1, base]), np.repeat([True, False], 8)
    found = compare_outcomes(values, correct, [f"p{k}" for k in range(8)] * 2, draws=999, seed=0)
    assert found.p == pytest.approx(2 / 2**8, abs=0.01)  # the two of 2^8 swaps that are as far


def test_a_class_without_wrong_predictions_says_that_nothing_can_be_compared() -> None:
    found = compare_outcomes([1.0, 2.0, np.nan], [True, True, False], ["a", "b", "c"], draws=9, seed=0)
    assert found.absent == (
        "2 patients with a correct and 0 with a wrong prediction of the class; a comparison needs 2 of each"
    )
    assert np.isnan(found.p)
    assert np.isnan(found.wrong)
