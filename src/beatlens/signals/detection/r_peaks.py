"""R peaks: detectors behind one interface; the default combines the leads of a record."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from beatlens.signals.detection.fast_rhythm import SHARP, FastRun, fast_runs
from beatlens.signals.detection.qrs_detector import detect_beats
from beatlens.signals.settings.rpeaks import RPeakSettings

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

MIN_LENGTH_S = 0.5
"""A shorter record has no beats."""
CLEAR_SHARE = 0.25
"""Share of the best lead's contrast from which on a lead shows its complexes clearly."""
LEAD_S = 0.01
"""The search for the main deflection is centred so much before the peak of the energy."""
CLIMB_S = 0.01
"""How far a weighted maximum climbs to the top beside it."""
RUN_MARGIN_S = 0.18
"""No other beat lies closer to a run of a fast rhythm."""
DISORGANISED_S = 3.0
"""A disorganised rhythm of this length is flutter or fibrillation."""
MAJORITY_FACTOR = 1.4
"""How much more the sign counts that wins in most beats."""
EARLY_FACTOR = 1.7
"""How much more the earlier of an upward and a downward deflection counts."""


def detect(
    signal: FloatArray,
    fs: float,
    settings: RPeakSettings,
    missing: BoolArray | None = None,
    annotated: Float64Array | None = None,
) -> Float64Array:
    """Return the R peaks of a record with the configured detector.

    Parameters
    ----------
    signal
        (n_leads, n_samples) conditioned mV, finite. `consensus` combines the leads; the others see the lead in which
        QRS complexes stand out most.
    fs
        Rate in Hz.
    settings
        Section ``rpeaks`` of the configuration.
    missing
        (n_leads, n_samples) bool, where the signal is interpolated; nothing is detected where all leads are.
    annotated
        (n,) annotated R peaks in samples of `signal`, for the detector ``annotation``.

    Returns
    -------
    (n_beats,) float64, strictly ascending; samples of `signal`, with a fraction from a parabola through the extremum.
    Those of ``annotation`` are returned as given.

    Raises
    ------
    ValueError
        For the detector ``annotation`` without annotations.
    """
    if settings.detector == "annotation":
        if annotated is None:
            raise ValueError("rpeaks.detector is 'annotation', but the record has no beat annotations")
        return np.unique(annotated)
    absent = np.zeros(signal.shape, dtype=bool) if missing is None else missing
    usable = (np.ptp(signal, axis=1) > 0) & ~absent.all(axis=1)
    if not usable.any() or signal.shape[1] < round(MIN_LENGTH_S * fs):
        return np.zeros(0)
    if not usable.all():
        signal, absent = signal[usable], absent[usable]
    reference = clearest_lead(signal, fs)
    is_present: BoolArray = np.asarray(~absent.all(axis=0))
    if settings.detector != "consensus":
        peaks = np.unique(np.clip(EXTERNAL[settings.detector](signal[reference], fs), 0, signal.shape[1] - 1))
        return refine(signal[reference], peaks[is_present[peaks]], fs, settings.refine_s)
    peaks = detect_beats(signal, fs, absent, reference)
    refined = refine(signal[reference], peaks[is_present[peaks]], fs, settings.refine_s)
    return _with_runs(refined, fast_runs(signal, fs, reference, peaks), is_present, fs)


def _with_runs(peaks: Float64Array, runs: list[FastRun], is_present: BoolArray, fs: float) -> Float64Array:
    """Return R peaks with those of fast rhythms in place of what was found there.

    Where a fast rhythm is long, rounded and disorganised, as flutter and fibrillation are, no detection in it is a
    beat.
    """
    for run in runs:
        first, last = run.beats[[0, -1]]
        if run.organised:
            margin = RUN_MARGIN_S * fs
            outside = peaks[(peaks < first - margin) | (peaks > last + margin)]
            peaks = np.concatenate([outside, run.beats[is_present[run.beats]].astype(np.float64)])
        elif run.sharpness < SHARP and last - first >= DISORGANISED_S * fs:
            peaks = peaks[(peaks < first) | (peaks > last)]
    return np.unique(peaks)


