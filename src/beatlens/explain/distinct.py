"""Which rows of integers are the same: the states that an encoding is made for once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


def distinct_rows(columns: list[tuple[npt.NDArray[Any], int]]) -> tuple[IntArray, IntArray]:
    """Find distinct rows of integer columns, each given with its size: it holds 0 .. size - 1.

    Returns
    -------
    first, inverse
        A row number of each distinct row, and the (M,) number of the distinct row that each row is.
    """
    code = np.zeros(len(columns[0][0]), dtype=np.int64)
    span = 1
    for column, size in columns:
        if span * size > 2**62:
            distinct, code = np.unique(code, return_inverse=True)
            span = len(distinct)
        code = code * size + column
        span *= size
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    return first, inverse


def distinct_beats(index: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Find the distinct beats over all leads.

    Parameters
    ----------
    index
        (M, B, L) state of each mask's beat in each lead.

    Returns
    -------
    rows
        (n, L) states of each distinct beat.
    beats
        (n,) which beat it is.
    inverse
        (M, B) the distinct beat that each mask shows.
    """
    rows, beats, inverse, count = [], [], np.empty(index.shape[:2], dtype=np.int64), 0
    for beat in range(index.shape[1]):
        columns = index[:, beat] - index[:, beat].min(axis=0)
        first, own = distinct_rows([(column, int(column.max()) + 1) for column in columns.T])
        rows.append(index[first, beat])
        beats.append(np.full(len(first), beat))
        inverse[:, beat] = own + count
        count += len(first)
    return np.concatenate(rows), np.concatenate(beats), inverse
