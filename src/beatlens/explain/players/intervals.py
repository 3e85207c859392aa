"""RR intervals around a beat as players: what the model's RR features are where some of them are usual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.beats.rr_intervals import RR_COLUMNS, rr_features
from beatlens.beats.settings import BeatSettings
from beatlens.explain.case.instance import Instance

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

OTHERS = "others"
"""Player of all else that RR features tell: other intervals, and means, medians and spreads over many."""
REACH = (-2, 3)
"""Intervals that are players, first and last: 0 ends at the explained beat, 1 begins there."""
INTERVAL_OF = {"rr_before_s": 0, "rr_after_s": 1, "rr_previous_s": -1, "rr_next_s": 2}
"""RR column -> the interval that it is, counted as in `REACH` from the column's beat."""
SECONDS = ("rr_short_mean_s", "rr_long_mean_s", "rr_usual_short_s", "rr_usual_long_s")
"""RR columns over many intervals that are the usual interval in a constant rhythm; those left are 0 there."""


@dataclass(frozen=True)
class IntervalPlayers:
    """Intervals around a beat.

    Attributes
    ----------
    ends
        (k,) which beats of the record the intervals end at; the last player, after these, is `OTHERS`.
    row
        The explained beat.
    """

    ends: IntArray
    row: int

    def __len__(self) -> int:
        """Return the number of players."""
        return len(self.ends) + 1

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the players: the interval's number as in `REACH`, or `OTHERS`."""
        return (*(str(end - self.row) for end in self.ends.tolist()), OTHERS)


def interval_players(row: int, stretch: IntArray) -> IntervalPlayers:
    """Return the intervals around a beat that exist, given the (n,) gap-free stretch of each of the record's beats."""
    ends = row + np.arange(REACH[0], REACH[1] + 1)
    ends = ends[(ends >= 1) & (ends < len(stretch))]
    return IntervalPlayers(ends[stretch[ends] == stretch[ends - 1]].astype(np.int64), row)


def masked_features(
    players: IntervalPlayers, masks: BoolArray, instance: Instance, beats: pd.DataFrame, settings: BeatSettings
) -> FloatArray:
    """Return the RR features of the beats in play where some players are off: as in a constant rhythm.

    Parameters
    ----------
    players, masks
        (M, n_players) which of them are on.
    instance
        The case.
    beats
        The record's beat table.
    settings
        Section ``beats`` of the bundle.

    Returns
    -------
    (M, B, R): with all on those of the instance, with all off its ``rr_off``.
    """
    rows = instance.record_rows
    table = {name: beats[name].to_numpy(dtype=np.float64)[rows] for name in RR_COLUMNS if name != "rr_filled"}
    usual = float(np.median(instance.record.usual_rr_s[instance.record_rows[instance.target_rows]]))
    found = []
    for mask in masks:
        changed = dict(table)
        for name, values in table.items():
            on = np.full(len(rows), mask[-1])
            if name in INTERVAL_OF:
                ends = rows + INTERVAL_OF[name]
                place = np.searchsorted(players.ends, ends)
                is_player = np.isin(ends, players.ends)
                on[is_player] = mask[place[is_player]]
            constant = usual if name in INTERVAL_OF or name in SECONDS else 0.0
            changed[name] = np.where(on, values, constant)
        found.append(rr_features(changed, settings))
    return np.array(found)
