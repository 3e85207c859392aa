"""Two scales in one explanation: what is spread where, and that the sum is kept."""

from __future__ import annotations

import numpy as np
import pytest

from beatlens.explain.methods.solution import Solution
from beatlens.explain.players.coalition import cell_players, refined_players, segment_edges, segment_players
from beatlens.explain.players.multiscale import CHANGE_SHARE, cell_evidence, join, spread_by_change, unassigned

LEADS = ("II", "V1")
EDGES = segment_edges(0, 40, 10)


def test_values_go_where_the_baseline_changes_something():
    players = refined_players(LEADS, EDGES, [1, 3], True)
    values = np.arange(1.0, len(players) + 1)
    change = np.random.default_rng(0).random((2, 40)) * (np.arange(40) % 2)
    change[1, 30:] = 0
    spread = spread_by_change(players, values, change)
    for k, name in enumerate(players.names[:4]):
        lead, _, span = name.partition("@")
        first, last = map(int, span.split("-"))
        part, own = spread[LEADS.index(lead), first:last], change[LEADS.index(lead), first:last]
        assert part.sum() == pytest.approx(values[k])
        if own.any():
            np.testing.assert_allclose(part / values[k], own / own.sum())
        else:
            np.testing.assert_allclose(part, values[k] / 10)
    assert not spread[:, :10].any()  # the pooled rest has no place
    assert unassigned(players, values) == 5.0
    assert unassigned(segment_players(LEADS, EDGES, True), np.ones(5)) == 0.0
    with pytest.raises(ValueError, match="change of shape"):
        spread_by_change(players, values, change[:, 1:])


def test_a_change_that_the_target_does_not_heed_gets_nothing():
    """Two segments of two leads change alike; the target heeds one cell, and one against the player's value."""
    cells = cell_players(LEADS, EDGES, rhythm=True)
    alone = np.zeros(len(cells))
    alone[[cells.names.index(name) for name in ("II@10-20", "V1@30-40")]] = 3.0, -2.0
    change = np.zeros((2, 40))
    change[:, 10:20] = change[:, 30:40] = np.arange(1, 11)
    evidence = cell_evidence(cells, alone, change)
    # 3 + 3 / 2 by itself and as one of two leads, 3 / 2 for its neighbour; squared
    np.testing.assert_allclose([evidence[0, 10:20].sum(), evidence[1, 10:20].sum()], [4.5**2, 1.5**2])
    np.testing.assert_allclose([evidence[0, 30:40].sum(), evidence[1, 30:40].sum()], [-1.0, -9.0])
    players = segment_players(LEADS, segment_edges(0, 40, 40), True)
    values = np.array([8.0, 1.0])
    spread = spread_by_change(players, values, change, evidence)
    assert spread.sum() == pytest.approx(8.0)
    by_change = CHANGE_SHARE * change * 8 / change.sum()
    np.testing.assert_allclose(spread[:, 30:], by_change[:, 30:])
    heeded = (1 - CHANGE_SHARE) * 8 * 0.9 * np.arange(1, 11) / 55
    np.testing.assert_allclose(spread[0, 10:20], heeded + by_change[0, 10:20])
    # Where no cell has the value's sign, or none any effect, what changes decides.
    np.testing.assert_allclose(spread_by_change(players, values, change, 0 * evidence), change * 8 / change.sum())
    against = spread_by_change(players, -values, change, evidence)
    np.testing.assert_allclose(against[1, 30:40].sum(), -8 * (0.9 * (1 - CHANGE_SHARE) + CHANGE_SHARE / 4))


def test_the_mean_of_scales_keeps_the_sum():
    rng = np.random.default_rng(1)
    scales = []
    for players in (segment_players(LEADS, EDGES, True), refined_players(LEADS, EDGES, [0], True)):
        values = rng.normal(size=len(players))
        values += (3.0 - values.sum()) / len(players)
        scales.append((players, Solution(values, np.ones(len(players)), 4.0, 1.0, 10)))
    names, joined = join(scales)
    assert len(names) == len(set(names)) == len(joined.values)
    assert joined.completeness_error == pytest.approx(0.0)
    assert joined.n_evaluations == 20
    assert join(scales[:1]) == (list(scales[0][0].names), scales[0][1])
