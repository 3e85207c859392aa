"""The default R-peak detector: QRS energy of all leads, and the most plausible sequence of peaks.

Candidates are the maxima of an envelope of the QRS band. Each has a score from its height over the local QRS level and
from how far it stands out from its surroundings. Pairs of neighbours are penalised for an interval that is too short (a
T wave was taken) or too long (a beat was missed). A dynamic programme (Viterbi) picks the sequence of the largest sum.
It replaces the running thresholds and the search-back of Pan and Tompkins (1985, doi:10.1109/TBME.1985.325532).

The constants were chosen on lead 0, lead 1 and lead 0 with added noise of MIT-BIH's DS1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from beatlens.signals.conditioning import at_once, butterworth, filter_both_ways
from beatlens.signals.detection.qrs_sequence import LEAST_SCORE, best_sequence

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

FILTER_HZ = 100.0
"""Rate at which the QRS band is filtered, approximately."""
ENVELOPE_HZ = 50.0
"""Rate of its envelope, approximately."""
QRS_HZ = (7.0, 25.0)
"""The QRS band; Pan & Tompkins (1985) take 5 to 15 Hz, which lets more of T waves through."""
SMOOTH_S = 0.18
"""Length of the moving average of squared samples: about a wide QRS (150 ms in Pan & Tompkins 1985)."""
LEVEL_BLOCK_S = 3.0
"""Length of a block: one holds a beat down to 20 a minute."""
LEVEL_BLOCKS = 41
"""Blocks over whose maxima the running median is the QRS level."""
CONTRAST_BLOCKS = 7
"""Blocks over which the ratio of peaks to background has its running median."""
MIN_LEVEL = 0.02
"""Least level, as a share of the record's median level: noise in a silent stretch isn't taken for beats."""
MIN_HEIGHT = 0.05
"""Least height of a candidate, as a share of the level."""
MIN_DISTANCE_S = 0.2
"""Least distance of candidates, the refractory time of Pan & Tompkins (1985)."""
PLACE_S = 0.1
"""Farthest that the reference lead moves a beat."""
USUAL_HEIGHT = 0.12
"""Share of the level at which a height speaks neither for nor against a beat."""
MAX_HEIGHT = 1.0
"""Share of the level from which on a greater height doesn't raise the score."""
CREST_S = 1.5
"""Crest ratio: a candidate's height over the mean envelope around it, so long. Noise and flutter make it small."""
USUAL_CREST = 1.5
"""Crest ratio that speaks neither for nor against a beat."""
MAX_CREST = 5.0
"""Crest ratio from which on a greater one doesn't raise the score."""
CREST_WEIGHT = 1.5
"""Weight of the logarithm of the crest ratio; that of the height has weight 1."""
TROUGH_S = 0.8
"""Trough ratio: the lowest envelope around a candidate, so long, over its height. Between QRS complexes it is small."""
USUAL_TROUGH = 0.35
"""Trough ratio up to which nothing speaks against a beat."""
TROUGH_WEIGHT = 10.0
"""Penalty of a trough ratio beyond, for each unit."""
SURE_HEIGHT = 0.6
"""Candidates above this share of the level give the local RR interval."""
RR_BEATS = 9
"""Number of sure candidates of the running median of the local RR interval."""
RR_LIMITS_S = (0.3, 1.6)
"""Shortest and longest local RR interval: 200 and 38 beats a minute."""
DEFAULT_RR_S = 0.8
"""Local RR interval where there are too few sure candidates."""


