"""Context windows: the run of beats around each beat, never across a gap or into another record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

IntArray = npt.NDArray[np.int64]


def stretch_ids(table: pd.DataFrame) -> IntArray:
    """Return the (n,) id of each row's stretch over a whole table of many records, from 0 in row order.

    Rows of a record must lie together, as in a shard, and in time order: in a table sorted by label, a beat's context
    would tell its label.

    Raises
    ------
    ValueError
        Naming the record whose beats aren't in time order.
    """
    changed = np.zeros(len(table), dtype=bool)
    for name in ("corpus", "record"):
        values = table[name].to_numpy()
        changed[1:] |= values[1:] != values[:-1]
    sample = table["r_sample"].to_numpy()
    backwards = np.flatnonzero(~changed[1:] & (sample[1:] <= sample[:-1]))
    if len(backwards):
        first = table.iloc[backwards[0]]
        raise ValueError(
            f"{first['corpus']}/{first['record']}: R peak {sample[backwards[0] + 1]} after {sample[backwards[0]]}; "
            "expected the beats of a record in time order"
        )
    stretch = table["stretch"].to_numpy()
    changed[1:] |= stretch[1:] != stretch[:-1]
    return np.cumsum(changed, dtype=np.int64)


def context_windows(stretch: IntArray, window: int) -> tuple[IntArray, IntArray, IntArray]:
    """Return each beat's context: the run of beats around it that lies in its stretch.

    Parameters
    ----------
    stretch
        (n,) stretch ids in row order, each id one unbroken run (`stretch_ids`).
    window
        Beats in a window, odd. The target stands in the middle, except near the ends of its stretch.

    Returns
    -------
    windows
        (n, window) row numbers, left-aligned, 0 beyond `lengths`.
    lengths
        (n,) beats in each window, >= 1.
    positions
        (n,) place of the target in its window.
    """
    if window < 1 or window % 2 == 0:
        raise ValueError(f"context window of {window} beats; expected an odd number")
    n = len(stretch)
    if n == 0:
        return np.zeros((0, window), dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    first = np.flatnonzero(np.concatenate([[True], stretch[1:] != stretch[:-1]]))
    sizes = np.diff(np.append(first, n))
    if len(np.unique(stretch[first])) != len(first):
        raise ValueError("a stretch id occurs in two separate runs of rows; expected the rows of a stretch together")
    start, end = np.repeat(first, sizes), np.repeat(first + sizes, sizes)
    row = np.arange(n)
    low = np.maximum(start, row - window // 2)
    high = np.minimum(end, row + window // 2 + 1)
    lengths = high - low
    offset = np.arange(window)
    windows = np.where(offset < lengths[:, None], low[:, None] + offset, 0)
    return windows, lengths, row - low
