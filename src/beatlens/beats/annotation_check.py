"""Whether beat annotations belong to their signal: the annotated beats of a record are compared with those found.

An annotation file may be another recording's, late, or counted at another rate than the signal's. Its labels would then
teach and score beats that they weren't given to. Only stretches in which beats can be told are compared. Where these
are too short, too noisy or too regular, the record has no remark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beatlens.core.record import Finding
from beatlens.corpora.beat_labels import BeatLabels
from beatlens.shards.stretches import Stretch

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

ELSEWHERE, NO_BEATS = "annotations_elsewhere", "no_annotated_beats"
TOLERANCE_S = 0.15
"""Largest distance of an annotated beat to the one found for it (ANSI/AAMI EC57). In a fast rhythm it is at most a
quarter of the usual RR interval, since there any time lies near some beat."""
FIDUCIAL_S = 0.1
"""Largest distance of marks from R: annotators mark R, or the onset or middle of all QRS complexes of a record."""
SPREAD_S = 0.03
"""Largest deviation of an annotated beat's distance to the beat found from the record's usual distance."""
MIN_AGREEMENT = 0.6
"""Agreement beyond chance below which annotations don't belong.

In strips of 10 s to 30 min of DS1 (MIT-BIH), the record's annotations agree by .83 or more. Those of other records
agree by .50 or less in 95 % of strips of 10 s, and by .23 or less in 99 % of strips of a minute
(benchmarks/annotations.py). With noise added at -12 to 6 dB, the record's agree by .96 or more where at least half of
them lie where beats can be told.
"""
MIN_CLEAR = 0.5
"""Share of annotated beats that have to lie where beats can be told."""
MIN_BEATS, MIN_CLAIM_BEATS = 3, 20
"""Fewest annotated beats that are compared, and fewest for a lag or a rate: with fewer, some lag fits by chance.

In 218 strips of 5 s of DS1, none of the record's annotations are set aside, all of those that are 200 ms late, and 200
of other records' (benchmarks/annotations.py).
"""
MIN_FIT, MIN_GAIN = 0.8, 0.3
"""Share of annotated beats that a lag or a rate explains, and by how much it exceeds that of any other."""
MAX_LAG_S, BIN_S = 60.0, 0.01
MAX_COMPARED = 2000
"""Beats with which a lag or a rate is looked for."""
RATES_HZ = (
    *(100, 120, 125, 128, 150, 180, 200, 240, 250, 256, 257, 300, 333, 360, 400, 480, 500, 512, 600, 720, 750, 800),
    *(1000, 1024, 2000),
)
"""Rates at which ECGs are recorded, at one of which annotations may have been counted."""


@dataclass(frozen=True)
class Fit:
    """How annotated beats lie to those found, once moved.

    Attributes
    ----------
    lag_s
        By how much annotated beats are late.
    share
        Share of them within `SPREAD_S` of a beat, moved by that lag.
    unique
        Whether no lag that differs by more than `TOLERANCE_S` explains nearly as many.
    """

    lag_s: float
    share: float
    unique: bool


def check_annotations(
    labels: BeatLabels, found_sample: IntArray, fs: float, unclear: Sequence[Stretch]
) -> Finding | None:
    """Return what is wrong with where a record's annotated beats lie, None where nothing is or nothing can be told.

    Parameters
    ----------
    labels
        The annotated beats.
    found_sample
        (n,) beats found, in samples of the file, ascending.
    fs
        Rate of the file in Hz, which annotations are taken to be counted at.
    unclear
        Stretches in which beats can't be told.
    """
    if not len(labels.sample):
        n = len(found_sample)
        return Finding(NO_BEATS, f"no annotated beat, {n} found" if n else "no annotated beat and none found")
    annotated_s, found_s, noisy = labels.sample / fs, found_sample / fs, labels.in_noise(labels.sample)
    annotated, found = annotated_s[_clear(annotated_s, unclear) & ~noisy], found_s[_clear(found_s, unclear)]
    if len(annotated) < max(MIN_BEATS, MIN_CLEAR * len(annotated_s)) or len(found) < 2:
        return None
    late = _lag(annotated_s, found_s)
    if agreement(annotated, found) >= MIN_AGREEMENT and not (late and late.unique):
        return None
    tolerance = _tolerance(annotated, found)
    n_near = int((_distance(annotated, found) <= tolerance).sum())
    what = f"{n_near} of {len(annotated)} annotated beats lie within {1000 * tolerance:.0f} ms of a beat that was found"
    claim = _late_in_words(late, len(annotated_s)) if late else _rate_in_words(annotated_s, found_s, fs)
    return Finding(ELSEWHERE, f"{what}; {claim}; the labels are set aside")


def agreement(annotated: Float64Array, found: Float64Array) -> float:
    """Return how well annotated (n,) and found (m,) times of beats agree beyond chance, at most 1; n and m >= 2.

    The agreement is the higher of two shares: annotated beats that were found, and found beats that are annotated. So
    neither missed beats nor additional detections lower it by themselves.
    """
    tolerance = _tolerance(annotated, found)
    inside = found[(found >= annotated[0] - tolerance) & (found <= annotated[-1] + tolerance)]
    return max(_beyond_chance(annotated, found, tolerance), _beyond_chance(inside, annotated, tolerance))


def _tolerance(annotated: Float64Array, found: Float64Array) -> float:
    usual_rr = min(float(np.median(np.diff(annotated))), float(np.median(np.diff(found))))
    return min(TOLERANCE_S, usual_rr / 4)


def _clear(time: Float64Array, unclear: Sequence[Stretch]) -> BoolArray:
    """Tell which of (n,) times lie in no stretch."""
    clear = np.ones(len(time), dtype=bool)
    for stretch in unclear:
        clear &= (time <= stretch.start_s) | (time >= stretch.end_s)
    return clear


def _distance(time: Float64Array, others: Float64Array) -> Float64Array:
    """Return how far each of (n,) times is from the nearest of others, which ascend."""
    after = np.searchsorted(others, time).clip(1, len(others) - 1)
    return np.asarray(np.minimum(np.abs(others[after - 1] - time), np.abs(others[after] - time)))


def _beyond_chance(time: Float64Array, others: Float64Array, tolerance: float) -> float:
    """Return the share of times near one of others, corrected for chance as in Cohen's kappa (1960).

    Chance is the share of all time that is near one of others. 0 means agreement by chance, 1 that all are near others.
    """
    if len(time) < 2:
        return 0.0
    first, last = float(time[0]), float(time[-1])
    end = np.clip(others + tolerance, first, last)
    start = np.maximum(np.clip(others - tolerance, first, last), np.concatenate([[first], end[:-1]]))
    chance = float((end - start).sum()) / (last - first)
    share = float((_distance(time, others) <= tolerance).mean())
    return (share - chance) / (1 - chance) if chance < 1 else 0.0


def _shares(annotated: Float64Array, found: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return lags in s and the share of annotated beats within `SPREAD_S` of a found one, moved by each.

    The distances of all pairs within `MAX_LAG_S` are counted in bins, so that time grows with the number of beats.
    """
    annotated = annotated[:MAX_COMPARED]
    low, high = np.searchsorted(found, annotated - MAX_LAG_S), np.searchsorted(found, annotated + MAX_LAG_S)
    pairs = high - low
    of_found = np.arange(pairs.sum()) - np.repeat(np.cumsum(pairs) - pairs, pairs) + np.repeat(low, pairs)
    distance = np.repeat(annotated, pairs) - found[of_found]
    half = round(MAX_LAG_S / BIN_S)
    counts = np.bincount(np.rint(distance / BIN_S).astype(np.int64) + half, minlength=2 * half + 1)
    width = round(SPREAD_S / BIN_S)
    near = np.convolve(counts, np.ones(2 * width + 1), mode="same")
    return np.asarray(BIN_S * np.arange(-half, half + 1), dtype=np.float64), np.asarray(
        near / len(annotated), dtype=np.float64
    )


