"""Whether a P wave precedes a beat, by what stands in the 200 ms before its QRS complex.

A wave is a peak or trough that stands out on both sides, in some lead, by more than the beats' own scatter there. The
record's usual P wave is that of the median of its usual beats. Of an early beat, the T wave of the beat before is taken
off first: the median of beats that look like that beat and are followed later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from beatlens.words.measured_record import Float64Array, IntArray, MeasuredRecord
from beatlens.words.qrs import Qrs, alike_beats
from beatlens.words.timing import Timing

PWave = Literal["usual", "other", "absent", "unknown"]

WINDOW_S = 0.2
"""Seconds before the QRS complex in which the wave is looked for."""
ONSET_S = -0.06
"""Onset of QRS from R of the usual beats."""
EDGE_S = 0.015
"""A peak nearer to the end of the window belongs to something else."""
SMOOTH_S = 0.01
LEAST_MV = 0.04
SIGMAS = 4.0
"""A wave stands out by `LEAST_MV`, and by so many robust standard deviations of beats from the usual one."""
USUAL_BEATS, MIN_USUAL = 60, 8
EARLY = 0.88
"""Of a beat with a shorter interval than that share of the usual one, the T wave before is taken off."""
MIN_FOLLOWERS = 3
LATER_S = 0.16
"""By how much later the next beat of those must come whose T wave is taken off."""
ALIKE, SHIFT_S = 0.8, 0.04
"""A wave is the usual one where it correlates with that, over all leads, at a shift up to `SHIFT_S`."""
UNLIKE = 0.6
"""Below that correlation what is left isn't the usual one."""
SEEN, FAINT = 2.0, 0.3
"""None is called absent unless the usual wave would stand out by so many times the limit, and less than that share of
it is there.
"""
SIZES = (0.5, 2.0)
"""Limits of its size over that of the usual wave."""


@dataclass(frozen=True)
class MeasuredP:
    """What precedes a beat.

    Attributes
    ----------
    wave
        ``usual``: the record's usual P wave. ``other``: another wave, before an early beat with a narrow QRS
        complex. ``absent``: none. ``unknown``: can't be told.
    none_usual
        Whether the record's usual beats have no P wave either.
    """

    wave: PWave
    none_usual: bool = False


UNKNOWN = MeasuredP("unknown")


def measure_p(record: MeasuredRecord, row: int, qrs: Qrs, timing: Timing) -> MeasuredP:
    """Tell whether a P wave precedes a beat.

    Parameters
    ----------
    record, row
        The beat.
    qrs
        Its QRS complex.
    timing
        When it came. That the record has no P waves is told in an irregular rhythm alone: in a regular one they may be
        too small to be seen.
    """
    rr_s, usual_rr_s = timing.rr_s, timing.usual_rr_s
    usual_rows = _usual_beats(record, row, usual_rr_s)
    if len(usual_rows) < MIN_USUAL or not np.isfinite(rr_s) or not np.isfinite(qrs.onset_s):
        return UNKNOWN
    steps = round(SHIFT_S * record.fs)
    end_s = qrs.onset_s
    early = rr_s < EARLY * usual_rr_s
    usual = _smooth(record.around(usual_rows, ONSET_S - WINDOW_S - SHIFT_S, ONSET_S + SHIFT_S).astype(float), record.fs)
    median = np.median(usual, axis=0)
    scatter = 1.4826 * np.median(np.abs(_level(usual) - _level(median)), axis=(0, 2))
    inner = median[:, steps:-steps] if steps else median
    limit = np.maximum(LEAST_MV, SIGMAS * scatter)
    usual_size = _prominence(inner, record.fs)
    has_usual = bool((usual_size >= np.maximum(LEAST_MV, SIGMAS * scatter / np.sqrt(len(usual)))).any())
    if rr_s < -(end_s - WINDOW_S):  # the beat before lies in the window
        return UNKNOWN
    wave = record.around(np.array([row]), end_s - WINDOW_S, end_s)[0].astype(float)
    if early:
        tail = _tail(record, row, end_s, rr_s)
        if tail is None:
            return UNKNOWN
        wave = wave - tail
    wave = _smooth(wave[None], record.fs)[0]
    size = _prominence(wave, record.fs)
    if not has_usual:
        return MeasuredP("absent", none_usual=True) if timing.irregular and (size < 2 * limit).all() else UNKNOWN
    fit, ratio = _best_fit(wave, median, steps)
    narrow = qrs.wide is False
    if fit >= ALIKE and SIZES[0] <= ratio <= SIZES[1] and (usual_size >= limit).any():
        # What is left of a T wave before an early, wide complex may look like a P wave.
        return MeasuredP("usual") if narrow or not early else UNKNOWN
    if (size >= limit).any():
        return MeasuredP("other") if early and narrow else UNKNOWN
    if not early:  # a usual beat whose P wave is small here
        return UNKNOWN
    best = int(np.argmax(usual_size / limit))
    seen = usual_size[best] >= SEEN * limit[best] and size[best] < FAINT * usual_size[best]
    return MeasuredP("absent") if seen and (fit < UNLIKE or ratio < FAINT) else UNKNOWN


