"""Conditioning: a record in millivolts to a zero-phase band-passed signal at the model's rate, in millivolts."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from beatlens.core.record import RecordFault
from beatlens.signals.gaps import fill_gaps
from beatlens.signals.settings.signal import SignalSettings

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

MIN_FS, MAX_FS = 100.0, 4000.0
"""Rates of record files in Hz that are accepted. Below, a QRS can't be told from a T wave."""
_NYQUIST_SHARE = 0.9  # highest cut, as a share of the lower Nyquist frequency
_NOTCH_QUALITY = 30.0
_MAX_DENOMINATOR = 100_000  # of the resampling ratio, so that rates of up to five digits are exact
MANY, SAMPLE = 20_000, 2_000
"""A row of at least `MANY` values has its median found through a sample of `SAMPLE` of them."""
FILTER_TOGETHER = 1 << 18
"""Samples of leads that are filtered at once."""

FILTER_BLOCK = 1 << 18
"""Samples that are filtered at once."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BandPass:
    """Another conditioning than a run's: its rate and order are beyond what the section ``signal`` allows."""

    fs: float
    band_hz: tuple[float, float]
    order: int
    notch_hz: float | None = None


@dataclass(frozen=True)
class Conditioned:
    """A conditioned record.

    Attributes
    ----------
    signal
        (n_leads, n_samples) float32 mV at the model's rate, finite; zero in a lead without any finite sample.
    missing
        (n_leads, n_samples) bool, True where the recorder gave no value and the signal is interpolated.
    notes
        What was not done as configured, and why.
    """

    signal: FloatArray
    missing: BoolArray
    notes: tuple[str, ...]


def condition(signal: FloatArray, fs: float, settings: SignalSettings | BandPass) -> Conditioned:
    """Fill gaps, resample to ``settings.fs`` and band-pass with zero phase; amplitudes stay in millivolts.

    Polyphase resampling comes first. So one filter serves every corpus, whatever its rate, and no filter of a few Hz is
    designed at 4 kHz. Second-order sections keep the filter stable (a band-pass in b, a form diverges at 2 kHz). The
    high cut stays under the Nyquist frequencies of both rates. The ends are continued by reflection, so that there is
    no step where a record starts inside a QRS.

    Parameters
    ----------
    signal
        (n_leads, n_samples) mV at `fs`, NaN where there is no value.
    fs
        Rate of `signal` in Hz.
    settings
        Section ``signal`` of the configuration.

    Returns
    -------
    Conditioned
        With ceil(n_samples * settings.fs / fs) samples a lead.

    Raises
    ------
    RecordFault
        ``zero_length`` without samples, ``unknown_fs`` for a rate outside `MIN_FS`..`MAX_FS`.
    """
    if signal.ndim != 2 or signal.shape[1] == 0:
        raise RecordFault("zero_length", f"signal of shape {signal.shape}; expected (n_leads, n_samples) with samples")
    if not MIN_FS <= fs <= MAX_FS:
        raise RecordFault("unknown_fs", f"sampling rate {fs} Hz; expected {MIN_FS:g} to {MAX_FS:g} Hz")
    filled, missing = fill_gaps(signal)
    notes: list[str] = []
    sections = _sections(fs, settings, notes)
    for note in notes:
        logger.info("%s", note)
    mask = _resample_mask(missing, fs, settings.fs)
    del missing
    conditioned = np.empty(mask.shape, dtype=np.float32)
    for rows in at_once(filled):
        conditioned[rows] = _zero_phase(resample(filled[rows], fs, settings.fs), sections, settings)
    return Conditioned(conditioned, mask, tuple(notes))


def resample(signal: FloatArray, fs: float, target_fs: float) -> FloatArray:
    """Resample by a rational factor with a polyphase anti-aliasing filter.

    Parameters
    ----------
    signal
        (n_leads, n_samples), finite.
    fs, target_fs
        Rates in Hz, fractions allowed; their ratio is exact up to a denominator of `_MAX_DENOMINATOR`.

    Returns
    -------
    (n_leads, ceil(n_samples * target_fs / fs)) float32
    """
    from scipy.signal import resample_poly

    ratio = _ratio(fs, target_fs)
    if ratio == 1:
        return signal.astype(np.float32, copy=False)
    level = row_medians(signal)[:, None].astype(np.float32)
    centred = (signal - level).astype(np.float32, copy=False)
    resampled = resample_poly(centred, ratio.numerator, ratio.denominator, axis=1, padtype="symmetric")
    resampled += level
    return np.asarray(resampled, dtype=np.float32)