def _best(lags: Float64Array, shares: Float64Array, allowed: BoolArray) -> Fit:
    """Return the least lag of those allowed that explains about as many beats as the best of them."""
    best = float(shares[allowed].max())
    likely = np.flatnonzero(allowed & (shares >= best - SPREAD_S))
    nearest = likely[np.abs(lags[likely]).argmin()]
    around = likely[np.abs(lags[likely] - lags[nearest]) <= 2 * SPREAD_S]
    lag = float(lags[around].mean())
    others = shares[np.abs(lags - lag) > TOLERANCE_S]
    return Fit(lag, float(shares[around].max()), bool(others.max() < best - MIN_GAIN))


def _lag(annotated: Float64Array, found: Float64Array) -> Fit | None:
    """Return by how much annotated beats are late, None where they aren't or it can't be told."""
    if len(annotated) < MIN_CLAIM_BEATS:
        return None
    lags, shares = _shares(annotated, found)
    in_place = np.abs(lags) <= FIDUCIAL_S
    late = _best(lags, shares, ~in_place)
    return late if late.share >= max(MIN_FIT, float(shares[in_place].max()) + MIN_GAIN) else None


def _late_in_words(late: Fit, n_annotated: int) -> str:
    n = min(n_annotated, MAX_COMPARED)
    way = "late" if late.lag_s > 0 else "early"
    words = f"{round(late.share * n)} of {n} lie within {1000 * SPREAD_S:.0f} ms of one if they are "
    words += f"about {100 * abs(late.lag_s):.0f}0 ms {way}"
    return words if late.unique else f"{words} (the rhythm is regular, so other lags fit as well)"


def _rate_in_words(annotated: Float64Array, found: Float64Array, fs: float) -> str:
    """Say which rate the annotations were likely counted at, where just one of the usual rates explains them."""
    fits: dict[int, Fit] = {}
    if len(annotated) >= MIN_CLAIM_BEATS:
        for rate in RATES_HZ:
            if rate != fs:
                lags, shares = _shares(annotated * fs / rate, found)
                in_place, anywhere = (_best(lags, shares, np.abs(lags) <= most) for most in (FIDUCIAL_S, MAX_LAG_S))
                fit = anywhere if anywhere.unique else in_place
                if fit.share >= MIN_FIT:
                    fits[rate] = fit
    if len(fits) != 1:
        return "no steady lag and no usual rate explains them"
    ((rate, fit),) = fits.items()
    n = min(len(annotated), MAX_COMPARED)
    words = (
        f"{round(fit.share * n)} of {n} lie within {1000 * SPREAD_S:.0f} ms of one if they were counted at {rate} Hz"
    )
    words += f" instead of {fs:g} Hz"
    return words if abs(fit.lag_s) <= FIDUCIAL_S else f"{words} and lie {fit.lag_s:+.2f} s off"
