"""The most plausible sequence of QRS candidates: a dynamic programme over scores and intervals (Viterbi 1967).

It replaces the search-back of Pan and Tompkins (1985, doi:10.1109/TBME.1985.325532). The constants were chosen with
those of `beatlens.signals.detection.qrs_detector`, but for what has a source of its own.
"""

from __future__ import annotations

import numpy as np

REFRACTORY_S = 0.2
"""No beat follows sooner: the ventricles can't be excited again (Pan & Tompkins 1985)."""
SHORT_S = 0.32
"""Interval below which the later of two may be a T wave (360 ms in Pan & Tompkins 1985)."""
SHORT_WEIGHT = 2.0
"""Penalty of an interval of `REFRACTORY_S`; it falls to 0 at `SHORT_S`."""
EARLY_WEIGHT = 0.3
"""Penalty of an interval shorter than usual, for each unit of the logarithm of their ratio."""
LONG_WEIGHT = 0.1
"""Penalty of an interval longer than usual, for each usual interval beyond: a missed beat costs little."""
LONGEST_STEP = 4.0
"""Local RR intervals that the search looks back; beyond, it takes the last candidate there is."""
LEAST_SCORE = -3.0
"""A candidate below is none of the best sequence: no gap of fewer than 30 RR intervals costs as much."""


def best_sequence(time: list[float], score: list[float], rr: list[float], end_s: float) -> list[int]:
    """Return the ascending indices of the candidates with the largest sum of scores less penalties.

    Parameters
    ----------
    time
        Candidates in seconds, ascending.
    score
        Of each, above 0 where it looks like a beat.
    rr
        Usual RR interval at each in seconds.
    end_s
        Length of the record in seconds.
    """
    from math import log

    n = len(time)
    best, back, highest = [0.0] * n, [-1] * n, [0.0] * n  # highest: of `best` up to here
    for j in range(n):
        now, usual = time[j], rr[j]
        value, before = -LONG_WEIGHT * max(now / usual - 1, 0.0), -1  # j is the first beat
        earliest = now - LONGEST_STEP * usual - 1
        i = j - 1
        while i >= 0 and (time[i] > earliest or before < 0):
            step = now - time[i]
            if step >= REFRACTORY_S:
                ratio = step / usual
                penalty = LONG_WEIGHT * (ratio - 1) if ratio > 1 else -EARLY_WEIGHT * log(ratio)
                if step < SHORT_S:
                    penalty += SHORT_WEIGHT * (SHORT_S - step) / (SHORT_S - REFRACTORY_S)
                elif ratio > 1 and highest[i] - penalty <= value:
                    break  # further back the penalty only grows
                if best[i] - penalty > value:
                    value, before = best[i] - penalty, i
                elif time[i] <= earliest:
                    break
            i -= 1
        best[j], back[j] = value + score[j], before
        highest[j] = max(highest[j - 1], best[j]) if j else best[j]
    time_s = np.array(time)
    last = int(np.argmax(np.array(best) - LONG_WEIGHT * np.maximum((end_s - time_s) / np.array(rr) - 1, 0.0)))
    chosen = []
    while last >= 0:
        chosen.append(last)
        last = back[last]
    return chosen[::-1]
