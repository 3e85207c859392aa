"""The stretch between a beat and the next, in one lead: what of it is flutter, fibrillation, noise, or nothing.

Two views of it. What lies between the T wave and the next QRS complex, as it is. And what is left between the QRS
complexes when the record's typical beat is taken away from both ends: P and T waves that every beat has are gone then,
waves that aren't tied to beats stay.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

BANDS_HZ = ((2.5, 4.0), (4.0, 6.0), (6.0, 9.0), (9.0, 15.0), (15.0, 30.0))
"""Slow waves, flutter, fibrillation, fast fibrillation, noise."""
PERIOD_S = (0.12, 0.32)
"""Periods of atrial waves: 190 to 500 a minute."""
QRS_BEFORE_S, QRS_AFTER_S = 0.06, 0.1
"""Seconds around R that are left out."""
T_END = 0.4
"""End of the T wave after R in s, times the square root of the interval in s (Bazett 1920)."""
MIN_SAMPLES = 8
MAX_INTERVAL_S = 2.0
"""A longer interval is cut here: what comes after says no more."""
FLOOR_MV = 0.01

_OF_VIEW = ("size", *(f"{low:g}_{high:g}_hz" for low, high in BANDS_HZ), "repeats", "rough")
INTERVAL_CONTENT = ("known", *(f"{view}_{name}" for view in ("quiet", "untied") for name in _OF_VIEW))
"""Names of the numbers of `interval_content`."""


def interval_bounds(r_index: IntArray, next_r: IntArray, fs: float) -> IntArray:
    """Return first sample, and last + 1, of the stretch from each R peak (n,) to the next (n,), as (n, 2).

    No stretch is longer than `MAX_INTERVAL_S`.
    """
    stop = np.minimum(next_r, r_index + round(MAX_INTERVAL_S * fs))
    return np.stack([r_index, np.maximum(stop, r_index)], axis=1).astype(np.int64)


def interval_content(stretches: FloatArray, usual: FloatArray, fs: float) -> FloatArray:
    """Describe stretches between two R peaks, all of the same length, each of one lead of one beat.

    Parameters
    ----------
    stretches
        (m, S) mV, from an R peak to the next.
    usual
        (m, S) mV: what the record's typical beat says of these samples (`usual_signal`).
    fs
        Rate in Hz.

    Returns
    -------
    (m, B) float32, `INTERVAL_CONTENT`: sizes are logarithms of mV; all 0 for a stretch that is too short
    """
    result = np.zeros((len(stretches), len(INTERVAL_CONTENT)), dtype=np.float32)
    parts = described_parts(stretches.shape[1], fs)
    if parts is None:
        return result
    first, quiet, last = parts
    untied = stretches - usual
    result[:, 0] = 1.0
    width = len(_OF_VIEW)
    result[:, 1 : 1 + width] = _describe(stretches[:, quiet:last], fs)
    result[:, 1 + width :] = _describe(untied[:, first:last], fs)
    return result


def described_parts(length: int, fs: float) -> tuple[int, int, int] | None:
    """Return where the content of a stretch of so many samples lies; None where it is too short.

    From the first sample to the last + 1 it is looked at without the typical beat, from the second place on as it is.
    """
    first, last = round(QRS_AFTER_S * fs), length - round(QRS_BEFORE_S * fs)
    quiet = min(max(first, round(T_END * math.sqrt(length / fs) * fs)), last - round(0.15 * fs))
    return None if quiet - first < 0 or last - quiet < MIN_SAMPLES else (first, quiet, last)


def usual_signal(typical: FloatArray, before: int, r_index: IntArray, next_r: IntArray, n_samples: int) -> FloatArray:
    """Lay a record's typical beat at its R peaks, and at the one that follows each.

    Where two beats reach a sample, it is the later one's, from `before` samples before its R peak on.

    Parameters
    ----------
    typical
        (L, T) mV.
    before
        Samples of a beat before its R peak.
    r_index, next_r
        (n,) R samples, and those of the beats that follow; `n_samples` for none.
    n_samples
        Samples of the record.

    Returns
    -------
    (L, n_samples) mV, 0 where no beat is
    """
    n_leads, length = typical.shape
    result = np.zeros((n_leads, n_samples), dtype=np.float32)
    for r in np.unique(np.concatenate([r_index, next_r[next_r < n_samples]])).tolist():
        start, stop = max(r - before, 0), min(r - before + length, n_samples)
        result[:, start:stop] = typical[:, start - (r - before) : stop - (r - before)]
    return result


def _describe(part: FloatArray, fs: float) -> FloatArray:
    """Return `_OF_VIEW` of parts (m, S) of the same length."""
    n, length = part.shape
    centred = part - part.mean(axis=1, keepdims=True)
    at = np.arange(length) / fs
    slope = at - at.mean()
    centred = centred - (centred @ slope / (slope @ slope))[:, None] * slope
    power = np.einsum("ms,ms->m", centred, centred) / length
    size = np.log(np.sqrt(power) + FLOOR_MV)
    columns = [size]
    for waves in band_waves(length, fs):
        amplitude = np.sqrt(((centred @ waves) ** 2).sum(axis=1) / (waves.shape[1] // 2))
        columns.append(np.log(amplitude + FLOOR_MV) - size)
    columns.append(_repeats(centred, power, fs))
    step = np.diff(centred, axis=1)
    columns.append(np.log(np.sqrt((step**2).mean(axis=1)) * fs / 50 + FLOOR_MV) - size)
    result: FloatArray = np.stack(columns, axis=1).astype(np.float32).reshape(n, len(_OF_VIEW))
    return result


def band_waves(length: int, fs: float) -> list[Float64Array]:
    """Return windowed cosines and sines (length, 2 n) of n frequencies in each of `BANDS_HZ`."""
    at, window = np.arange(length) / fs, np.hanning(length + 2)[1:-1]
    angles = [2 * np.pi * np.outer(at, np.linspace(low, high, 4)) for low, high in BANDS_HZ]
    shape = (window * 2 / window.sum())[:, None]
    return [np.concatenate([np.cos(angle), np.sin(angle)], axis=1) * shape for angle in angles]


def atrial_lags(length: int, fs: float) -> range:
    """Return the lags in samples at which a part of so many samples is compared with itself: `PERIOD_S`."""
    return range(round(PERIOD_S[0] * fs), min(round(PERIOD_S[1] * fs), length * 2 // 3) + 1)


def _repeats(centred: FloatArray, power: Float64Array, fs: float) -> Float64Array:
    """Return the largest correlation of parts with themselves an atrial period later; 0 where they are too short."""
    length = centred.shape[1]
    best = np.zeros(len(centred))
    for lag in atrial_lags(length, fs):
        alike = np.einsum("ms,ms->m", centred[:, lag:], centred[:, :-lag]) / (length - lag)
        best = np.maximum(best, alike / (power + FLOOR_MV**2))
    return np.minimum(best, 2.0)
