"""Crests of a wave that repeats itself, about one a period, chosen together by a dynamic programme.

The constants were chosen with those of `beatlens.signals.fast_rhythm`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

LOWEST_CREST = 0.05
"""Share of the usual crest."""
STEP_WEIGHT, BREAK_COST = 10.0, 3.0
"""Cost of a step by its squared log ratio to the period, and at most."""
SHORTEST_STEP, LONGEST_STEP = 0.6, 3.0
"""Periods between beats, and how far back the search looks."""


def crests_one_a_period(wave: npt.NDArray[np.floating], inside: slice, period: Float64Array, rate: float) -> IntArray:
    """Return crests of a wave, about one a period; what is usual of their height is that of the part `inside`."""
    peaks = np.flatnonzero((wave[1:-1] >= wave[:-2]) & (wave[1:-1] > wave[2:]) & (wave[1:-1] > 0)) + 1
    width = round(1.3 * float(np.median(period)) * rate)
    highest = [
        wave[k : k + width].max() for k in range(inside.start, max(inside.stop - width, inside.start) + 1, width)
    ]
    share = wave[peaks] / max(float(np.median(highest)), 1e-12)
    peaks, share = peaks[share > LOWEST_CREST], share[share > LOWEST_CREST]
    if not len(peaks):
        return peaks
    return peaks[_steady_sequence(peaks / rate, 1 + np.log(np.minimum(share, 1.0)), period[peaks])]


def _steady_sequence(time_s: Float64Array, score: Float64Array, period_s: Float64Array) -> IntArray:
    """Return the candidates with the largest sum of scores less the costs of steps that aren't a period."""
    from math import log

    time, period = time_s.tolist(), period_s.tolist()
    best, back = [0.0] * len(time), [-1] * len(time)
    for j, gain in enumerate(score.tolist()):
        value, before = 0.0, -1
        for i in range(j - 1, -1, -1):
            step = (time[j] - time[i]) / period[j]
            if step < SHORTEST_STEP:
                continue
            kept = best[i] - min(STEP_WEIGHT * log(step) ** 2, BREAK_COST)
            if kept > value:
                value, before = kept, i
            if step > LONGEST_STEP:
                break
        best[j], back[j] = value + gain, before
    chosen = [max(range(len(best)), key=best.__getitem__)]
    while back[chosen[-1]] >= 0:
        chosen.append(back[chosen[-1]])
    return np.array(chosen[::-1], dtype=np.int64)
