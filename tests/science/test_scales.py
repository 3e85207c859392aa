"""Two scales in one explanation: what is spread where, and that the sum is kept."""

from __future__ import annotations

import numpy as np
import pytest

from beatlens.explain.methods.solution import Solution
from beatlens.explain.players.coalition import refined_players, segment_edges, segment_players
from beatlens.explain.players.multiscale import join, spread_by_change, unassigned

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