def detect_beats(signal: FloatArray, fs: float, missing: BoolArray, reference: int) -> IntArray:
    """Return the QRS complexes of a record, to about 20 ms; `r_peaks.refine` finds their R peaks.

    Parameters
    ----------
    signal
        (n_leads, n_samples) mV.
    fs
        Rate in Hz.
    missing
        (n_leads, n_samples) bool: samples where a lead has no say.
    reference
        The lead whose energy places a beat that all leads have found.

    Returns
    -------
    (n_beats,) int64 samples, ascending
    """
    step = envelope_step(fs)
    energy = lead_energy(signal, fs)
    beats = find_beats(envelope(energy, fs / step, missing[:, ::step]), fs / step)
    if len(signal) > 1 and len(beats):
        offsets = np.arange(-round(PLACE_S * fs / step), round(PLACE_S * fs / step) + 1)
        around = np.clip(beats[:, None] + offsets, 0, energy.shape[1] - 1)
        placed = np.take_along_axis(around, energy[reference][around].argmax(axis=1)[:, None], axis=1)[:, 0]
        beats = np.where(missing[reference, ::step][beats], beats, placed)
    return np.asarray(np.minimum(np.unique(beats) * step + step // 2, signal.shape[1] - 1), dtype=np.int64)


def envelope_step(fs: float) -> int:
    """Return how many samples of a signal at `fs` Hz are one of the envelope."""
    first = max(round(fs / FILTER_HZ), 1)
    return first * max(round(fs / first / ENVELOPE_HZ), 1)


def lead_energy(signal: FloatArray, fs: float) -> Float64Array:
    """Return the root mean square of each lead in the QRS band, over about a wide QRS, every `envelope_step` samples.

    Parameters
    ----------
    signal
        (n_leads, n_samples) mV.
    fs
        Rate in Hz.

    Returns
    -------
    (n_leads, ceil(n_samples / step)) float64 mV
    """
    from scipy.ndimage import uniform_filter1d

    step = envelope_step(fs)
    first = max(round(fs / FILTER_HZ), 1)
    n_blocks = -(-signal.shape[1] // step)
    rest = n_blocks * step - signal.shape[1]
    coarse = block_means(np.pad(signal, ((0, 0), (0, rest)), mode="edge") if rest else signal, first)
    filtered = band_pass(coarse, QRS_HZ, fs / first)
    power = block_means(np.square(filtered), step // first)
    smooth = uniform_filter1d(power, max(round(SMOOTH_S * fs / step), 1), axis=1)
    return np.asarray(np.sqrt(np.maximum(smooth, 0)), dtype=np.float64)


def band_pass(signal: npt.NDArray[np.floating], band_hz: tuple[float, float], fs: float) -> npt.NDArray[np.floating]:
    """Return a signal (..., n_samples) at `fs` Hz filtered with zero phase; the upper cut stays below Nyquist's."""
    sections = butterworth(2, (band_hz[0], min(band_hz[1], 0.45 * fs)), fs)
    filtered = np.empty(signal.shape, dtype=signal.dtype)
    leads, out = (rows.reshape(-1, signal.shape[-1]) for rows in (signal, filtered))
    for rows in at_once(leads):
        out[rows] = filter_both_ways(leads[rows], sections, min(signal.shape[-1] - 1, round(fs)))
    return filtered


def block_means(rows: npt.NDArray[np.floating], length: int) -> npt.NDArray[np.floating]:
    """Return the means of successive blocks of rows (n, m); samples after the last whole block are left out."""
    blocks = rows[:, : rows.shape[1] // length * length].reshape(len(rows), -1, length)
    total = blocks[..., 0].copy()
    for k in range(1, length):  # few and long sums: blocks are short
        total += blocks[..., k]
    return total / length


def envelope(energy: Float64Array, fs: float, missing: BoolArray) -> Float64Array:
    """Return the QRS energy of all leads as a share of the local QRS level.

    Each lead is weighted by the square of its ratio of peaks to background over 20 s. A lead doesn't count while it is
    noisy or flat.

    Parameters
    ----------
    energy
        (n_leads, n_samples) energy of each lead (`lead_energy`).
    fs
        Its rate in Hz.
    missing
        (n_leads, n_samples) bool: samples where a lead has no say.

    Returns
    -------
    (n_samples,) float64, about 1 at a usual QRS
    """
    total, weight = np.zeros(energy.shape[1]), np.zeros(energy.shape[1])
    for lead, hole in zip(energy, missing, strict=True):
        level, contrast = _level_and_contrast(lead, fs)
        share = np.where(hole | (level == 0), 0.0, contrast**2)
        total += share * lead / np.maximum(level, 1e-12)
        weight += share
    return np.divide(total, weight, out=np.zeros(energy.shape[1]), where=weight > 0)


def _level_and_contrast(energy: Float64Array, fs: float) -> tuple[Float64Array, Float64Array]:
    """Return the running QRS level of one lead and the running ratio of its peaks to its background."""
    from scipy.ndimage import median_filter

    block = min(round(LEVEL_BLOCK_S * fs), len(energy))
    n_blocks = -(-len(energy) // block)
    blocks = np.pad(energy, (0, n_blocks * block - len(energy)), mode="reflect").reshape(n_blocks, block)
    highest = blocks.max(axis=1)
    level = median_filter(highest, min(LEVEL_BLOCKS, n_blocks), mode="nearest")
    level = np.maximum(level, MIN_LEVEL * np.median(level))
    floor = max(float(np.median(level)) * 1e-3, 1e-12)
    contrast = median_filter(
        highest / np.maximum(np.median(blocks[:, ::3], axis=1), floor), min(CONTRAST_BLOCKS, n_blocks), mode="nearest"
    )
    if not highest.any():
        return np.zeros(len(energy)), np.zeros(len(energy))
    middle = (np.arange(n_blocks) + 0.5) * block
    time = np.arange(len(energy))
    return np.maximum(np.interp(time, middle, level), 1e-12), np.interp(time, middle, contrast)


def find_beats(energy: Float64Array, fs: float) -> IntArray:
    """Return the most plausible sequence of beats in an envelope.

    Parameters
    ----------
    energy
        (n_samples,) share of the local QRS level (`envelope`).
    fs
        Rate in Hz.

    Returns
    -------
    (n_beats,) int64 samples, ascending
    """
    from scipy.ndimage import median_filter, minimum_filter1d, uniform_filter1d
    from scipy.signal import find_peaks

    padded = np.pad(energy, 1)  # a beat may be cut by the record's ends
    peaks: IntArray = find_peaks(padded, height=MIN_HEIGHT, distance=max(round(MIN_DISTANCE_S * fs), 1))[0] - 1
    if not len(peaks):
        return peaks.astype(np.int64)
    height = energy[peaks]
    crest = height / uniform_filter1d(energy, max(round(CREST_S * fs), 1))[peaks]
    trough = minimum_filter1d(energy, max(round(TROUGH_S * fs), 1))[peaks] / height
    score = (
        np.log(np.minimum(height, MAX_HEIGHT) / USUAL_HEIGHT)
        + CREST_WEIGHT * np.log(np.minimum(crest, MAX_CREST) / USUAL_CREST)
        - TROUGH_WEIGHT * np.maximum(trough - USUAL_TROUGH, 0)
    )
    plausible = score > LEAST_SCORE
    peaks, height, score = peaks[plausible], height[plausible], score[plausible]
    if not len(peaks):
        return peaks.astype(np.int64)
    sure = peaks[height > SURE_HEIGHT]
    rr = np.full(len(peaks), DEFAULT_RR_S)
    if len(sure) > 3:
        rr = np.interp(peaks, sure[1:], median_filter(np.diff(sure) / fs, RR_BEATS, mode="nearest"))
    chosen = best_sequence((peaks / fs).tolist(), score.tolist(), np.clip(rr, *RR_LIMITS_S).tolist(), len(energy) / fs)
    return peaks[chosen].astype(np.int64)
