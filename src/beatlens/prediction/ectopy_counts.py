"""Ectopy as a Holter report counts it: burden, couplets, runs, bigeminy and trigeminy, as rules over beats.

A pattern consists of successive accepted beats of one class. A beat in review ends it, and so does the end of a record,
a gap, or a stretch in which beats can't be told, since what lies there isn't known. Possible runs may also hold beats
in review, by their predicted class.

A couplet is two beats, a run three or more. Bigeminy is every other beat and trigeminy every third, at least three
times. A pattern counts where it begins, so the numbers of a record's strips add up to the record's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]

RUN_BEATS = 3
"""Beats of the shortest run, and ectopic beats of the shortest bigeminy or trigeminy."""
PATTERNS = {
    "burden": "beats of the class over accepted beats, NaN where none is accepted",
    "n_couplets": "pairs of successive beats of the class between others",
    "n_runs": "three or more successive beats of the class",
    "longest_run": "beats of the longest of these runs, 0 where there is none",
    "n_bigeminy": "stretches in which every other beat is of the class, three of them at least",
    "n_trigeminy": "the same for every third beat",
    "n_possible_runs": "runs if beats in review are what they are called",
    "longest_possible_run": "beats of the longest of these",
}
"""What is counted of each ectopic class; the columns are named <pattern>_<class>."""


def ectopy_columns(ectopic: Sequence[str]) -> list[str]:
    """Return the columns of `ectopy`, class by class."""
    return [f"{pattern}_{name}" for name in ectopic for pattern in PATTERNS]


def ectopy(
    classes: npt.NDArray[np.object_],
    review: npt.NDArray[np.bool_],
    *,
    stretch: IntArray,
    cell: IntArray,
    n_cells: int,
    ectopic: Sequence[str],
) -> dict[str, Float64Array | IntArray]:
    """Count the patterns of each ectopic class.

    Parameters
    ----------
    classes
        (n,) class id of each beat, in time order within its stretch.
    review
        (n,) whether the beat is in review; it then counts in possible runs alone.
    stretch
        (n,) number of the gap-free stretch of one record that each beat lies in; its beats are successive rows.
    cell
        (n,) strip or record that each beat lies in.
    n_cells
        Strips or records.
    ectopic
        Ids of ectopic classes.

    Returns
    -------
    The columns `ectopy_columns`, (n_cells,) each
    """
    called = np.zeros(len(classes), dtype=np.int64)
    for k, name in enumerate(ectopic, start=1):
        called[classes == name] = k
    code = np.where(review, -1, called)
    start, length = _same(code, stretch)
    possible = _same(called, stretch)
    accepted = np.bincount(cell[code >= 0], minlength=n_cells)
    result: dict[str, Float64Array | IntArray] = {}
    for k, name in enumerate(ectopic, start=1):
        count = np.bincount(cell[code == k], minlength=n_cells)
        burden = np.divide(count, accepted, out=np.full(n_cells, np.nan), where=accepted > 0)
        found = [
            burden,
            np.bincount(cell[start[(code[start] == k) & (length == 2)]], minlength=n_cells),
            *_runs(code == k, start, length, cell, n_cells),
            *(
                np.bincount(
                    cell[_every(code, stretch, start=start, length=length, k=k, beats=beats)], minlength=n_cells
                )
                for beats in (2, 3)
            ),
            *_runs(called == k, *possible, cell, n_cells),
        ]
        result |= {f"{pattern}_{name}": values for pattern, values in zip(PATTERNS, found, strict=True)}
    return result


def _same(code: IntArray, stretch: IntArray) -> tuple[IntArray, IntArray]:
    """Return first beat and length of each run of one code within one stretch."""
    changes = (code[1:] != code[:-1]) | (stretch[1:] != stretch[:-1])
    start = np.flatnonzero(np.concatenate([[True], changes])) if len(code) else np.zeros(0, dtype=np.int64)
    return start, np.diff(np.append(start, len(code)))


def _runs(
    members: npt.NDArray[np.bool_], start: IntArray, length: IntArray, cell: IntArray, n_cells: int
) -> tuple[IntArray, IntArray]:
    """Return number and longest length (n_cells,) of the runs of at least `RUN_BEATS` beats that are `members`."""
    is_run = members[start] & (length >= RUN_BEATS)
    longest = np.zeros(n_cells, dtype=np.int64)
    np.maximum.at(longest, cell[start[is_run]], length[is_run])
    return np.bincount(cell[start[is_run]], minlength=n_cells), longest


def _every(code: IntArray, stretch: IntArray, *, start: IntArray, length: IntArray, k: int, beats: int) -> IntArray:
    """Return the first beats of stretches in which one beat in so many is of class k and the others are not ectopic.

    `start` and `length` are those of the runs of one code within one stretch.
    """
    single: IntArray = start[(code[start] == k) & (length == 1)]
    # The next single beat of the class comes the given number of beats later; all between are accepted and not ectopic.
    plain = np.concatenate([[0], np.cumsum(code == 0)])
    here, after = single[:-1], single[1:]
    follows = (after - here == beats) & (stretch[after] == stretch[here])
    follows &= plain[after] - plain[here + 1] == beats - 1
    edges = np.flatnonzero(np.diff(np.concatenate([[False], follows, [False]]).astype(np.int64)))
    first, last = edges[::2], edges[1::2]
    chains: IntArray = single[first[last - first >= RUN_BEATS - 1]]
    return chains
