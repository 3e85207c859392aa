"""The period of a signal, the first high peak of its autocorrelation, frame by frame; and its crests, one a period."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

FRAME_S, HOP_S = 2.56, 0.64
NEAR_BEAT_S, UNEXPLAINED, SOON_S = 0.12, 0.25, 0.45
"""A frame is looked at where more than `UNEXPLAINED` of its energy lies farther than `NEAR_BEAT_S` from known beats, or
where two beats follow each other within `SOON_S`."""
LAG_S = (0.1, 0.9)
"""Lags that are compared, so that neither a hum nor the wave within a slower beat is taken for the period."""
FIRST_SHARE = 0.85
"""The period is the first peak of the autocorrelation that reaches this share of the highest."""
LEAST_CORRELATION = 0.25
FRAMES_AT_ONCE = 4096
LOWEST_CREST = 0.05
"""Height of the lowest crest, as a share of the usual one."""
STEP_WEIGHT, BREAK_COST = 10.0, 3.0
"""Cost of a step: `STEP_WEIGHT` times the squared logarithm of its ratio to the period, at most `BREAK_COST`."""
SHORTEST_STEP, LONGEST_STEP = 0.6, 3.0
"""Shortest step between beats and farthest look back, in periods."""


def unexplained_frames(series: FloatArray, rate: float, known: Float64Array) -> BoolArray:
    """Tell which frames have energy that known beats (in samples) don't explain, or beats in fast succession."""
    length, hop = round(FRAME_S * rate), max(round(HOP_S * rate), 1)
    n = series.shape[1]
    centre = np.arange(n // hop + 1) * hop
    low, high = np.maximum(centre - length // 2, 0), np.minimum(centre + length // 2, n)
    power = np.square(series).sum(axis=0, dtype=np.float64)
    edges = np.zeros(n + 1, dtype=np.int64)
    np.add.at(edges, np.clip(np.rint(known - NEAR_BEAT_S * rate).astype(np.int64), 0, n), 1)
    np.add.at(edges, np.clip(np.rint(known + NEAR_BEAT_S * rate).astype(np.int64), 0, n), -1)
    near = np.cumsum(edges[:-1]) > 0
    total, rest = (np.concatenate([[0.0], np.cumsum(part)]) for part in (power, power * ~near))
    soon = known[1:][np.diff(known) < SOON_S * rate]
    has_soon = np.searchsorted(soon, high) > np.searchsorted(soon, low)
    return np.asarray(has_soon | (rest[high] - rest[low] > UNEXPLAINED * (total[high] - total[low])))


def local_periods(series: FloatArray, rate: float, wanted: BoolArray) -> tuple[IntArray, Float64Array, Float64Array]:
    """Return the period of every stretch of `FRAME_S`, by all leads together.

    Parameters
    ----------
    series
        (n_leads, n) band-passed.
    rate
        In Hz.
    wanted
        (n_frames,) which frames are looked at; the others have no period.

    Returns
    -------
    centre
        (n_frames,) index of the middle of each frame, `HOP_S` apart.
    correlation
        (n_frames,) correlation of the frame with itself a period later, 0 where it has none.
    period_s
        (n_frames,) seconds, 0 where there is none.
    """
    length, hop = round(FRAME_S * rate), max(round(HOP_S * rate), 1)
    half = length // 2
    centre = np.arange(len(wanted), dtype=np.int64) * hop
    correlation, period_s = np.zeros(len(wanted)), np.zeros(len(wanted))
    padded = np.pad(series, ((0, 0), (half, length)))
    for some in np.array_split(np.flatnonzero(wanted), max(wanted.sum() // FRAMES_AT_ONCE, 1)):
        if len(some):
            frames = [np.lib.stride_tricks.sliding_window_view(lead, length)[centre[some]] for lead in padded]
            correlation[some], period_s[some] = _periods(frames, rate)
    return centre, correlation, period_s


def _periods(leads: list[FloatArray], rate: float) -> tuple[Float64Array, Float64Array]:
    """Return correlation and period of frames: (n_frames, length) of each lead."""
    from scipy.fft import irfft, next_fast_len, rfft

    n_frames, length = leads[0].shape
    first, last = round(LAG_S[0] * rate), round(LAG_S[1] * rate)
    lags = np.arange(first - 1, last + 2)
    size = next_fast_len(length + int(lags[-1]), real=True)
    energy = np.zeros((n_frames, length + 1))
    power = np.zeros((n_frames, size // 2 + 1), dtype=np.float32)
    for frames in leads:
        energy[:, 1:] += np.square(frames)
        spectrum = rfft(frames, size, axis=1)
        power += spectrum.real**2 + spectrum.imag**2
    np.cumsum(energy, axis=1, out=energy)
    # The larger of both energies counts, so that a T wave doesn't pass for a repetition of the complex at a frame's
    # edge.
    scale = np.maximum(energy[:, length - lags], energy[:, [length]] - energy[:, lags])
    lag, height = parabolas(irfft(power, size, axis=1)[:, lags] / np.maximum(scale, 1e-12))
    is_peak = height >= np.maximum(FIRST_SHARE * height.max(axis=1, keepdims=True), LEAST_CORRELATION)
    at = is_peak.argmax(axis=1)[:, None]
    found = is_peak.any(axis=1)
    correlation = np.where(found, np.take_along_axis(height, at, axis=1)[:, 0], 0.0)
    return correlation, np.where(found, (np.take_along_axis(lag, at, axis=1)[:, 0] + first) / rate, 0.0)


def parabolas(rows: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return (n, m - 2) place and height of the peaks of rows (n, m), between samples; height 0 where there is none."""
    before, here, after = rows[:, :-2], rows[:, 1:-1], rows[:, 2:]
    is_peak = (here >= before) & (here > after)
    offset = np.zeros(here.shape)
    np.divide(0.5 * (before - after), before - 2 * here + after, out=offset, where=is_peak)
    return np.arange(here.shape[1]) + offset, np.where(is_peak, here - 0.25 * (before - after) * offset, 0.0)


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
