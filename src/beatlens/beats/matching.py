"""Matching detected with annotated beats, one to one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def match_beats(detected: Float64Array, annotated: Float64Array, tolerance: float) -> tuple[IntArray, IntArray]:
    """Match two ascending series of peaks one to one: as many pairs as possible, then the least total distance.

    Where successive peaks are further apart than the tolerance, the series fall into components, which are solved one
    by one. Most hold one peak of each series. The others are solved by a dynamic programme (optimal pairs of points on
    a line never cross).

    Parameters
    ----------
    detected, annotated
        (n,) and (m,) peaks, ascending, in one unit.
    tolerance
        Largest distance of a pair, same unit.

    Returns
    -------
    annotated_of_detected
        (n,) index of the partner, -1 where none.
    detected_of_annotated
        (m,) the same the other way round.
    """
    of_detected = np.full(len(detected), -1, dtype=np.int64)
    of_annotated = np.full(len(annotated), -1, dtype=np.int64)
    if len(detected) == 0 or len(annotated) == 0:
        return of_detected, of_annotated
    times = np.concatenate([np.asarray(detected, dtype=np.float64), np.asarray(annotated, dtype=np.float64)])
    order = np.argsort(times, kind="stable")
    component = np.empty(len(times), dtype=np.int64)
    component[order] = np.cumsum(np.diff(times[order], prepend=times[order[0]]) > tolerance)
    of_a, of_b = component[: len(detected)], component[len(detected) :]
    n_components = int(component.max()) + 1
    count_a, count_b = np.bincount(of_a, minlength=n_components), np.bincount(of_b, minlength=n_components)
    first_a, first_b = np.cumsum(count_a) - count_a, np.cumsum(count_b) - count_b
    single = (count_a == 1) & (count_b == 1)
    of_detected[first_a[single]] = first_b[single]
    for k in np.flatnonzero((count_a > 0) & (count_b > 0) & ~single):
        a, b = int(first_a[k]), int(first_b[k])
        for i, j in _match_component(
            np.asarray(detected[a : a + count_a[k]]), np.asarray(annotated[b : b + count_b[k]]), tolerance
        ):
            of_detected[a + i] = b + j
    partner = np.flatnonzero(of_detected >= 0)
    of_annotated[of_detected[partner]] = partner
    return of_detected, of_annotated


def _match_component(a: Float64Array, b: Float64Array, tolerance: float) -> list[tuple[int, int]]:
    # best[i][j]: (pairs, -distance) of the first i and j peaks, compared in that order.
    best = [[(0, 0.0)] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            choice = max(best[i - 1][j], best[i][j - 1])
            distance = abs(float(a[i - 1]) - float(b[j - 1]))
            if distance <= tolerance:
                pairs, negative = best[i - 1][j - 1]
                choice = max(choice, (pairs + 1, negative - distance))
            best[i][j] = choice
    pairs_found: list[tuple[int, int]] = []
    i, j = len(a), len(b)
    while i and j:
        if best[i][j] == best[i - 1][j]:
            i -= 1
        elif best[i][j] == best[i][j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs_found.append((i, j))
    return pairs_found
