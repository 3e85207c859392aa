"""Noise at a known signal-to-noise ratio, added to beats after conditioning.

The ratio is that of the MIT-BIH Noise Stress Test Database (Moody et al. 1984): signal power is the squared
peak-to-peak amplitude of the QRS complex, divided by 8; noise power is the mean square of what is added. Both are taken
after conditioning, since the filter removes most of the baseline wander. Noise sources go through the same filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beatlens.core.seeds import derive_seed
from beatlens.shards.shard import BeatGeometry, Shard

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

QRS_HALF_S = 0.06
SYNTHETIC_S = 300.0
PARTS = ("train", "test")
BURST_BEATS = 6.0
"""Mean length of a stretch of added noise."""
PARTIAL_SHARE = 0.25
"""Share of noise bursts that leave some leads clean. The gate learns nothing from these."""


@dataclass(frozen=True)
class NoiseSource:
    """A conditioned noise recording.

    Attributes
    ----------
    name
        Record name (``em``, ``ma``, ``bw``) or kind of made noise.
    signal
        (n_channels, n_samples) float32 mV at the model's rate.
    """

    name: str
    signal: FloatArray


@dataclass(frozen=True)
class NoiseSettings:
    """How noise is added in training (part of the section ``training``).

    Attributes
    ----------
    fraction
        Share of beats that get noise.
    snr_db
        Lowest and highest ratio.
    noisy_below_db, clean_above_db
        A beat below the first ratio is noise for the gate, one from the second on is clean. Between them its label is
        unknown.
    """

    fraction: float
    snr_db: tuple[float, float]
    noisy_below_db: float
    clean_above_db: float


def noise_sources(
    shards: Sequence[Shard], part: str, fs: float, band_hz: tuple[float, float], seed: int
) -> list[NoiseSource]:
    """Return the noise records of a corpus, or made noise where there are none.

    Parameters
    ----------
    shards
        All shards; records of role ``noise`` are used.
    part
        ``train`` for the first half of each record, ``test`` for the second.
    fs, band_hz
        Rate in Hz and pass band of the conditioning, for made noise.
    seed
        Of made noise.
    """
    if part not in PARTS:
        raise ValueError(f"part of the noise: {part!r}; expected one of {PARTS}")
    found = []
    for shard in shards:
        table = shard.records
        for row in table[table["role"] == "noise"].itertuples(index=False):
            signal = shard.signal(row.corpus, row.record)
            half = signal.shape[1] // 2
            kept = np.array(signal[:, :half] if part == "train" else signal[:, half:])
            found.append((row.corpus, row.record, kept))
    if found:
        return [NoiseSource(record, signal) for _, record, signal in sorted(found, key=lambda entry: entry[:2])]
    return [
        synthetic_noise(kind, fs, band_hz, SYNTHETIC_S, np.random.default_rng(derive_seed(seed, "noise", part, kind)))
        for kind in ("muscle", "electrode", "wander")
    ]


def synthetic_noise(
    kind: str, fs: float, band_hz: tuple[float, float], seconds: float, rng: np.random.Generator
) -> NoiseSource:
    """Make two channels of coloured noise inside the pass band, with a loudness that varies over seconds.

    Parameters
    ----------
    kind
        ``muscle`` (flat spectrum), ``electrode`` (1/f spectrum with steps that decay) or ``wander`` (below 1.5 Hz).
    fs, band_hz, seconds
        Rate in Hz, pass band and length.
    rng
        Source of randomness.
    """
    n = round(seconds * fs)
    frequency = np.fft.rfftfreq(n, 1 / fs)
    low, high = band_hz
    inside = (frequency >= low) & (frequency <= high)
    if kind == "muscle":
        shape = np.where(inside, 1.0, 0.0)
    elif kind == "electrode":
        shape = np.where(inside, 1.0 / np.maximum(frequency, low), 0.0)
    elif kind == "wander":
        shape = np.where((frequency >= low / 2) & (frequency <= max(1.5, 2 * low)), 1.0, 0.0)
    else:
        raise ValueError(f"kind of noise: {kind!r}; expected muscle, electrode or wander")
    white = rng.standard_normal((2, n))
    if kind == "electrode":
        steps = np.where(rng.random((2, n)) < 1.0 / fs, rng.standard_normal((2, n)) * 8.0 * np.sqrt(fs), 0.0)
        white = white + steps
    noise = np.fft.irfft(np.fft.rfft(white, axis=1) * shape, n, axis=1)
    slow = np.fft.irfft(np.fft.rfft(rng.standard_normal((2, n)), axis=1) * (frequency < 0.2), n, axis=1)
    noise *= np.exp(0.5 * slow / slow.std(axis=1, keepdims=True))
    noise *= 0.3 / np.sqrt(np.mean(noise**2, axis=1, keepdims=True))
    return NoiseSource(kind, noise.astype(np.float32))


def qrs_amplitude(waves: FloatArray, geometry: BeatGeometry) -> FloatArray:
    """Return the (L,) median peak-to-peak amplitude of the QRS complexes of waves (n, L, T)."""
    half = round(QRS_HALF_S * geometry.fs)
    qrs = waves[:, :, max(geometry.before - half, 0) : geometry.before + half + 1]
    amplitude: FloatArray = np.median(np.ptp(qrs, axis=2), axis=0).astype(np.float32)
    return amplitude


def noise_windows(
    source: NoiseSource, r_index: IntArray, n_leads: int, geometry: BeatGeometry, rng: np.random.Generator
) -> FloatArray:
    """Cut noise as one continuous stretch under neighbouring beats, from a random place and channel for each lead.

    Parameters
    ----------
    source
        Noise.
    r_index
        (n,) R samples of the beats, ascending.
    n_leads
        Leads to make noise for.
    geometry
        Extent of a beat.
    rng
        Source of randomness.

    Returns
    -------
    (n, n_leads, T) float32 mV
    """
    channels, length = source.signal.shape
    channel = (rng.integers(channels) + np.arange(n_leads)) % channels
    start = rng.integers(length, size=n_leads)
    offset = (r_index - r_index[0])[:, None] + np.arange(geometry.length)
    index = (start[None, :, None] + offset[:, None, :]) % length
    windows: FloatArray = source.signal[channel[None, :, None], index]
    return windows


def add_noise(
    waves: FloatArray, noise: FloatArray, amplitude: FloatArray, snr_db: float
) -> tuple[FloatArray, npt.NDArray[np.float64]]:
    """Add noise to a run of beats, at a given ratio over the run, lead by lead.

    Parameters
    ----------
    waves, noise
        (n, L, T), the noise in any unit.
    amplitude
        (L,) peak-to-peak QRS amplitude of the record in the unit of `waves`; a lead of amplitude 0 stays as it is.
    snr_db
        Ratio over the run, in dB.

    Returns
    -------
    noisy waves (n, L, T), and the ratio of each beat in dB (n,): noise power over signal power, averaged over its leads
    """
    signal_power = amplitude.astype(np.float64) ** 2 / 8.0
    noise_power = np.mean(noise.astype(np.float64) ** 2, axis=(0, 2))
    usable = (signal_power > 0) & (noise_power > 0)
    gain = np.zeros(len(amplitude))
    gain[usable] = np.sqrt(signal_power[usable] / noise_power[usable] / 10.0 ** (snr_db / 10.0))
    added = noise * gain[:, None].astype(np.float32)
    if not usable.any():
        return waves.copy(), np.full(len(waves), np.inf)
    ratio = np.mean(added[:, usable].astype(np.float64) ** 2, axis=2) / signal_power[usable]
    return waves + added, -10.0 * np.log10(np.maximum(ratio.mean(axis=1), 1e-12))


def add_bursts(
    waves: FloatArray,
    r_index: IntArray,
    amplitude: FloatArray,
    *,
    geometry: BeatGeometry,
    noise: Sequence[NoiseSource],
    settings: NoiseSettings,
    rng: np.random.Generator,
) -> tuple[FloatArray, npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Add bursts of noise to a run of beats.

    Parameters
    ----------
    waves, r_index, amplitude
        (n, L, T), (n,) and (L,) of the run.
    geometry, noise, settings
        Extent of a beat, noise sources and how noise is added.
    rng
        Source of randomness.

    Returns
    -------
    waves (n, L, T); ratio of each beat in dB (n,), infinite without noise; whether the noise, if any, is in all leads
    (n,)
    """
    n, n_leads = len(waves), waves.shape[1]
    result = waves.copy()
    snr, whole = np.full(n, np.inf), np.ones(n, dtype=bool)
    # A two-state chain: bursts last BURST_BEATS beats on average, and the wanted share of all beats is in bursts.
    leave = 1.0 / BURST_BEATS
    enter = leave * settings.fraction / (1.0 - settings.fraction)
    draws = rng.random(n)
    inside = np.zeros(n, dtype=bool)
    state = rng.random() < settings.fraction
    for i in range(n):
        inside[i] = state
        state = draws[i] >= leave if state else draws[i] < enter
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]])))
    for low, high in zip(edges[::2], edges[1::2], strict=True):
        source = noise[int(rng.integers(len(noise)))]
        added = noise_windows(source, r_index[low:high], n_leads, geometry, rng)
        ratio = float(rng.uniform(*settings.snr_db))
        size = amplitude
        if n_leads > 1 and rng.random() < PARTIAL_SHARE:
            size = np.where(rng.permutation(n_leads) < int(rng.integers(1, n_leads)), amplitude, np.float32(0.0))
            whole[low:high] = False
        result[low:high], snr[low:high] = add_noise(waves[low:high], added, size, ratio)
    return result, snr, whole
