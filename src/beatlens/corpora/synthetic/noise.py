"""What the recorder adds: baseline wander, mains, muscle and, in stretches, noise that hides beats."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
RAMP_S = 0.3


@dataclass(frozen=True)
class NoiseStretch:
    """A stretch of strong noise, in all leads: first sample, end (exclusive)."""

    start: int
    end: int


@cache
def _filter(kind: str, low: float, high: float, fs: float) -> Array:
    from scipy import signal as dsp

    edges = [low, high] if kind == "bandpass" else low
    return np.asarray(dsp.butter(2, edges, kind, fs=fs, output="sos"))


def _coloured(
    rng: np.random.Generator, shape: tuple[int, int], *, kind: str, low: float, high: float, fs: float
) -> Array:
    """Gaussian noise of unit variance in a band; a second is made and dropped so that the filter has settled."""
    from scipy import signal as dsp

    settle = round(2 * fs)
    white = rng.standard_normal((shape[0], shape[1] + settle))
    shaped = dsp.sosfilt(_filter(kind, low, high, fs), white, axis=1)[:, settle:]
    return np.asarray(shaped / np.maximum(shaped.std(axis=1, keepdims=True), 1e-12))


def background(rng: np.random.Generator, n_leads: int, n_samples: int, fs: float, mains_hz: float) -> Array:
    """Return (n_leads, n_samples) mV of the noise every record has.

    Breathing and drift of the baseline (0.03 to 0.5 Hz, 0.04 to 0.15 mV rms), mains hum with its third
    harmonic below the Nyquist rate (up to 0.02 mV) and muscle noise (20 Hz up, 0.006 to 0.025 mV rms).
    """
    time = np.arange(n_samples) / fs
    shape = (n_leads, n_samples)
    wander = np.zeros(shape)
    for frequency in rng.uniform(0.03, 0.5, 6):
        wander += rng.standard_normal((n_leads, 1)) * np.sin(2 * np.pi * frequency * time + rng.uniform(0, 6.28))
    wander *= rng.uniform(0.04, 0.15) / np.sqrt(3)
    hum = np.sin(2 * np.pi * mains_hz * time + rng.uniform(0, 6.28))
    if 3 * mains_hz < fs / 2:
        hum += 0.2 * np.sin(2 * np.pi * 3 * mains_hz * time + rng.uniform(0, 6.28))
    mains = rng.uniform(0.001, 0.020) * rng.uniform(0.4, 1.0, (n_leads, 1)) * hum
    muscle = rng.uniform(0.006, 0.025) * _coloured(rng, shape, kind="highpass", low=20, high=0, fs=fs)
    return np.asarray(wander + mains + muscle)


def draw_stretches(rng: np.random.Generator, n_samples: int, fs: float) -> list[NoiseStretch]:
    """Draw one stretch of 5 to 10 s a minute, apart from each other and from the ends of the record."""
    n_slots = max(1, round(n_samples / fs / 60))
    edges = np.linspace(fs, n_samples - fs, n_slots + 1)
    stretches = []
    for begin, end in zip(edges[:-1], edges[1:], strict=True):
        length = min(rng.uniform(5, 10) * fs, 0.4 * (end - begin))
        start = rng.uniform(begin, end - length - fs)
        stretches.append(NoiseStretch(round(start), round(start + length)))
    return stretches


def stretch_noise(rng: np.random.Generator, stretches: list[NoiseStretch], n_leads: int, n: int, fs: float) -> Array:
    """Return (n_leads, n) mV: muscle or electrode-motion noise inside the stretches, faded in and out, else 0.

    Muscle noise fills 15 to 90 Hz at 0.25 to 0.6 mV rms, in bursts. Electrode motion fills 0.6 to 15 Hz, falling with
    frequency, at 0.5 to 1.0 mV rms: the band of the beats themselves, so that no filter removes it.
    """
    total = np.zeros((n_leads, n))
    for stretch in stretches:
        shape = (n_leads, stretch.end - stretch.start)
        if rng.random() < 0.4:
            bursts = 0.65 + 0.35 * np.sin(2 * np.pi * rng.uniform(0.3, 0.8) * np.arange(shape[1]) / fs)
            noise = rng.uniform(0.25, 0.6) * bursts * _coloured(rng, shape, kind="bandpass", low=15, high=90, fs=fs)
        else:
            noise = 0.85 * _coloured(rng, shape, kind="bandpass", low=0.6, high=2.5, fs=fs)
            noise += 0.50 * _coloured(rng, shape, kind="bandpass", low=2.5, high=15, fs=fs)
            noise += 0.10 * _coloured(rng, shape, kind="highpass", low=15, high=0, fs=fs)
            noise *= rng.uniform(0.5, 1.0)
        ramp = min(round(RAMP_S * fs), shape[1] // 2)
        fade = np.ones(shape[1])
        fade[:ramp] = np.sin(np.linspace(0, np.pi / 2, ramp)) ** 2
        fade[shape[1] - ramp :] = fade[:ramp][::-1]
        total[:, stretch.start : stretch.end] += rng.uniform(0.7, 1.0, (n_leads, 1)) * fade * noise
    return total
