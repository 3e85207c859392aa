"""Windows of two seconds: whether waves fill them as flutter and fibrillation do, and whether the waves repeat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

WINDOW_CELLS, HOP_CELLS = 8, 2
FILLED, FULL = 0.2, 0.3
"""Limits for the mean of the rectified signal over its peak. From `FILLED` on a window is looked at closer, from `FULL`
on it has no clear baseline."""
MIN_SHARE = 0.15
"""A lead doesn't count where its peak is below this share of its amplitude, as waves of atrial fibrillation are."""
MAX_LEAKAGE = 0.6
WAVE_HZ = (2.0, 9.0)
CLOSE_HZ = 100.0
"""Rate at which windows are looked at closer."""
PERIOD_S = (0.15, 0.6)
MIN_PERIOD_S = 0.207
"""Waves of a shorter period (faster than 290 a minute) are flutter, however regular they are."""
REPEATS = 0.88
"""Correlation of a window with itself a period later, in a tachycardia."""
VOTES = 4
"""A cell is among waves where at least one in `VOTES` of the windows around it holds waves. At the edge of a stretch,
only half of the windows see it."""
CHUNK = 256
"""Windows handled at a time."""


@dataclass(frozen=True)
class WaveWindows:
    """Windows of one record, and what they say of its cells.

    Attributes
    ----------
    wavy, filled, noisy
        (n_cells,) bool: whether the windows around hold waves of one frequency; hold no clear baseline; hold neither a
        clear baseline nor such waves.
    first_cell
        (n_close,) first cell of each window that was looked at closer.
    is_wave
        (n_close,) whether it holds waves of one frequency.
    hz
        (n_close,) their frequency.
    repeats, period_s
        (n_close,) largest correlation of the window with itself at a later time, and the shortest delay that nearly
        reaches it.
    """

    wavy: BoolArray
    filled: BoolArray
    noisy: BoolArray
    first_cell: IntArray
    is_wave: BoolArray
    hz: Float64Array
    repeats: Float64Array
    period_s: Float64Array

    def _inside(self, low: int, high: int) -> BoolArray:
        inside: BoolArray = (self.first_cell >= low) & (self.first_cell + WINDOW_CELLS <= high)
        return inside & self.is_wave

    def rate(self, low: int, high: int) -> float:
        """Return the usual frequency in Hz of the waves in cells low..high-1."""
        middle = self.first_cell + WINDOW_CELLS // 2
        inside = (middle >= low) & (middle < high)
        chosen = inside & self.is_wave if (inside & self.is_wave).any() else inside
        return float(np.median(self.hz[chosen])) if chosen.any() else float("nan")

    def repeating_share(self, low: int, high: int) -> float:
        """Return the share of the windows in cells low..high-1 that repeat themselves at a rate that beats can have."""
        inside = self._inside(low, high)
        if not inside.any():
            return 0.0
        return float(((self.repeats[inside] >= REPEATS) & (self.period_s[inside] >= MIN_PERIOD_S)).mean())

    def period(self, low: int, high: int) -> float:
        """Return the period in s of the waves in cells low..high-1, where they repeat most; 0 without waves."""
        inside = np.flatnonzero(self._inside(low, high))
        return float(self.period_s[inside[self.repeats[inside].argmax()]]) if len(inside) else 0.0