def clearest_lead(signal: FloatArray, fs: float) -> int:
    """Return the first lead in which QRS complexes stand out at least `CLEAR_SHARE` as much as in the best lead.

    Recorders put their main lead first, and annotators mark its R peak.

    Parameters
    ----------
    signal
        (n_leads, n_samples) mV.
    fs
        Rate in Hz.
    """
    if len(signal) == 1:
        return 0
    block = min(round(3 * fs), signal.shape[1])
    blocks = signal[:, : signal.shape[1] // block * block].reshape(len(signal), -1, block)
    highest = np.maximum(blocks.max(axis=2), -blocks.min(axis=2))
    usual = np.median(np.abs(blocks[..., :: max(round(fs / 50), 1)]), axis=2)  # one sample in 20 ms is enough
    # Block by block: a pause fills few blocks and doesn't change how far QRS complexes stand out in the others.
    contrast = np.median(highest / np.maximum(usual, 1e-3), axis=1)
    return int(np.flatnonzero(contrast >= CLEAR_SHARE * contrast.max())[0])


def refine(lead: FloatArray, peaks: IntArray, fs: float, half_width_s: float) -> Float64Array:
    """Move peaks to the main deflection of the QRS nearby, up or down, with the fraction of a sample.

    A deflection is weighted by its distance from a point a little before the peak (a Gaussian of half the half-width),
    so that a T wave or the far end of a wide QRS doesn't win by height alone. Of an upward and a downward deflection
    the earlier counts more, since annotators mark it. The sign that wins in most beats counts more as well, so that the
    peak of an RS complex isn't now at the R, now at the S. Where several peaks move to one place, one stays.

    Parameters
    ----------
    lead
        (n_samples,) mV.
    peaks
        (n_beats,) samples, ascending.
    fs
        Rate in Hz.
    half_width_s
        Half-width of the search in seconds.

    Returns
    -------
    (n_refined,) float64, strictly ascending
    """
    if not len(peaks):
        return np.zeros(0)
    half = max(round(half_width_s * fs), 1)
    offsets = np.arange(-half, half + 1)
    start = peaks - round(LEAD_S * fs)
    values = _around(lead, start, offsets) * np.exp(-0.5 * (offsets / (half / 2)) ** 2)
    at_highest, at_lowest = values.argmax(axis=1), values.argmin(axis=1)
    highest, lowest = np.maximum(values.max(axis=1), 1e-9), np.maximum(-values.min(axis=1), 1e-9)
    log_ratio = np.log(highest / lowest) + np.log(EARLY_FACTOR) * np.where(at_highest < at_lowest, 1, -1)
    upright = log_ratio + np.log(MAJORITY_FACTOR) * np.sign(np.median(log_ratio)) > 0
    best = start + offsets[np.where(upright, at_highest, at_lowest)]
    # The weight moves the maximum off the top of the deflection. A short climb leads back to it.
    climb = np.arange(-round(CLIMB_S * fs), round(CLIMB_S * fs) + 1)
    best = best + climb[(_around(lead, best, climb) * np.where(upright, 1, -1)[:, None]).argmax(axis=1)]
    best = np.unique(np.clip(best, 0, len(lead) - 1))
    before, here, after = _around(lead, best, np.array([-1, 0, 1])).T
    curvature = before - 2 * here + after
    fraction = np.zeros(len(best))
    is_extremum = (here - before) * (here - after) > 0
    np.divide(0.5 * (before - after), curvature, out=fraction, where=is_extremum)
    return best + fraction


def _around(lead: FloatArray, centre: IntArray, offsets: IntArray) -> Float64Array:
    """Return the (n, n_offsets) values around samples; the ends hold."""
    return np.asarray(lead[np.clip(centre[:, None] + offsets, 0, len(lead) - 1)], dtype=np.float64)


def _sleepecg(lead: FloatArray, fs: float) -> IntArray:
    from sleepecg.heartbeats import detect_heartbeats

    return np.asarray(detect_heartbeats(lead.astype(np.float64), fs), dtype=np.int64)


def _neurokit(lead: FloatArray, fs: float) -> IntArray:
    import neurokit2

    return np.asarray(neurokit2.ecg_peaks(lead, sampling_rate=round(fs))[1]["ECG_R_Peaks"], dtype=np.int64)


def _gqrs(lead: FloatArray, fs: float) -> IntArray:
    import wfdb.processing

    return np.asarray(wfdb.processing.gqrs_detect(sig=lead.astype(np.float64), fs=fs), dtype=np.int64)


def _xqrs(lead: FloatArray, fs: float) -> IntArray:
    import wfdb.processing

    return np.asarray(wfdb.processing.xqrs_detect(lead.astype(np.float64), fs, verbose=False), dtype=np.int64)


EXTERNAL: dict[str, Callable[[FloatArray, float], IntArray]] = {
    "sleepecg": _sleepecg,
    "neurokit": _neurokit,
    "gqrs": _gqrs,
    "xqrs": _xqrs,
}
