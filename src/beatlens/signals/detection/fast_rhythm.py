"""Fast rhythms, 140 to 290 beats a minute, whose complexes fill the time: found by their period instead of by rest.

A detector that looks for what stands out of its surroundings loses a tachycardia whose complexes follow each other
without rest. But such a rhythm repeats itself: the autocorrelation of a few seconds has its first high peak at the RR
interval. Where it has one, a dynamic programme takes a crest a period. A run ends where beats aren't like its median
beat any more, and its R peaks lie at one and the same deflection, the sharpest.

Ventricular flutter and fibrillation repeat themselves too, but as a rounded wave whose cycles differ. Such a run is
disorganised: no beat is taken from it.

The constants were chosen on MIT-BIH's DS1 and on made rhythms (`benchmarks/fast_rhythms.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from beatlens.signals.detection.local_period import (
    FRAME_S,
    crests_one_a_period,
    local_periods,
    parabolas,
    unexplained_frames,
)
from beatlens.signals.detection.main_deflection import place_r_peaks, skewed_up
from beatlens.signals.detection.qrs_detector import QRS_HZ, band_pass, block_means

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

SERIES_HZ = 50.0
BAND_HZ = (4.0, 18.0)
"""Band in which a rhythm repeats itself. Below it, T waves and movement disturb; above it, muscle."""
PERIOD_S = (0.205, 0.43)
"""Waves that are faster are flutter."""
WEAKLY_PERIODIC, PERIODIC, CLEARLY_PERIODIC = 0.35, 0.5, 0.6
"""Correlation of frames at their period: of any frame of a run, of its core, and of at least one frame of the core."""
MARGIN_S = 1.5
"""Time around periodic frames in which a run may begin or end."""
MAX_CHANGE, PERIOD_FRAMES = 1.25, 5
"""Largest ratio of a frame's period to that of the run around it, a median of so many frames."""
LIKE_MEDIAN, LARGEST, SMALLEST = 0.6, 2.5, 0.3
"""Limits for a beat at the end of a run: least correlation with the run's median beat, largest and least amplitude
over that beat's."""
FEWEST_BEATS = 4
REFINEMENTS = 2
NEAR_S = 2.5
"""Runs closer than this are judged together."""
SHARP = 0.4
"""Share of the amplitude in the QRS band from which on complexes are sharp; flutter has .12 to .3."""
SHAPE_HZ, SHAPE_BEATS = (3.0, 15.0), 3
"""Band in which shapes are compared, and number of beats that are averaged before, which lowers noise."""
ORGANISED, ORGANISED_SHARP = 0.96, 0.9
"""Least likeness of the beats of a run, where its complexes are rounded and where they are sharp."""


@dataclass(frozen=True)
class FastRun:
    """A run of a fast rhythm.

    Attributes
    ----------
    beats
        (n_beats,) samples of R peaks, ascending; of a disorganised run the crests of its waves.
    period_s
        Median RR interval in seconds.
    likeness
        Median correlation of averages of `SHAPE_BEATS` beats with the run's median beat.
    sharpness
        Share of the amplitude (root mean square) that lies in the QRS band.
    organised
        Whether these are beats; flutter, fibrillation and noise are not.
    """

    beats: IntArray
    period_s: float
    likeness: float
    sharpness: float
    organised: bool = True


@dataclass(frozen=True)
class _Crests:
    """A run as the series shows it: one crest a beat, in samples of the series and their fractions, of one lead."""

    crests: Float64Array
    lead: int
    period_s: float
    likeness: float
    sharpness: float


