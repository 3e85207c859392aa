"""Lowest, mean and highest heart rate, and how the normal RR intervals vary.

A rate is 60 over the mean RR interval. The lowest and the highest are of `RATE_BEATS` successive intervals, so that no
single premature beat or pause makes them; where no sequence of a record is that long, of as many as its longest has.
Intervals over a gap, the end of a record or a stretch in which beats can't be told don't count. All other beats that
were found count, those in review too, since a beat of doubtful class is a beat.

SDNN and RMSSD are those of the Task Force of the ESC and NASPE (Circulation 1996; 93: 1043), from intervals between
successive accepted normal beats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

RATE_BEATS = 8
"""RR intervals of the moving window of the lowest and highest rate."""
NORMAL = "N"
"""Class id of the beats between which RR intervals are normal."""


@dataclass(frozen=True)
class Rates:
    """Heart rates of cells (records, or hours of records), NaN where a cell has no RR interval; (n_cells,) each.

    Attributes
    ----------
    mean, lowest, highest
        Per minute.
    lowest_s, highest_s
        First R peak of the first window of that rate, in seconds.
    """

    mean: Float64Array
    lowest: Float64Array
    lowest_s: Float64Array
    highest: Float64Array
    highest_s: Float64Array


def heart_rates(time_s: Float64Array, starts: BoolArray, cell: IntArray, n_cells: int) -> Rates:
    """Return the rates of each cell.

    Parameters
    ----------
    time_s
        (n,) R peaks in seconds, cell by cell and in time order within each.
    starts
        (n,) whether no RR interval ends at the beat: it begins a sequence (`beatlens.prediction.episodes`).
    cell
        (n,) number of the cell that each beat lies in.
    n_cells
        Cells.
    """
    starts = starts | (np.diff(cell, prepend=-1) != 0)
    place = np.arange(len(time_s))
    # Intervals since the sequence began, up to each beat.
    since = place - np.maximum.accumulate(np.where(starts, place, 0))
    longest = np.zeros(n_cells, dtype=np.int64)
    np.maximum.at(longest, cell, since)
    width = np.minimum(longest, RATE_BEATS)[cell]
    last = np.flatnonzero((since >= width) & (width > 0))
    first = last - width[last]
    rate = 60 * width[last] / np.maximum(time_s[last] - time_s[first], 1e-9)
    interval = np.flatnonzero(~starts)
    total = np.bincount(cell[interval], weights=time_s[interval] - time_s[interval - 1], minlength=n_cells)
    number = np.bincount(cell[interval], minlength=n_cells)
    mean = np.divide(60 * number, total, out=np.full(n_cells, np.nan), where=total > 0)
    ends = [_extreme(sign * rate, cell[last], n_cells) for sign in (1, -1)]
    values = [np.full((2, n_cells), np.nan) for _ in ends]
    for found, (cells, windows) in zip(values, ends, strict=True):
        found[:, cells] = rate[windows], time_s[first[windows]]
    (lowest, lowest_s), (highest, highest_s) = values
    return Rates(mean, lowest, lowest_s, highest, highest_s)


def _extreme(value: Float64Array, cell: IntArray, n_cells: int) -> tuple[IntArray, IntArray]:
    """Return the cells that have values, and the first place of the least value of each."""
    least = np.full(n_cells, np.inf)
    np.minimum.at(least, cell, value)
    cells, places = np.unique(cell[value == least[cell]], return_index=True)
    return cells, np.flatnonzero(value == least[cell])[places]


def rr_variation(
    time_s: Float64Array, starts: BoolArray, normal: BoolArray, cell: IntArray, n_cells: int
) -> tuple[Float64Array, Float64Array]:
    """Return SDNN and RMSSD in ms of each cell, (n_cells,) each, NaN where fewer than two values make one.

    Parameters
    ----------
    time_s, starts, cell, n_cells
        As of `heart_rates`.
    normal
        (n,) whether the beat is an accepted normal one.
    """
    before = np.concatenate([[False], normal[:-1]]) if len(normal) else normal
    valid = normal & before & ~starts & (np.diff(cell, prepend=-1) == 0)
    rr = 1000 * np.diff(time_s, prepend=time_s[:1])
    step = np.flatnonzero(valid & np.concatenate([[False], valid[:-1]]) if len(valid) else valid)
    of_rr, of_step = cell[valid], cell[step]
    number = np.bincount(of_rr, minlength=n_cells)
    mean = np.bincount(of_rr, weights=rr[valid], minlength=n_cells) / np.maximum(number, 1)
    squares = np.bincount(of_rr, weights=(rr[valid] - mean[of_rr]) ** 2, minlength=n_cells)
    steps = np.bincount(of_step, weights=(rr[step] - rr[step - 1]) ** 2, minlength=n_cells)
    n_steps = np.bincount(of_step, minlength=n_cells)
    nothing = np.full(n_cells, np.nan)
    sdnn = np.sqrt(np.divide(squares, number - 1, out=nothing.copy(), where=number > 1))
    rmssd = np.sqrt(np.divide(steps, n_steps, out=nothing, where=n_steps > 0))
    return sdnn, rmssd
