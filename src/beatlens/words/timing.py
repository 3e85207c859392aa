"""When a beat came, against what is usual around it: RR intervals, and how early it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from beatlens.words.measured_record import BoolArray, MeasuredRecord
from beatlens.words.qrs import alike_beats

USUAL_INTERVALS = 15
"""Usual is the median of so many intervals, those nearest to the beat between two beats that keep the rhythm."""
MIN_INTERVALS, REACH_BEATS = 5, 60
"""With fewer than that many within so many beats on each side, nothing is called usual."""
SPREADS = 3.0
"""A beat is early or late where its interval is that many usual spreads from the usual one, and `LEAST` at least."""
LEAST = 0.08
IRREGULAR = 0.12
"""Spread (median size of log ratios to the usual interval) from which the rhythm around is irregular."""


@dataclass(frozen=True)
class Timing:
    """When a beat came; NaN where it can't be told.

    Attributes
    ----------
    rr_s
        Interval to the beat before, NaN where a gap, the record's end or a beat in doubt is there.
    usual_rr_s, spread
        Usual interval here, and the median size of log ratios to it.
    exact
        Whether the beat before has the same shape. R peaks of other shapes lie up to 40 ms apart in lead and wave, so
        how early such a beat came can't be told to 2 %.
    """

    rr_s: float
    usual_rr_s: float
    spread: float
    exact: bool

    @property
    def prematurity(self) -> float:
        """Share of the usual interval by which the beat came early; below 0 where it came late."""
        return 1 - self.rr_s / self.usual_rr_s

    @property
    def irregular(self) -> bool:
        """Whether intervals around vary so much that no beat is early or late."""
        return bool(self.spread >= IRREGULAR)

    @property
    def off(self) -> int:
        """1 for early, -1 for late, 0 for on time, in an irregular rhythm, or where it can't be told."""
        limit = max(SPREADS * self.spread, LEAST) if np.isfinite(self.spread) else np.inf
        size = -np.log(self.rr_s / self.usual_rr_s)
        return 0 if self.irregular or not abs(size) >= limit else int(np.sign(size))


def measure_timing(record: MeasuredRecord, row: int) -> Timing:
    """Measure when a beat of a record came.

    Parameters
    ----------
    record
        The record; its classes are those that were predicted.
    row
        Which of its beats.
    """
    time = record.r_time_s
    interval = np.diff(time, prepend=np.nan)
    interval[1:][(np.diff(record.stretch) != 0) | record.doubted[1:] | record.doubted[:-1]] = np.nan
    usual, spread = _usual(record, interval, row)
    before = float(interval[row])
    exact = row > 0 and row - 1 in alike_beats(record, row)[0]
    return Timing(before, usual, spread, exact)


def _usual(record: MeasuredRecord, interval: np.ndarray, row: int) -> tuple[float, float]:
    """Return the usual interval around a beat and its spread, leaving out the beat's own intervals."""
    keeps: BoolArray = ~record.ectopic
    regular = keeps & np.concatenate([[False], keeps[:-1]]) & np.isfinite(interval)
    rows = np.arange(len(interval))
    regular &= (np.abs(rows - row) <= REACH_BEATS) & (rows != row) & (rows != row + 1)
    chosen = interval[record.nearest(regular, row, USUAL_INTERVALS)]
    if len(chosen) < MIN_INTERVALS:
        return np.nan, np.nan
    usual = float(np.median(chosen))
    return usual, float(np.median(np.abs(np.log(chosen / usual))))
