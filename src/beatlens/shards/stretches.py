"""Stretches of a record in which beats can't be told, and their description in words.

`beatlens.signals.unreadable_stretches` finds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]

KINDS = {
    "no_signal": "no signal",
    "flat": "flat",
    "disorganised": "fast disorganised signal",
    "noise": "artefact or unclear signal",
    "pause": "quiet without beats",
}
"""Kind of a stretch, in words.

============  ======================================================================================
no_signal     values are missing, or at the converter's limit, in all leads
flat          nothing rises above noise in any lead: asystole, or electrodes are off
disorganised  flutter or fibrillation
noise         a loud signal without beats, which may have been missed, or with beats that are doubted
pause         a quiet signal without beats
============  ======================================================================================
"""
DOUBTED_KINDS = ("disorganised", "noise")
"""Kinds in which beats may be found all the same; these go to review."""
STRETCH_COLUMNS = ("corpus", "record", "patient", "kind", "start_s", "end_s", "n_beats", "constant_s", "detail")
"""One row a stretch. constant_s: seconds in which all leads repeat one value exactly, which no heart does."""


@dataclass(frozen=True)
class Stretch:
    """A stretch in which beats can't be told.

    Attributes
    ----------
    kind
        One of `KINDS`.
    start_s, end_s
        Extent in seconds; from R to R where beats bound it.
    n_beats
        Beats found in it all the same.
    constant_s
        Seconds of it in which all leads repeat one value exactly.
    detail
        What was found, in words.
    """

    kind: str
    start_s: float
    end_s: float
    n_beats: int
    constant_s: float
    detail: str


def told_in_words(kinds: Iterable[str], seconds: Iterable[float], n_beats: int) -> str:
    """Say of stretches what their time is, such as "12 s without a beat: 4 s flat, 8 s fast disorganised signal".

    Parameters
    ----------
    kinds, seconds
        Kind and length of each stretch.
    n_beats
        Beats found in them all the same.

    Returns
    -------
    "" where there is no stretch
    """
    total = dict.fromkeys(KINDS, 0.0)
    for kind, length in zip(kinds, seconds, strict=True):
        total[kind] += length
    if not any(total.values()):
        return ""
    parts = ", ".join(f"{_seconds(length)} {KINDS[kind]}" for kind, length in total.items() if length)
    what = "in which beats can't be told" if n_beats else "without a beat"
    return f"{_seconds(sum(total.values()))} {what}: {parts}"


def _seconds(value: float) -> str:
    return f"{value:.0f} s" if value >= 9.95 else f"{value:.1f}".removesuffix(".0") + " s"


def in_stretches(time: Float64Array, stretches: Sequence[Stretch]) -> npt.NDArray[np.object_]:
    """Return the kind of the stretch of doubtful beats that each of (n,) times lies in, "" where in none."""
    result = np.full(len(time), "", dtype=object)
    for stretch in stretches:
        if stretch.kind in DOUBTED_KINDS:
            result[(time > stretch.start_s) & (time < stretch.end_s)] = stretch.kind
    return result
