"""Beats that an edge cuts: the record's ends, and gaps in which the recorder gave no value."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

CUT_BY_EDGE = "cut_by_edge"
"""Reason to look at a beat whose QRS complex isn't whole."""
BEFORE_S, AFTER_S = 0.05, 0.15
"""Part of a beat around R that must be there in at least half of the leads.

Of DS1's beats at which a record was cut (benchmarks/cut_beats.py), those with this much are read as well as whole ones:
accepted N are right 1.00 of 88, V .82 of 68 with .15 s and .81 of 78 with .4 s, but .73 with .1 s and .64 with .06 s.
Before R it makes no difference from .05 s on.
"""


def cut_by_edge(r_index: IntArray, missing: BoolArray, fs: float) -> BoolArray:
    """Tell which beats are cut: less than `BEFORE_S` before R or `AFTER_S` after it was recorded.

    Parameters
    ----------
    r_index
        (n_beats,) R peaks in samples.
    missing
        (n_leads, n_samples) samples without a value.
    fs
        Rate in Hz.
    """
    n_leads, n_samples = missing.shape
    low, high = r_index - round(BEFORE_S * fs), r_index + round(AFTER_S * fs)
    cut: BoolArray = (low < 0) | (high > n_samples)
    leads_cut = np.zeros(len(r_index), dtype=np.int64)
    for lead in missing:
        holes = np.flatnonzero(lead)
        leads_cut += np.searchsorted(holes, high) > np.searchsorted(holes, low)
    cut |= 2 * leads_cut > n_leads
    return cut


def unseen_before(time: npt.NDArray[np.float64], missing: BoolArray, fs: float) -> npt.NDArray[np.float64]:
    """Return the seconds between each of (n,) times and the one before it in which no lead (n_leads, n) has a value."""
    holes = np.flatnonzero(missing.all(axis=0))
    before = np.searchsorted(holes, time * fs)
    return np.diff(before, prepend=0) / fs


def is_cut(reasons: Iterable[str]) -> BoolArray:
    """Tell which of (n,) reasons, joined by ``;``, name `CUT_BY_EDGE`."""
    return np.array([CUT_BY_EDGE in reason.split(";") for reason in reasons], dtype=bool)


def with_reasons(
    reason: npt.NDArray[np.object_], cut: BoolArray, stretch: npt.NDArray[np.object_]
) -> npt.NDArray[np.object_]:
    """Return the reasons (n,) of beats, joined by ``;``, with `CUT_BY_EDGE` and ``stretch:<kind>`` where they apply."""
    result = np.array(reason, dtype=object)
    for k in np.flatnonzero(cut | (stretch != "")):
        reasons = [result[k], CUT_BY_EDGE if cut[k] else "", f"stretch:{stretch[k]}" if stretch[k] else ""]
        result[k] = ";".join(part for part in reasons if part)
    return result