def wave_windows(
    signal: FloatArray,
    fs: float,
    *,
    cell: int,
    size: FloatArray,
    largest: FloatArray,
    unseen: BoolArray,
    scale: FloatArray,
) -> WaveWindows:
    """Judge windows of `WINDOW_CELLS` cells.

    Parameters
    ----------
    signal
        (n_leads, n_samples) conditioned mV.
    fs
        Rate in Hz.
    cell
        Samples of a cell.
    size, largest
        (n_leads, n_cells) mean and largest |mV| of each cell.
    unseen
        (n_leads, n_cells) whether the lead has no signal there.
    scale
        (n_leads,) usual amplitudes in mV.
    """
    n_leads, n_cells = size.shape
    width = min(WINDOW_CELLS, n_cells)
    firsts = np.arange(0, n_cells - width + 1, HOP_CELLS)
    peak, mean, blind = (
        np.zeros((n_leads, len(firsts))),
        np.zeros((n_leads, len(firsts))),
        np.zeros((n_leads, len(firsts)), dtype=bool),
    )
    for k in range(width):
        cells_of_window = slice(k, k + HOP_CELLS * len(firsts) - 1, HOP_CELLS)
        np.maximum(peak, largest[:, cells_of_window], out=peak)
        mean += size[:, cells_of_window]
        blind |= unseen[:, cells_of_window]
    mean /= width
    usable = ~blind & (peak >= MIN_SHARE * scale[:, None])
    fill = np.where(usable, mean / np.maximum(peak, 1e-9), np.inf)
    # Beats can be told where a quarter of the leads show them on a baseline.
    n_usable = usable.sum(axis=0)
    lowest = np.take_along_axis(np.sort(fill, axis=0), np.maximum(n_usable - 1, 0)[None] // 4, axis=0)[0]
    lowest = np.where(n_usable > 0, lowest, 0.0)
    close = np.flatnonzero(lowest > FILLED)
    leakage, hz, repeats, period_s = np.zeros((4, len(close)))
    is_wave = np.zeros(len(close), dtype=bool)
    for start in range(0, len(close), CHUNK):
        part = np.arange(start, min(start + CHUNK, len(close)))
        chosen = close[part]
        waves, rate = _cut(signal, fs, firsts[chosen] * cell, width * cell)
        leakage[part], hz[part] = _leakage(waves, rate, usable[:, chosen])
        is_wave[part] = (leakage[part] < MAX_LEAKAGE) & (hz[part] >= WAVE_HZ[0]) & (hz[part] <= WAVE_HZ[1])
        hit = is_wave[part]
        if hit.any():
            repeats[part[hit]], period_s[part[hit]] = _repeats(waves[:, hit] * usable[:, chosen[hit], None], rate)
    covered = np.maximum(_votes(firsts, n_cells, width), 1)
    wavy = VOTES * _votes(firsts[close[is_wave]], n_cells, width) >= covered
    filled = VOTES * _votes(firsts[close], n_cells, width) >= covered
    noisy = 2 * _votes(firsts[close[~is_wave & (lowest[close] > FULL)]], n_cells, width) >= covered
    return WaveWindows(wavy, filled, noisy & ~wavy, firsts[close], is_wave, hz, repeats, period_s)


def _votes(firsts: IntArray, n_cells: int, width: int) -> IntArray:
    """Return how many of the windows that begin at cells `firsts` cover each of n cells."""
    steps = (
        np.bincount(firsts, minlength=n_cells + 1) - np.bincount(firsts + width, minlength=n_cells + 1)[: n_cells + 1]
    )
    return np.cumsum(steps)[:n_cells].astype(np.int64)


def _cut(signal: FloatArray, fs: float, start: IntArray, length: int) -> tuple[Float64Array, float]:
    """Return windows (n_leads, n, m) without their means at about `CLOSE_HZ`, and their rate in Hz."""
    step = max(round(fs / CLOSE_HZ), 1)
    at = start[:, None] + np.arange(0, length, step)
    waves = signal[:, np.minimum(at, signal.shape[1] - 1)].astype(np.float64)
    return waves - waves.mean(axis=2, keepdims=True), fs / step


def _leakage(waves: Float64Array, rate: float, usable: BoolArray) -> tuple[Float64Array, Float64Array]:
    """Return what is left of windows after adding them to themselves half a period later, and their frequency in Hz."""
    rise = np.abs(np.diff(waves, axis=2)).sum(axis=2)
    half = np.pi * np.abs(waves).sum(axis=2) / np.maximum(rise, 1e-12)  # samples of half a period
    delay = np.clip(np.rint(half), 1, waves.shape[2] - 1).astype(np.int64)
    leakage = np.ones(half.shape)
    for k in np.unique(delay):
        delayed = waves[delay == k]
        later, now = delayed[:, k:], delayed[:, :-k]
        whole = (np.abs(later) + np.abs(now)).sum(axis=1)
        leakage[delay == k] = np.abs(later + now).sum(axis=1) / np.maximum(whole, 1e-12)
    count = np.maximum(usable.sum(axis=0), 1)
    hz = rate / (2 * np.maximum(half, 1e-12))
    return np.where(usable, leakage, 0).sum(axis=0) / count, np.where(usable, hz, 0).sum(axis=0) / count


def _repeats(waves: Float64Array, rate: float) -> tuple[Float64Array, Float64Array]:
    """Return the largest correlation of windows with themselves later, and the first delay in s that nears it."""
    m = waves.shape[2]
    lags = np.arange(max(round(PERIOD_S[0] * rate), 1), max(min(round(PERIOD_S[1] * rate), m // 2), 2))
    spectrum = np.fft.rfft(waves, 2 * m, axis=2)
    products = np.fft.irfft((np.abs(spectrum) ** 2).sum(axis=0), 2 * m, axis=1)[:, lags]
    energy = np.cumsum((waves**2).sum(axis=0), axis=1)
    later, now = energy[:, -1:] - energy[:, lags - 1], energy[:, m - lags - 1]
    alike = products / np.sqrt(np.maximum(later * now, 1e-24))
    best = alike.max(axis=1)
    peak = alike >= 0.9 * best[:, None]
    peak[:, 1:] &= alike[:, 1:] >= alike[:, :-1]
    peak[:, :-1] &= alike[:, :-1] >= alike[:, 1:]
    return best, lags[peak.argmax(axis=1)] / rate
