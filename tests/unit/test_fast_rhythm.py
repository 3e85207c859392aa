from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import yaml

from beatlens.beats.matching import match_beats
from beatlens.signals.detection.fast_rhythm import fast_runs
from beatlens.signals.detection.local_period import local_periods
from beatlens.signals.detection.r_peaks import clearest_lead, detect
from beatlens.signals.settings.rpeaks import RPeakSettings

ROOT = Path(__file__).parents[2]
SETTINGS = RPeakSettings(**yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))["rpeaks"])
FS = 200.0
NONE_KNOWN = np.zeros(0, dtype=np.int64)
BUMPS = {  # height, centre and width of Gaussians, in mV and s
    "narrow": ((1.1, 0.0, 0.012), (-0.2, 0.03, 0.012), (0.3, 0.15, 0.03)),
    "wide": ((1.2, 0.0, 0.03), (-0.5, 0.08, 0.04)),
    "wider": ((1.2, 0.0, 0.042), (-0.5, 0.11, 0.05)),
    "qs": ((-1.2, 0.0, 0.03), (0.5, 0.11, 0.03)),
    "rs": ((1.0, 0.0, 0.024), (-0.9, 0.057, 0.027)),
}


def wave(times: npt.NDArray[np.float64], shape: str, seconds: float) -> npt.NDArray[np.float32]:
    time = np.arange(round(seconds * FS)) / FS
    signal = np.zeros_like(time)
    for r in times:
        for height, centre, width in BUMPS[shape]:
            signal += height * np.exp(-0.5 * ((time - r - centre) / width) ** 2)
    return (signal - signal.mean()).astype(np.float32)


def steady(rate: float, start: float, stop: float, seed: int = 0) -> npt.NDArray[np.float64]:
    rr = 60 / rate * (1 + 0.02 * np.random.default_rng(seed).normal(size=round(1.2 * (stop - start) * rate / 60)))
    times = start + np.cumsum(rr)
    return times[times < stop]


def recall_and_precision(found: npt.NDArray[np.float64], times: npt.NDArray[np.float64]) -> tuple[float, float]:
    of_found, of_beats = match_beats(found / FS, times, 0.05)
    return float((of_beats >= 0).mean()), float((of_found >= 0).mean())


@pytest.mark.parametrize("shape", BUMPS)
@pytest.mark.parametrize("rate", [150, 190, 230, 280])
@pytest.mark.parametrize("within_sinus", [True, False])
def test_every_beat_of_a_fast_rhythm_is_found(shape: str, rate: float, within_sinus: bool) -> None:
    fast = steady(rate, 20.0 if within_sinus else 0.0, 26.0 if within_sinus else 12.0)
    around = np.concatenate([np.arange(0.5, 19.8, 0.8), np.arange(fast[-1] + 0.9, 45, 0.8)]) if within_sinus else []
    seconds = 45.0 if within_sinus else 12.2
    signal = wave(fast, shape, seconds) + wave(np.array(around), "narrow", seconds)
    signal += np.random.default_rng(1).normal(0, 0.03, len(signal)).astype(np.float32)
    found = detect(np.stack([signal, -0.7 * signal]), FS, SETTINGS)
    recall, precision = recall_and_precision(found, np.sort(np.concatenate([fast, around])))
    assert recall >= 0.98
    assert precision >= 0.98


@pytest.mark.parametrize("shape", ["narrow", "wide", "wider", "qs"])
def test_noise_of_6_db_hides_none_of_a_long_run(shape: str) -> None:
    times = steady(210, 0, 30)
    signal = wave(times, shape, 30.2)
    noise = np.convolve(np.random.default_rng(2).normal(0, 1, len(signal)), np.ones(5) / 5, mode="same")
    signal += (noise * np.sqrt(np.ptp(signal) ** 2 / 8 / 4 / np.mean(noise**2))).astype(np.float32)
    recall, precision = recall_and_precision(detect(signal[None], FS, SETTINGS), times)
    assert recall >= 0.98
    assert precision >= 0.98


def test_flutter_waves_that_change_are_no_beats() -> None:
    """A rounded wave at 190 a minute whose shape and size wander, as in record 207."""
    rng = np.random.default_rng(3)
    n = round(20 * FS)
    drift = [np.convolve(rng.normal(0, 1, n + 400), np.hanning(200) / 12, mode="same")[200:-200] for _ in range(4)]
    phase = 2 * np.pi * np.cumsum(3.2 + 0.2 * drift[0]) / FS
    signal = (0.7 + 0.3 * drift[1]) * np.sin(phase) + 0.35 * drift[2] * np.sin(2 * phase + drift[3])
    runs = fast_runs(signal[None].astype(np.float32), FS, 0, NONE_KNOWN)
    assert runs
    assert not any(run.organised for run in runs)
    assert len(detect(signal[None].astype(np.float32), FS, SETTINGS)) <= 10  # of 64 waves


@pytest.mark.parametrize("kind", ["white", "hum", "t_waves"])
def test_nothing_fast_where_nothing_is(kind: str) -> None:
    rng = np.random.default_rng(4)
    n = round(120 * FS)
    signal = rng.normal(0, 0.02, n)
    times = np.arange(0.5, 119.5, 0.86)
    if kind == "hum":
        signal += 0.3 * np.sin(2 * np.pi * 50 * np.arange(n) / FS) + 0.2 * np.sin(2 * np.pi * 10 * np.arange(n) / FS)
    if kind == "t_waves":  # as high as R, .3 s later
        signal += wave(times, "narrow", 120) + 0.9 * wave(times + 0.3, "wide", 120)
    assert [run for run in fast_runs(signal[None].astype(np.float32), FS, 0, NONE_KNOWN) if run.organised] == []


def test_the_period_is_that_of_the_beats_between_samples() -> None:
    for rate in (150.0, 213.0, 280.0):
        series = np.interp(
            np.arange(0, 20, 0.02), np.arange(0, 20, 1 / FS), wave(np.arange(0, 20, 60 / rate), "wide", 20)
        )
        centre, correlation, period_s = local_periods(series[None].astype(np.float32), 50.0, np.ones(32, dtype=bool))
        inner = (centre > 100) & (centre < 900)
        assert inner.any()
        np.testing.assert_allclose(period_s[inner], 60 / rate, atol=0.002)
        assert correlation[inner].min() > 0.95


def test_a_pause_leaves_the_reference_lead_and_all_r_peaks_where_they_were() -> None:
    """Lead II and a V1 whose S is deep: with a pause of 12 s all R peaks once moved to the S of V1."""
    times = np.arange(0.5, 59, 0.8)
    time = np.arange(round(60 * FS)) / FS

    def leads(beats: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        signal = np.zeros((2, len(time)))
        for r in beats:
            for lead, bumps in enumerate((((0.12, -0.17, 0.022), (1.2, 0, 0.011), (0.3, 0.27, 0.045)),
                                          ((0.25, 0, 0.011), (-0.9, 0.028, 0.01)))):  # fmt: skip
                for height, centre, width in bumps:
                    signal[lead] += height * np.exp(-0.5 * ((time - r - centre) / width) ** 2)
        return (signal + np.random.default_rng(5).normal(0, 0.01, signal.shape)).astype(np.float32)

    kept = times[(times < 20) | (times > 32)]
    with_pause = leads(kept)
    assert clearest_lead(with_pause, FS) == clearest_lead(leads(times), FS) == 0
    found = detect(with_pause, FS, SETTINGS) / FS
    np.testing.assert_allclose(found, kept, atol=0.008)