def _usual_beats(record: MeasuredRecord, row: int, usual_rr_s: float) -> IntArray:
    """Return the rows of beats that keep the rhythm and came on time, nearest first, without the beat itself."""
    interval = np.diff(record.r_time_s, prepend=np.nan)
    after_ectopic = np.concatenate([[True], record.ectopic[:-1]])
    with np.errstate(invalid="ignore"):
        fits = (interval >= EARLY * usual_rr_s) & ~record.ectopic & ~after_ectopic
    fits[row] = False
    return record.nearest(fits, row, USUAL_BEATS)


def _tail(record: MeasuredRecord, row: int, end_s: float, rr_s: float) -> Float64Array | None:
    """Return what follows beats like the one before at the place of a beat's window, None with too few of them."""
    rows, _ = alike_beats(record, row - 1)
    rows = rows[(rows != row - 1) & (rows + 1 < len(record.r_time_s))]
    followed = record.r_time_s[rows + 1] - record.r_time_s[rows]
    rows = rows[(followed > rr_s + LATER_S) & (record.stretch[rows + 1] == record.stretch[rows])]
    if len(rows) < MIN_FOLLOWERS:
        return None
    place = (record.r_index[row] - record.r_index[row - 1]) / record.fs + end_s
    return np.asarray(np.median(record.around(rows, place - WINDOW_S, place).astype(float), axis=0))


def _smooth(waves: Float64Array, fs: float) -> Float64Array:
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(waves, SMOOTH_S * fs, axis=2))


def _level(waves: Float64Array) -> Float64Array:
    """Return waves (..., m) without their line from end to end."""
    slope = np.linspace(0, 1, waves.shape[-1])
    first, last = waves[..., :1], waves[..., -1:]
    return np.asarray(waves - first - (last - first) * slope)


def _prominence(wave: Float64Array, fs: float) -> Float64Array:
    """Return by how many mV the tallest peak or trough of each lead (n_leads, m) stands out on both sides."""
    from scipy.signal import find_peaks

    edge = round(EDGE_S * fs)
    found = np.zeros(len(wave))
    for lead, values in enumerate(wave):
        for sign in (1, -1):
            peaks, properties = find_peaks(sign * values, prominence=0)
            inside = peaks < len(values) - edge
            found[lead] = max(found[lead], properties["prominences"][inside].max(initial=0.0))
    return found


def _best_fit(wave: Float64Array, usual: Float64Array, steps: int) -> tuple[float, float]:
    """Return the largest correlation of a wave with the usual one over shifts, and the ratio of their sizes there."""
    best = (-1.0, 0.0)
    x = _level(wave)
    for step in range(2 * steps + 1):
        part = usual[:, step : step + wave.shape[1]]
        if part.shape[1] < wave.shape[1]:
            break
        y = _level(part)
        norm = float(np.linalg.norm(y))
        fit = float((x * y).sum() / max(float(np.linalg.norm(x)) * norm, 1e-9))
        if fit > best[0]:
            best = (fit, float(np.linalg.norm(x)) / max(norm, 1e-9))
    return best
