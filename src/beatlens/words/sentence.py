"""The sentence of an explained beat. A phrase is there only where what it says was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

from beatlens.core.numerals import fixed
from beatlens.words.measure import MeasuredBeat
from beatlens.words.p_wave import WINDOW_S, MeasuredP
from beatlens.words.qrs import Qrs
from beatlens.words.shares import OTHER_BEATS, RHYTHM, Part
from beatlens.words.timing import Timing

LEAST_SHARE, MOST_PARTS = 0.1, 3
"""Parts of the explanation that are named: those of that share or more, at most so many."""
MOST_OF_IT = 0.5
"""An RR interval is named where it carries that share of the rhythm's part, or more."""
INTERVALS = {-1: "the interval before last", 0: "the interval before", 1: "the interval after"}
PAUSE = 1.5
"""Share of the usual interval from which a late beat ends a pause, or follows a beat that wasn't found."""


def sentence(beat: MeasuredBeat, parts: Sequence[Part], interval: tuple[int, float] | None = None) -> str:
    """Say what is measured of a beat, and what the network used.

    Parameters
    ----------
    beat
        What is measured.
    parts
        Of the explanation (`beatlens.words.shares.explanation_parts`).
    interval
        The RR interval that carries most of the rhythm's part, 0 for that before the beat, and its share of that part.
    """
    measured = [phrase for phrase in (timing_phrase(beat.timing), _qrs(beat.qrs, beat.usual_qrs), _p(beat.p)) if phrase]
    phrases = [", ".join(measured), used_phrase(parts, interval)]
    text = "; ".join(phrase for phrase in phrases if phrase)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def timing_phrase(timing: Timing) -> str:
    """Say when a beat came."""
    if not math.isfinite(timing.rr_s):
        return ""
    interval = f"RR {_ms(timing.rr_s)}"
    if not math.isfinite(timing.usual_rr_s):
        return interval
    if timing.irregular:
        return f"in an irregular rhythm ({interval}; intervals here vary by {_percent(timing.spread)})"
    came = f"({interval}, usual here {_ms(timing.usual_rr_s)})"
    if timing.off == 0:
        return f"came on time {came}"
    if timing.rr_s >= PAUSE * timing.usual_rr_s:
        return f"came after {_ms(timing.rr_s)} without a detected beat (usual here {_ms(timing.usual_rr_s)})"
    much = f"{_percent(abs(timing.prematurity))} " if timing.exact else ""
    return f"came {much}{'early' if timing.off > 0 else 'late'} {came}"


def _qrs(qrs: Qrs, usual: Qrs) -> str:
    kind = {True: "wide QRS", False: "narrow QRS", None: "QRS"}[qrs.wide]
    if not math.isfinite(qrs.width_s):
        return kind if qrs.wide is not None else ""
    usual_width = f", usual here {_ms(usual.width_s)}" if math.isfinite(usual.width_s) else ""
    return f"{kind} ({_ms(qrs.width_s)}{usual_width})"


def _p(p: MeasuredP) -> str:
    none = f"no P wave in the {_ms(WINDOW_S)} before" + (", as before the usual beats here" if p.none_usual else "")
    return {
        "usual": "the usual P wave before",
        "other": "a wave before that isn't the usual P wave",
        "absent": none,
        "unknown": "",
    }[p.wave]


def used_phrase(parts: Sequence[Part], interval: tuple[int, float] | None = None) -> str:
    """Say what the network used, the parts that speak for the class before those against it."""
    named = [part for part in parts if part.share >= LEAST_SHARE and part.sign != 0][:MOST_PARTS]
    sides = []
    for sign, begin in ((1, "the network used"), (-1, "against the class spoke")):
        side = [f"{_name(part, interval)} for {_percent(part.share)}" for part in named if part.sign == sign]
        if side:
            sides.append(f"{begin} {', '.join(side)}")
    return "; ".join(sides)


def _name(part: Part, interval: tuple[int, float] | None) -> str:
    if part.name == RHYTHM:
        most = interval is not None and interval[1] >= MOST_OF_IT and interval[0] in INTERVALS
        return f"the timing (mostly {INTERVALS[interval[0]]})" if most and interval is not None else "the timing"
    return "the other beats" if part.name == OTHER_BEATS else f"the {_wave(part.name)} in {part.lead}"


def _wave(name: str) -> str:
    return {"P": "P wave", "QRS": "QRS", "ST": "ST segment", "T": "T wave"}[name]


def _ms(seconds: float) -> str:
    return f"{fixed(1000 * seconds, 0)}\N{NO-BREAK SPACE}ms"


def _percent(share: float) -> str:
    return f"{fixed(100 * share, 0)}\N{NO-BREAK SPACE}%"
