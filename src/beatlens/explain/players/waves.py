"""Beats and P, QRS, ST and T waves of a case window as players.

Where a wave lies follows from the R peaks alone, by windows for usual rates. Nothing measures the waves or says which
should matter. They are players like segments, with other edges.
"""

from __future__ import annotations

import numpy as np

from beatlens.explain.case.perturbed import Perturbed
from beatlens.explain.players.coalition import RHYTHM, IntArray, Players, beat_bounds, segment_edges, segment_players
from beatlens.explain.settings import EVENT_SETS

BETWEEN = "TQ"


def event_players(instance: Perturbed, kind: str, segment_s: float, rhythm: bool) -> Players:
    """Return the players of a set of `EVENT_SETS` over a case window."""
    if kind == "segments":
        return segment_players(instance.record.leads, instance_edges(instance, segment_s), rhythm)
    if kind == "waves":
        return wave_players(instance, rhythm)
    if kind == "beats":
        return beat_players(instance, rhythm)
    raise ValueError(f"explain.players: {kind!r}; expected one of {EVENT_SETS}")


def instance_edges(instance: Perturbed, segment_s: float) -> IntArray:
    """Return the segment edges of a case window, which follow its R peaks (`segment_edges`)."""
    return segment_edges(
        instance.start, instance.stop, max(1, round(segment_s * instance.record.geometry.fs)), instance.r_index
    )


def beat_players(instance: Perturbed, rhythm: bool) -> Players:
    """Each beat in play is a player, from half way to the beat before to half way to the beat after."""
    firsts = beat_bounds(instance.start, instance.stop, instance.r_index)[:-1].tolist()
    return _players(instance, "beats", [(first, f"beat {k + 1}") for k, first in enumerate(firsts)], rhythm)


def wave_players(instance: Perturbed, rhythm: bool) -> Players:
    """Each P wave, QRS complex, ST stretch and T wave is a player; what lies between beats is one player together.

    With R in seconds and RR the interval before: QRS is R - .05 to R + .08; the T wave ends at R - .04 + QT with QT =
    .40 sqrt(RR) (Bazett 1920); the first half of what lies between is ST, the second T; P is from the end of the last T
    wave, at most R - .28, to R - .05. Nothing reaches beyond half the distance to the next or the previous R peak,
    except P, which may begin at the end of the previous T wave.
    """
    fs, peaks = instance.record.geometry.fs, instance.record.r_index
    spans: list[tuple[int, str]] = []
    end = instance.start
    for number, peak in enumerate(instance.r_index):
        place = int(np.searchsorted(peaks, peak))
        before = int(peaks[place] - peaks[place - 1]) if place > 0 else None
        after = int(peaks[place + 1] - peaks[place]) if place + 1 < len(peaks) else None
        rr_s = (before or after or fs) / fs
        low = int(peak) - before // 2 if before else int(peak) - instance.record.geometry.before
        high = int(peak) + after // 2 if after else instance.stop
        onset = max(low, int(peak) - round(0.28 * fs))
        qrs = max(low, int(peak) - round(0.05 * fs))
        st = min(high, int(peak) + round(0.08 * fs))
        t_end = min(high, max(st, int(peak) + round((0.40 * np.sqrt(rr_s) - 0.04) * fs)))
        t_onset = (st + t_end) // 2
        for first, last, name in ((onset, qrs, "P"), (qrs, st, "QRS"), (st, t_onset, "ST"), (t_onset, t_end, "T")):
            first, last = max(first, end, instance.start), min(last, instance.stop)
            if first >= last:
                continue
            if first > end:
                spans.append((end, BETWEEN))
            spans.append((first, f"{name} {number + 1}"))
            end = last
    if end < instance.stop:
        spans.append((end, BETWEEN))
    return _players(instance, "waves", spans, rhythm)


def _players(instance: Perturbed, kind: str, spans: list[tuple[int, str]], rhythm: bool) -> Players:
    """Build players from where spans begin and what they are; spans of one name are one player."""
    edges = np.array([first for first, _ in spans] + [instance.stop], dtype=np.int64)
    names = list(dict.fromkeys(name for _, name in spans))
    cells = np.tile([names.index(name) for _, name in spans], (len(instance.record.leads), 1))
    if rhythm:
        names.append(RHYTHM)
    return Players(kind, instance.record.leads, edges, cells, tuple(names), len(names) - 1 if rhythm else None)