def fast_runs(signal: FloatArray, fs: float, reference: int, known: IntArray) -> list[FastRun]:
    """Find the fast rhythms of a record.

    Parameters
    ----------
    signal
        (n_leads, n_samples) conditioned mV, finite.
    fs
        Rate in Hz.
    reference
        The lead whose deflections are R peaks, where it shows the rhythm about as well as the others.
    known
        (n_known,) samples of beats that were found by what stands out. Where they leave little energy unexplained and
        none follows soon, no fast rhythm is looked for.

    Returns
    -------
    Runs in time order, which don't overlap
    """
    step = max(round(fs / SERIES_HZ), 1)
    rate = fs / step
    n = signal.shape[1] // step
    if n < round(FRAME_S * rate):
        return []
    plain = np.asarray(block_means(signal, step), dtype=np.float32)
    series = band_pass(plain, BAND_HZ, rate)
    centre, correlation, period_s = local_periods(series, rate, unexplained_frames(series, rate, known / step))
    runs: list[FastRun] = []
    for frames in _periodic_frames(correlation, period_s):
        found = _find_run(series, plain, rate, centre=centre[frames], period_s=period_s[frames], reference=reference)
        if found is None:
            continue
        crests = np.rint((found.crests + 0.5) * step).astype(np.int64)
        beats = place_r_peaks(signal[found.lead], fs, crests, found.period_s)
        beats = beats[beats > (runs[-1].beats[-1] + PERIOD_S[0] * fs if runs else -1)]
        if len(beats) >= FEWEST_BEATS:
            runs.append(FastRun(beats, found.period_s, found.likeness, found.sharpness))
    return _judged(runs, fs)


def _periodic_frames(correlation: Float64Array, period_s: Float64Array) -> Iterator[IntArray]:
    """Yield the frames of each stretch that repeats itself fast; a frame or two between may not."""
    is_fast = (period_s >= PERIOD_S[0]) & (period_s <= PERIOD_S[1])
    frames = np.flatnonzero(is_fast & (correlation > PERIODIC))
    weakly = np.flatnonzero(is_fast & (correlation > WEAKLY_PERIODIC))
    for group in np.split(frames, np.flatnonzero(np.diff(frames) > 2) + 1):
        if not len(group) or correlation[group].max() <= CLEARLY_PERIODIC:
            continue
        first, last, usual = int(group[0]), int(group[-1]), float(np.median(period_s[group]))
        like = weakly[np.abs(np.log(period_s[weakly] / usual)) < np.log(MAX_CHANGE)]
        while first - 1 in like:
            first -= 1
        while last + 1 in like:
            last += 1
        yield np.unique(np.concatenate([group, like[(like >= first) & (like <= last)]]))


def _find_run(
    series: FloatArray,
    plain: FloatArray,
    rate: float,
    *,
    centre: IntArray,
    period_s: Float64Array,
    reference: int,
) -> _Crests | None:
    """Return the run around periodic frames, None where there are too few beats."""
    from scipy.ndimage import median_filter, uniform_filter1d

    start = max(int(centre[0] - MARGIN_S * rate), 0)
    stop = min(int(centre[-1] + MARGIN_S * rate), series.shape[1])
    quarter = round(FRAME_S * rate / 5)
    first, last = max(int(centre[0]) - quarter, 0) - start, min(int(centre[-1]) + quarter, series.shape[1]) - start
    part = series[:, start:stop]
    usual = float(np.median(period_s))
    # Frames at the ends, half of them empty, may show half the period.
    smooth = median_filter(np.clip(period_s, usual / MAX_CHANGE, usual * MAX_CHANGE), PERIOD_FRAMES, mode="nearest")
    period = np.interp(np.arange(start, stop), centre, smooth)
    lead = _clearest_lead(part[:, first:last], round(usual * rate), reference)
    half = round(usual * rate / 2)
    crests = part[lead] * (1 if skewed_up(part[lead, first:last]) else -1)
    chosen = crests_one_a_period(crests, slice(first, last), period, rate)
    for _ in range(REFINEMENTS):  # crests of noise and of notched complexes give way to the whole shape
        if len(chosen) < FEWEST_BEATS:
            return None
        crests = _matched(part, np.median(_windows(part, chosen, half), axis=0))
        chosen = crests_one_a_period(crests, slice(first, last), period, rate)
    if len(chosen) < FEWEST_BEATS:
        return None
    is_inner = (chosen >= first) & (chosen < last)
    if is_inner.sum() < 2:
        return None
    around = _windows(part, chosen, half)
    median_beat = np.median(around[is_inner], axis=0)
    amplitude = np.sqrt(np.square(around).sum(axis=(1, 2)) / max(float(np.square(median_beat).sum()), 1e-12))
    belongs = _correlation(around, median_beat) > LIKE_MEDIAN
    belongs &= (amplitude < LARGEST) & (amplitude > SMALLEST)
    kept = _from_inside(belongs, is_inner)
    if kept.stop - kept.start < FEWEST_BEATS:
        return None
    begin, end = int(chosen[kept.start]), int(chosen[kept.stop - 1]) + 1
    slow = uniform_filter1d(plain[:, start:stop], round(rate), axis=1, mode="nearest")
    whole = (plain[:, start:stop] - slow)[:, begin:end]
    sharp = band_pass(plain[:, start:stop], QRS_HZ, rate)[:, begin:end]
    sharpness = float(np.sqrt(np.square(sharp).sum() / max(float(np.square(whole).sum()), 1e-12)))
    likeness = _likeness(band_pass(plain[:, start:stop], SHAPE_HZ, rate), chosen[kept], half)
    fraction, _ = parabolas(crests[chosen[kept][:, None] + np.array([-1, 0, 1])])  # a notch is narrower than a sample
    return _Crests(chosen[kept] + fraction[:, 0] + start, lead, usual, likeness, sharpness)


