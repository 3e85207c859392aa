"""Which RR intervals the rhythm's part of an explanation rests on: their exact Shapley values, with the signal on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from beatlens.beats.settings import BeatSettings
from beatlens.explain.explainer import PreparedCase
from beatlens.explain.methods.kernelshap import solve_kernelshap
from beatlens.explain.methods.sampling import shapley_coalitions
from beatlens.explain.players.intervals import IntervalPlayers, interval_players, masked_features


@dataclass(frozen=True)
class IntervalValues:
    """Shapley values of RR intervals.

    Attributes
    ----------
    players
        The intervals, and all else that RR features tell.
    values
        (n_players,) in the target's units. They add up to the target as it is minus that in a constant rhythm.
    """

    players: IntervalPlayers
    values: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """(n_players,) share of the absolute values, 0 where all are 0."""
        size = np.abs(self.values)
        return np.asarray(size / size.sum() if size.sum() > 0 else size)


def explain_intervals(prepared: PreparedCase, settings: BeatSettings) -> IntervalValues:
    """Return the Shapley values of the RR intervals around a case's beat, over all coalitions.

    Parameters
    ----------
    prepared
        The case.
    settings
        Section ``beats`` of the bundle.
    """
    beats = prepared.view.beats
    row = int(np.flatnonzero(beats["beat_id"].to_numpy() == prepared.case.beat_id)[0])
    players = interval_players(row, beats["stretch"].to_numpy(dtype=np.int64))
    coalitions = shapley_coalitions(len(players), 2 ** len(players), np.random.default_rng(0))
    features = masked_features(players, coalitions.masks, prepared.instance, beats, settings)
    values = prepared.engine.rhythm_values(features, prepared.target)
    return IntervalValues(players, solve_kernelshap(coalitions, values).values)
