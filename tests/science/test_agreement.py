"""Agreement of explanations against scipy and values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from beatlens.evaluate.explanations.agreement import (
    agreement,
    jaccard,
    largest,
    rank_biased_overlap,
    spearman,
    weighted_jaccard,
)


def test_spearman_is_scipys_with_ties():
    rng = np.random.default_rng(0)
    for _ in range(5):
        a, b = rng.integers(0, 6, 40).astype(float), rng.normal(size=40)
        assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
    assert np.isnan(spearman(np.ones(4), np.arange(4.0)))


def test_overlaps_by_hand():
    a, b = np.array([3.0, -2.0, 1.0, 0.0]), np.array([3.0, 2.0, 0.0, 1.0])
    assert largest(a, 3).tolist() == [0, 1, 2]
    assert jaccard(a, b, 2) == 1.0
    assert jaccard(a, b, 3) == pytest.approx(2 / 4)
    assert weighted_jaccard(a, b) == pytest.approx(3 / 9)  # 3 of 6 shared; the 2 of another sign is not
    # Ranks 0 1 2 and 0 1 3: A = 1, 1, 2/3.
    p = 0.9
    expected = 2 / 3 * p**3 + (1 - p) / p * (p + p**2 + 2 / 3 * p**3)
    assert rank_biased_overlap(a, b, 3, p) == pytest.approx(expected)
    assert np.isnan(rank_biased_overlap(np.zeros(3), b[:3], 3))
    assert np.isnan(weighted_jaccard(np.zeros(3), b[:3]))


def test_everything_agrees_with_itself():
    values = np.random.default_rng(1).normal(size=50)
    assert agreement(values, values, 0.1) == pytest.approx(dict.fromkeys(agreement(values, values, 0.1), 1.0))
    opposite = agreement(values, -values, 0.1)
    assert opposite["spearman"] == pytest.approx(-1.0)
    assert opposite["weighted_jaccard"] == 0.0


def test_agreement_of_different_players_is_refused():
    with pytest.raises(ValueError, match="expected"):
        agreement(np.ones(3), np.ones(4), 0.1)
    with pytest.raises(ValueError, match="not finite"):
        spearman(np.array([1.0, np.nan]), np.ones(2))