def _likeness(wave: FloatArray, beats: IntArray, half: int) -> float:
    """Return how alike the beats of a run are, over all leads."""
    from scipy.ndimage import uniform_filter1d

    around = _windows(wave, beats, half)
    median_beat = np.median(around, axis=0)
    averages = uniform_filter1d(around, SHAPE_BEATS, axis=0, mode="nearest")
    return float(np.median(_correlation(averages, median_beat)))


def _windows(wave: FloatArray, beats: IntArray, half: int) -> FloatArray:
    """Return (n_beats, n_leads, 2 * half + 1) of a wave around beats."""
    padded = np.pad(wave, ((0, 0), (half, half)))
    return padded[:, beats[:, None] + np.arange(2 * half + 1)].transpose(1, 0, 2)


def _correlation(beats: FloatArray, template: FloatArray) -> Float64Array:
    """Return the (n_beats,) correlation of beats with a template, over leads and samples."""
    norm = np.sqrt(np.square(beats).sum(axis=(1, 2)) * np.square(template).sum())
    return np.asarray((beats * template).sum(axis=(1, 2)) / np.maximum(norm, 1e-12), dtype=np.float64)


def _matched(part: FloatArray, template: FloatArray) -> Float64Array:
    """Return how well a template (n_leads, odd) fits at each sample of a signal (n_leads, n), as a sum over leads."""
    from scipy.signal import correlate

    fits = [correlate(wave, shape, mode="same") for wave, shape in zip(part, template, strict=True)]
    return np.asarray(np.sum(fits, axis=0), dtype=np.float64)


def _clearest_lead(part: FloatArray, lag: int, reference: int) -> int:
    """Return the reference lead, or another one that repeats itself clearly better."""
    repeats = (part[:, lag:] * part[:, :-lag]).sum(axis=1) / np.maximum(np.square(part).sum(axis=1), 1e-12)
    return reference if repeats[reference] >= repeats.max() - 0.1 else int(repeats.argmax())


def _from_inside(belongs: BoolArray, is_inner: BoolArray) -> slice:
    """Return the beats of a run: from those inside outwards until two that follow each other don't belong to it."""
    inside = np.flatnonzero(is_inner & belongs)
    if not len(inside):
        return slice(0, 0)
    first, last = int(inside[0]), int(inside[-1])
    for outwards in (np.flatnonzero(belongs[:first])[::-1], last + 1 + np.flatnonzero(belongs[last + 1 :])):
        for beat in outwards.tolist():
            if beat < first and first - beat <= 2:
                first = beat
            elif beat > last and beat - last <= 2:
                last = beat
            else:
                break
    return slice(first, last + 1)


def _judged(runs: list[FastRun], fs: float) -> list[FastRun]:
    """Say of runs whether they are organised, those close to each other together."""
    breaks = [k for k, (a, b) in enumerate(pairwise(runs), start=1) if b.beats[0] - a.beats[-1] > NEAR_S * fs]
    judged: list[FastRun] = []
    for first, stop in pairwise([0, *breaks, len(runs)]):
        group = runs[first:stop]
        if not group:
            continue
        lengths = [len(run.beats) for run in group]
        likeness = np.average([run.likeness for run in group], weights=lengths)
        sharpness = np.average([run.sharpness for run in group], weights=lengths)
        organised = likeness >= (ORGANISED_SHARP if sharpness >= SHARP else ORGANISED)
        judged.extend(replace(run, organised=bool(organised)) for run in group)
    return judged
