"""The engine's attention, by windows and by sums over cells, against the cross-modal network's own pass."""

from __future__ import annotations

import numpy as np
import pytest

from beatlens.decision.calibration import Calibration
from beatlens.explain.case.baselines import ABSENT
from beatlens.explain.engine import attention_readout
from beatlens.explain.engine.perturbation import PerturbationEngine
from beatlens.explain.engine.readout import WholeWindows
from beatlens.explain.players.coalition import beat_bounds, cell_players
from makers import CLASSES, make_bank, make_instance, make_network, make_record

LEADS = ("II", "V1", "X9")
CALIBRATION = Calibration(1.3, (0.1, -0.2, 0.1), 1.0, 0.0)


@pytest.mark.parametrize("lead_off", ["baseline", ABSENT])
@pytest.mark.parametrize("targets", [(2,), (0, 1, 4)], ids=["beat", "window"])
def test_both_ways_equal_the_networks_own_pass(lead_off, targets, monkeypatch):
    rng = np.random.default_rng(3)
    r_index = 20 + np.cumsum(rng.integers(40, 60, size=5))
    instance = make_instance(make_record(rng, LEADS, r_index, int(r_index[-1]) + 60), targets, rng)
    engine = PerturbationEngine(
        instance, make_network("crossmodal", 2).eval(), bank=make_bank(rng, LEADS), calibration=CALIBRATION,
        baseline="zero", lead_off=lead_off,
    )  # fmt: skip
    peaks = instance.r_index[(instance.r_index >= instance.start) & (instance.r_index < instance.stop)]
    players = cell_players(LEADS, beat_bounds(instance.start, instance.stop, peaks), rhythm=True)
    masks = rng.random((300, len(players))) < 0.6
    given = players.cells_on(masks), players.rhythm_on(masks), players.edges

    sums = attention_readout._by_cell
    taken: list[bool] = []

    def counted(*args):
        found = sums(*args)
        taken.append(found is not None)
        return found

    monkeypatch.setattr(attention_readout, "_by_cell", counted)
    by_cell = engine.outputs(*given)
    assert taken
    assert all(taken)
    monkeypatch.setattr(attention_readout, "FARTHEST", -1.0)  # no sums: each window after all
    taken.clear()
    fallback = engine.outputs(*given)
    assert not any(taken)
    monkeypatch.setattr(attention_readout, "SHARE", np.inf)
    taken.clear()
    by_window = engine.outputs(*given)
    assert not taken
    engine._readout = WholeWindows(instance, engine._fast)
    whole = engine.outputs(*given)
    assert whole[0].std(axis=0).shape == (len(targets), len(CLASSES))
    assert (whole[0].std(axis=0) > 1e-3).all()
    for found in (by_cell, fallback, by_window):
        for mine, theirs in zip(found, whole, strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-5, rtol=0)
