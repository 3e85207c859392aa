"""Where the R peaks are in a rhythm without a baseline between complexes: at the sharpest deflection of each."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from beatlens.signals.detection.qrs_detector import QRS_HZ, band_pass

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

MIN_SKEWNESS, ALIKE, QRS_S = 0.05, 0.85, 0.1
"""Least skewness of a median beat at which one side counts as narrower; least ratio of two deflections at which they
count as alike; length of the moving average that finds the middle of the QRS energy."""
PLACE_S, CLIMB_S = 0.04, 0.015


def place_r_peaks(lead: FloatArray, fs: float, beats: IntArray, period_s: float) -> IntArray:
    """Move all beats of a run to the main deflection of its median beat, then each to its own extremum nearby.

    Parameters
    ----------
    lead
        (n_samples,) mV at `fs` Hz.
    fs
        Rate in Hz.
    beats
        (n_beats,) samples, one a period.
    period_s
        Median RR interval of the run in seconds.

    Returns
    -------
    (n_peaks,) int64 samples, strictly ascending
    """
    half, near, climb = round(period_s * fs / 2), round(PLACE_S * fs), round(CLIMB_S * fs)
    start = max(int(beats[0]) - round(fs), 0)
    part = lead[start : int(beats[-1]) + round(fs)]
    sharp = band_pass(part, QRS_HZ, fs)
    place = beats - start
    around = np.pad(sharp, (half, half), mode="edge")[place[:, None] + np.arange(2 * half + 1)]
    median_beat = np.median(around, axis=0)
    at, sign = main_deflection(median_beat, fs)
    place = place + at - half
    for wave, reach in ((sharp, near), (part, climb)):
        place = np.clip(place, 0, len(part) - 1)
        offsets = np.arange(-reach, reach + 1)
        place = place + offsets[(sign * wave[np.clip(place[:, None] + offsets, 0, len(part) - 1)]).argmax(axis=1)]
    return np.asarray(np.unique(np.clip(place, 0, len(part) - 1)) + start, dtype=np.int64)


def main_deflection(beat: npt.NDArray[np.floating], fs: float) -> tuple[int, int]:
    """Return where in a period of a rhythm in the QRS band its R peak is, and 1 where it points up, -1 where down.

    Without a baseline there is no level to measure from, so the narrower side is taken for the main one. Where neither
    side is clearly narrower, it is the larger deflection near the middle of the QRS energy. Of two alike, it is the
    earlier, which annotators mark.
    """
    from scipy.ndimage import uniform_filter1d

    middle = int(uniform_filter1d(beat**2, round(QRS_S * fs), mode="wrap").argmax())
    skewness = float((beat**3).mean() / max(float((beat**2).mean()) ** 1.5, 1e-12))
    side = 1 if skewness > 0 else -1
    narrow = int((side * beat).argmax())
    apart = abs((narrow - middle + len(beat) // 2) % len(beat) - len(beat) // 2)
    if abs(skewness) >= MIN_SKEWNESS and apart <= QRS_S / 2 * fs:
        return narrow, side
    index = (middle + np.arange(-round(PLACE_S * fs), round(PLACE_S * fs) + 1)) % len(beat)
    up, down = int(beat[index].argmax()), int(beat[index].argmin())
    height, depth = float(beat[index[up]]), float(-beat[index[down]])
    alike = min(height, depth) >= ALIKE * max(height, depth)
    sign = (1 if up < down else -1) if alike else (1 if height > depth else -1)
    return int(index[up if sign == 1 else down]), sign


def skewed_up(wave: npt.NDArray[np.floating]) -> bool:
    """Tell whether the narrow deflections of a wave without a level point upwards."""
    return bool((np.asarray(wave, dtype=np.float64) ** 3).sum() >= 0)
