"""R peaks: detectors behind one interface; the default combines the leads of a record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RPeakSettings:
    """Section ``rpeaks`` of the configuration.

    Attributes
    ----------
    detector
        One of `DETECTORS`.
    refine_s
        Half-width in seconds in which a detection moves to the main extremum of the QRS.
    match_s
        Largest distance in seconds between a detection and the annotation it matches.
    """

    detector: str
    refine_s: float
    match_s: float

    def __post_init__(self) -> None:
        if self.detector not in DETECTORS:
            raise ValueError(f"rpeaks.detector is {self.detector!r}; expected one of {list(DETECTORS)}")


DETECTORS = ("consensus", "sleepecg", "neurokit", "gqrs", "xqrs", "annotation")


def detect(
    signal: FloatArray,
    fs: float,
    settings: RPeakSettings,
    missing: BoolArray | None = None,
    annotated: IntArray | None = None,
) -> IntArray:
    """Return the R peaks of a record with the configured detector.

    Parameters
    ----------
    signal
        (n_leads, n_samples) conditioned mV, finite. `consensus` combines the leads, the others see the first lead
        that isn't flat.
    fs
        Rate in Hz.
    settings
        Section ``rpeaks`` of the configuration.
    missing
        (n_leads, n_samples) bool, where the signal is interpolated; nothing is detected where all leads are.
    annotated
        Annotated R peaks in samples of `signal`, for the detector ``annotation``.

    Returns
    -------
    (n_beats,) int64, strictly ascending samples of `signal`
    """
    if settings.detector == "annotation":
        if annotated is None:
            raise ValueError("rpeaks.detector is 'annotation', but the record has no beat annotations")
        return np.unique(annotated)
    present = np.ones(signal.shape, dtype=bool) if missing is None else ~missing
    usable = np.flatnonzero(np.ptp(signal, axis=1) > 0)
    if not len(usable) or signal.shape[1] < fs:
        return np.zeros(0, dtype=np.int64)
    if settings.detector == "consensus":
        peaks = _consensus(signal[usable], fs, settings.refine_s)
    else:
        peaks = _refine(signal[usable[:1]], EXTERNAL[settings.detector](signal[usable[0]], fs), fs, settings.refine_s)
    peaks = np.unique(np.clip(peaks, 0, signal.shape[1] - 1))
    return peaks[present[:, peaks].any(axis=0)]


def _consensus(signal: FloatArray, fs: float, refine_s: float) -> IntArray:
    from scipy.ndimage import median_filter, uniform_filter1d
    from scipy.signal import butter, find_peaks, sosfiltfilt

    sections = butter(2, (5, 20), "bandpass", fs=fs, output="sos")
    energy = np.zeros(signal.shape[1])
    for lead in signal:
        filtered = sosfiltfilt(sections, lead, padlen=min(len(lead) - 1, round(fs)))
        smooth = np.sqrt(uniform_filter1d(filtered**2, max(round(0.11 * fs), 1)))
        energy += smooth / max(float(np.percentile(smooth, 95)), 1e-6)
    block = round(1.5 * fs)
    n_blocks = -(-len(energy) // block)
    maxima = np.pad(energy, (0, n_blocks * block - len(energy)), mode="edge").reshape(n_blocks, block).max(axis=1)
    level = median_filter(maxima, min(9, n_blocks), mode="nearest")
    threshold = 0.35 * np.interp(np.arange(len(energy)), (np.arange(n_blocks) + 0.5) * block, level)
    peaks = find_peaks(energy, height=threshold, distance=max(round(0.25 * fs), 1))[0]
    return _refine(signal, peaks.astype(np.int64), fs, refine_s)


def _refine(signal: FloatArray, peaks: IntArray, fs: float, refine_s: float) -> IntArray:
    """Move each peak to the largest deflection of the first lead within `refine_s`."""
    if not len(peaks):
        return peaks
    offsets = np.arange(-round(refine_s * fs), round(refine_s * fs) + 1)
    index = np.clip(peaks[:, None] + offsets, 0, signal.shape[1] - 1)
    best = np.abs(signal[0][index]).argmax(axis=1)
    return index[np.arange(len(peaks)), best]


def _sleepecg(lead: FloatArray, fs: float) -> IntArray:
    import sleepecg

    return np.asarray(sleepecg.detect_heartbeats(lead.astype(np.float64), fs), dtype=np.int64)


def _neurokit(lead: FloatArray, fs: float) -> IntArray:
    import neurokit2

    return np.asarray(neurokit2.ecg_peaks(lead, sampling_rate=round(fs))[1]["ECG_R_Peaks"], dtype=np.int64)


def _gqrs(lead: FloatArray, fs: float) -> IntArray:
    import wfdb.processing

    return np.asarray(wfdb.processing.gqrs_detect(sig=lead.astype(np.float64), fs=fs), dtype=np.int64)


def _xqrs(lead: FloatArray, fs: float) -> IntArray:
    import wfdb.processing

    return np.asarray(wfdb.processing.xqrs_detect(lead.astype(np.float64), fs, verbose=False), dtype=np.int64)


EXTERNAL = {"sleepecg": _sleepecg, "neurokit": _neurokit, "gqrs": _gqrs, "xqrs": _xqrs}
