"""Which rows of integers are the same, so that each distinct state is encoded once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]

LARGEST_CODE = 2**62
"""Codes of rows stay below this, so that an int64 holds them."""
TABLE = 2**16
"""Codes below this are looked up in a table, others by sorting."""


def distinct_codes(codes: IntArray, span: int) -> tuple[IntArray, IntArray]:
    """Find the distinct ones among codes of 0 .. span - 1.

    Returns
    -------
    first, inverse
        The place of the first of each distinct code, in ascending order of codes, and which of them each code is.
    """
    if span > TABLE:
        _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
        return first, inverse
    place = np.full(span, -1, dtype=np.int64)
    place[codes[::-1]] = np.arange(len(codes))[::-1]
    found = place >= 0
    return place[found], (np.cumsum(found) - 1)[codes]


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
        if span * size > LARGEST_CODE:
            first, code = distinct_codes(code, span)
            span = len(first)
        code = code * size + column
        span *= size
    return distinct_codes(code, span)


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
        first, number = distinct_rows([(column, int(column.max()) + 1) for column in columns.T])
        rows.append(index[first, beat])
        beats.append(np.full(len(first), beat))
        inverse[:, beat] = number + count
        count += len(first)
    return np.concatenate(rows), np.concatenate(beats), inverse


class KnownCodes:
    """Numbers given to codes, kept across calls.

    Parameters
    ----------
    span
        Codes are 0 .. span - 1.
    """

    def __init__(self, span: int) -> None:
        self._table = np.full(span, -1, dtype=np.int64) if span <= TABLE else None
        self._codes, self._numbers = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)

    def numbers(self, codes: IntArray, count: int) -> tuple[IntArray, IntArray]:
        """Return the number of each code (M,), new codes from `count` on, and where each new code stands first."""
        if self._table is not None:
            unknown = np.flatnonzero(self._table[codes] < 0)
            new, first = np.unique(codes[unknown], return_index=True)
            self._table[new] = count + np.arange(len(new))
            return self._table[codes], unknown[first]
        distinct, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
        place = np.searchsorted(self._codes, distinct)
        known = np.zeros(len(distinct), dtype=bool)
        inside = place < len(self._codes)
        known[inside] = self._codes[place[inside]] == distinct[inside]
        numbers = np.empty(len(distinct), dtype=np.int64)
        numbers[known] = self._numbers[place[known]]
        numbers[~known] = count + np.arange((~known).sum())
        self._numbers = np.insert(self._numbers, place[~known], numbers[~known])
        self._codes = np.insert(self._codes, place[~known], distinct[~known])
        return numbers[inverse], first[~known]
