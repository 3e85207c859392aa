"""How wide a QRS complex is, measured on the mean of the record's beats that look like it.

Where the signal's speed, over all leads, stays above a share of its peak is QRS (after Pan and Tompkins, IEEE Trans.
Biomed. Eng. 32 (1985) 230, who find QRS by its slope). It is measured by three shares. Where these disagree, a slope
beside the complex can't be told from it, and where the mean is noisy, nothing can: then there is no width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from beatlens.words.measured_record import Float64Array, IntArray, MeasuredRecord

ALIKE = 0.95
"""Least correlation of beats that are averaged, over all leads, `COMPARED_S` around R, shifted by up to `SHIFT_S`."""
COMPARED_S, SHIFT_S = 0.12, 0.04
REACH_BEATS, MOST, MIN_BEATS = 120, 40, 3
"""Beats on each side that are looked at, and the most and the fewest that are averaged, nearest first."""
MEAN_S = (-0.35, 0.45)
STEPS, SMOOTH_S = 5, 0.004
"""Steps of interpolation a sample, and the standard deviation in seconds of the smoothing of the speed."""
SHARE, LEAST_SPEED = 0.15, 6.0
"""QRS is where the speed, as a mean of leads two by two, exceeds that share of its peak, at most so many mV/s."""
FACTORS = (2 / 3, 1.0, 4 / 3)
"""Factors of that limit; the middle one gives onset and end."""
PEAK_S, LIMITS_S = (-0.1, 0.14), (-0.15, 0.22)
"""Where the peak speed is looked for, and where QRS may lie, in seconds from R."""
BRIDGE_S, JOIN = 0.04, 0.12
"""For how long the speed may fall below the limit within QRS; what follows then reaches that share of the peak."""
AGREE_S, MAX_NOISE = 0.02, 0.25
"""Largest disagreement of the three widths, and largest noise as a share of the limit."""
ONSET_AGREE_S = 0.012
"""Largest disagreement of the three onsets."""
WIDE_S, NARROW_S = 0.12, 0.11
"""A QRS complex is wide from 120 ms on, and narrow up to 110 ms (Surawicz et al., Circulation 119 (2009) e235)."""
MARGIN_S = 0.01
"""Without a width, a complex is still called wide where each of the three exceeds `WIDE_S` by that."""


@dataclass(frozen=True)
class Qrs:
    """A measured QRS complex.

    Attributes
    ----------
    onset_s, width_s
        Onset from R, and width; NaN where they can't be told.
    wide
        True, False, or None where it can't be told or lies between wide and narrow.
    n_beats
        Beats that were averaged.
    """

    onset_s: float
    width_s: float
    wide: bool | None
    n_beats: int


def measure_qrs(record: MeasuredRecord, row: int) -> Qrs:
    """Measure the QRS complex of a beat."""
    mean, noise, n_beats = mean_of_alike(record, row)
    time, speed = signal_speed(mean, record.fs)
    peak = float(speed[(time > PEAK_S[0]) & (time < PEAK_S[1])].max())
    limit = min(SHARE * peak, LEAST_SPEED)
    if n_beats < MIN_BEATS or not np.median(signal_speed(noise, record.fs)[1]) <= MAX_NOISE * limit:
        return Qrs(np.nan, np.nan, None, n_beats)
    found = np.array([_extent(time, speed, factor * limit) for factor in FACTORS])
    widths = found[:, 1] - found[:, 0]
    onset = float(found[1, 0]) if np.ptp(found[:, 0]) <= ONSET_AGREE_S else np.nan
    if np.ptp(widths) > AGREE_S:
        return Qrs(onset, np.nan, True if widths.min() >= WIDE_S + MARGIN_S else None, n_beats)
    width = float(widths[1])
    return Qrs(onset, width, True if width >= WIDE_S else False if width <= NARROW_S else None, n_beats)


def mean_of_alike(record: MeasuredRecord, row: int) -> tuple[Float64Array, Float64Array, int]:
    """Return the mean of the beats that look like a beat, its noise, (n_leads, m) mV each, and their number.

    The noise is half the difference of the means of every other beat and of the rest, in which the waves cancel.
    """
    rows, shift = alike_beats(record, row)
    at = record.r_index[rows] + shift
    offsets = np.arange(round(MEAN_S[0] * record.fs), round(MEAN_S[1] * record.fs))
    waves = record.signal[:, np.clip(at[:, None] + offsets, 0, record.signal.shape[1] - 1)].astype(np.float64)
    mean = waves.mean(axis=1)
    if len(rows) > 2:  # single beats of another T or P wave count half
        mean = (mean + np.median(waves, axis=1)) / 2
    noise = (waves[:, ::2].mean(axis=1) - waves[:, 1::2].mean(axis=1)) / 2 if len(rows) > 1 else np.zeros_like(mean)
    return mean, noise, len(rows)


def alike_beats(record: MeasuredRecord, row: int) -> tuple[IntArray, IntArray]:
    """Return the rows of beats that look like a beat, and the samples by which each fits best."""
    near = np.arange(max(0, row - REACH_BEATS), min(len(record.r_index), row + REACH_BEATS + 1))
    steps = round(SHIFT_S * record.fs)
    target = record.around(np.array([row]), -COMPARED_S, COMPARED_S)[0]
    target = target - target.mean(axis=1, keepdims=True)
    waves = record.around(near, -COMPARED_S - SHIFT_S, COMPARED_S + SHIFT_S)
    best, shift = np.full(len(near), -1.0), np.zeros(len(near), dtype=np.int64)
    for step in range(2 * steps + 1):
        part = waves[:, :, step : step + target.shape[1]]
        part = part - part.mean(axis=2, keepdims=True)
        norm = np.sqrt((part**2).sum(axis=(1, 2)) * (target**2).sum())
        alike = (part * target).sum(axis=(1, 2)) / np.maximum(norm, 1e-9)
        shift[alike > best] = step - steps
        best = np.maximum(best, alike)
    best[near == row], shift[near == row] = 1.0, 0
    found = np.flatnonzero(best >= ALIKE)
    found = found[np.argsort(np.abs(near[found] - row), kind="stable")[:MOST]]
    return near[found], shift[found]


def signal_speed(wave: Float64Array, fs: float) -> tuple[Float64Array, Float64Array]:
    """Return times in seconds from R, and the signal's speed in mV/s, of a beat (n_leads, m).

    The speed is the root of the mean square over leads, times that of two: as of two such leads together.
    """
    from scipy.interpolate import CubicSpline
    from scipy.ndimage import gaussian_filter1d

    at = np.arange(0, wave.shape[1] - 1, 1 / STEPS)
    slope = CubicSpline(np.arange(wave.shape[1]), wave, axis=1)(at, 1) * fs
    slope = gaussian_filter1d(slope, SMOOTH_S * fs * STEPS, axis=1)
    return at / fs + round(MEAN_S[0] * fs) / fs, np.sqrt(2 * (slope**2).mean(axis=0))


def _extent(time: Float64Array, speed: Float64Array, limit: float) -> tuple[float, float]:
    """Return where the speed stays above a limit, around its peak."""
    core = (time > PEAK_S[0]) & (time < PEAK_S[1])
    top = int(np.argmax(np.where(core, speed, -1.0)))
    above = np.flatnonzero((speed >= limit) & (time > LIMITS_S[0]) & (time < LIMITS_S[1]))
    parts = np.split(above, np.flatnonzero(np.diff(above) > 1) + 1)
    first = last = next(k for k, part in enumerate(parts) if part[0] <= top <= part[-1])

    def joins(part: IntArray, gap_s: float) -> bool:
        return bool(gap_s <= BRIDGE_S and speed[part].max() >= JOIN * speed[top])

    while first > 0 and joins(parts[first - 1], time[parts[first][0]] - time[parts[first - 1][-1]]):
        first -= 1
    while last + 1 < len(parts) and joins(parts[last + 1], time[parts[last + 1][0]] - time[parts[last][-1]]):
        last += 1
    return float(time[parts[first][0]]), float(time[parts[last][-1]])


__all__ = ["Qrs", "alike_beats", "mean_of_alike", "measure_qrs", "signal_speed"]