def row_medians(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the median of each row of finite values (n, m): exactly that of np.median, faster for long rows.

    Two quantiles of a sample bound a band around the median; only what lies in the band is partitioned.
    """
    n, m = values.shape
    if m < MANY:
        return np.asarray(np.median(values, axis=1))
    medians = np.empty(n, dtype=values.dtype)
    low, high = (m - 1) // 2, m // 2  # the middle one, or the middle two
    for k, row in enumerate(values):
        sample = np.sort(row[:: m // SAMPLE])
        bounds = sample[round(0.45 * len(sample))], sample[round(0.55 * len(sample))]
        below = np.count_nonzero(row < bounds[0])
        band = row[(row >= bounds[0]) & (row <= bounds[1])]
        if below <= low and high < below + len(band):
            medians[k] = np.partition(band, (low - below, high - below))[low - below : high - below + 1].mean()
        else:
            medians[k] = np.median(row)
    return medians


def highest_cut(fs: float, target_fs: float) -> float:
    """Return the highest cut in Hz that a filter can have between the rates `fs` and `target_fs`."""
    return _NYQUIST_SHARE * min(fs, target_fs) / 2


def _ratio(fs: float, target_fs: float) -> Fraction:
    return (Fraction(target_fs) / Fraction(fs)).limit_denominator(_MAX_DENOMINATOR)


def _resample_mask(missing: BoolArray, fs: float, target_fs: float) -> BoolArray:
    n_samples = missing.shape[1]
    ratio = _ratio(fs, target_fs)
    length = -(-n_samples * ratio.numerator // ratio.denominator)
    if not missing.any():
        return np.zeros((missing.shape[0], length), dtype=bool)
    nearest = np.rint(np.arange(length) * float(1 / ratio)).astype(np.int64)
    return missing[:, np.minimum(nearest, n_samples - 1)]


@lru_cache(maxsize=64)
def butterworth(order: int, cut_hz: float | tuple[float, float], fs: float) -> Float64Array:
    """Return the second-order sections of a Butterworth filter: a low-pass for one cut, a band-pass for two."""
    from scipy.signal import butter

    kind = "bandpass" if isinstance(cut_hz, tuple) else "lowpass"
    return np.asarray(butter(order, cut_hz, kind, fs=fs, output="sos"), dtype=np.float64)


def _sections(fs: float, settings: SignalSettings | BandPass, notes: list[str]) -> list[npt.NDArray[Any]]:
    """Design the filters at the model's rate; say in `notes` what the rates don't allow."""
    from scipy import signal as scipy_signal

    limit = highest_cut(fs, settings.fs)
    low, high = settings.band_hz
    if high > limit:
        notes.append(
            f"high cut lowered from {high:g} to {limit:g} Hz, since the rates are {fs:g} and {settings.fs:g} Hz"
        )
        high = limit
    sections = [butterworth(settings.order, (low, high), settings.fs)]
    if settings.notch_hz is not None:
        if settings.notch_hz > limit:
            notes.append(
                f"notch at {settings.notch_hz:g} Hz skipped, since the rates of {fs:g} and {settings.fs:g} Hz "
                f"hold nothing above {limit:g} Hz"
            )
        else:
            notch = scipy_signal.iirnotch(settings.notch_hz, _NOTCH_QUALITY, fs=settings.fs)
            sections.append(scipy_signal.tf2sos(*notch))
    return sections


def _zero_phase(
    leads: FloatArray, sections: list[npt.NDArray[Any]], settings: SignalSettings | BandPass
) -> Float64Array:
    # Long enough for the high-pass to settle. A short record has fewer samples to reflect.
    padding = min(leads.shape[1] - 1, round(2 * settings.fs / settings.band_hz[0]))
    level = np.array([[lead.mean(dtype=np.float64)] for lead in leads])
    return filter_both_ways(leads, np.concatenate(sections), padding, level)


def at_once(leads: npt.NDArray[Any]) -> list[slice]:
    """Return the rows of leads (n, n_samples) that are filtered together: all of a short record, each of a long one.

    A day of a lead in float64 is large, and a call for each lead of ten seconds takes longer than its samples.
    """
    step = max(1, FILTER_TOGETHER // max(leads.shape[1], 1))
    return [slice(first, first + step) for first in range(0, len(leads), step)]


@lru_cache(maxsize=64)
def _settled(sections: bytes, n_sections: int) -> Float64Array:
    """Return the state (n_sections, 2) of filters that have settled to a constant input of 1."""
    from scipy.signal import sosfilt_zi

    return np.asarray(sosfilt_zi(np.frombuffer(sections).reshape(n_sections, 6)), dtype=np.float64)


def filter_both_ways(
    leads: npt.NDArray[Any], sections: npt.NDArray[Any], padding: int, level: float | npt.NDArray[np.float64] = 0.0
) -> Float64Array:
    """Filter forwards and backwards: bit for bit ``scipy.signal.sosfiltfilt`` with ``padtype="even"``, in place.

    Parameters
    ----------
    leads
        (..., n) samples.
    sections
        (n_sections, 6) second-order sections.
    padding
        Samples by which each end is continued by reflection, below n.
    level
        What is taken off first, one for all or (..., 1).

    Returns
    -------
    (..., n) float64
    """
    from scipy.signal import sosfilt

    n = leads.shape[-1]
    padded = np.empty((*leads.shape[:-1], n + 2 * padding))
    whole = padded[..., padding : padding + n]
    np.subtract(leads, level, out=whole, dtype=np.float64)
    if padding:
        padded[..., :padding] = whole[..., padding:0:-1]
        padded[..., padding + n :] = whole[..., n - 1 - padding : n - 1][..., ::-1]
    sections = np.ascontiguousarray(sections, dtype=np.float64)
    settled = _settled(sections.tobytes(), len(sections))
    settled = settled.reshape(len(sections), *[1] * (leads.ndim - 1), 2)
    for way in (padded, padded[..., ::-1]):
        state = settled * way[None, ..., :1]
        for start in range(0, way.shape[-1], FILTER_BLOCK):
            block = slice(start, start + FILTER_BLOCK)
            way[..., block], state = sosfilt(sections, way[..., block], zi=state)
    return whole
