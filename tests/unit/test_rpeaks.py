from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from beatlens.signals.detection import qrs_sequence
from beatlens.signals.detection.r_peaks import clearest_lead, detect, refine
from beatlens.signals.settings.rpeaks import DETECTORS, RPeakSettings

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
SETTINGS = RPeakSettings(**CONFIG["rpeaks"])
FS = 200.0


def ecg(r_times: np.ndarray, seconds: float, wide: frozenset[int] = frozenset(), fs: float = FS) -> np.ndarray:
    """P, QRS and T waves at times in seconds; the beats `wide` are broad, early-peaked downwards and without P."""
    time = np.arange(round(seconds * fs)) / fs
    signal = np.zeros_like(time)

    def add(centre: float, width: float, height: float) -> None:
        near = slice(max(round((centre - 1) * fs), 0), max(round((centre + 1) * fs), 0))
        signal[near] += height * np.exp(-(((time[near] - centre) / width) ** 2))

    for k, r in enumerate(r_times):
        if k in wide:
            add(r, 0.05, -1.6)
            add(r + 0.26, 0.08, 0.6)
        else:
            add(r - 0.16, 0.025, 0.12)
            add(r - 0.03, 0.01, -0.12)
            add(r, 0.014, 1.1)
            add(r + 0.27, 0.05, 0.35)
    return signal.astype(np.float32)


def rhythm(seed: int, seconds: float, mean_rr: float = 0.8) -> np.ndarray:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.normal(mean_rr, 0.05 * mean_rr, round(1.5 * seconds / mean_rr)))
    return times[times < seconds - 0.3]


def assert_found(found: np.ndarray, times: np.ndarray, tolerance_s: float = 0.01, fs: float = FS) -> None:
    assert len(found) == len(times)
    assert np.abs(found / fs - times).max() <= tolerance_s


@pytest.mark.parametrize("mean_rr", [0.35, 0.5, 0.8, 1.4, 2.6])
def test_every_beat_is_found_at_its_peak_from_23_to_170_a_minute(mean_rr: float) -> None:
    times = rhythm(1, 120, mean_rr)
    rng = np.random.default_rng(0)
    signal = ecg(times, 120) + rng.normal(0, 0.02, 24_000).astype(np.float32)
    assert_found(detect(signal[None], FS, SETTINGS), times)


@pytest.mark.parametrize("fs", [100.0, 128.0, 360.0, 1000.0])
def test_any_rate(fs: float) -> None:
    times = rhythm(2, 40)
    assert_found(detect(ecg(times, 40, fs=fs)[None], fs, SETTINGS), times, tolerance_s=0.012, fs=fs)


def test_premature_wide_beats_and_pauses() -> None:
    regular = np.arange(0.5, 118, 0.8)
    times = regular.copy()
    early = frozenset(range(5, len(times), 7))
    times[list(early)] -= 0.3
    dropped = np.delete(times, [k for k in range(60, len(times), 20) if k not in early])
    wide = frozenset(np.flatnonzero(np.isin(dropped, times[list(early)])).tolist())
    assert_found(detect(ecg(dropped, 120, wide)[None], FS, SETTINGS), dropped)


def test_a_high_t_wave_is_not_a_beat() -> None:
    times = rhythm(3, 60)
    signal = ecg(times, 60)
    for r in times:
        time = np.arange(12_000) / FS
        signal += (1.0 * np.exp(-(((time - r - 0.3) / 0.06) ** 2))).astype(np.float32)
    assert_found(detect(signal[None], FS, SETTINGS), times)


def test_amplitude_changes_are_followed() -> None:
    times = rhythm(4, 600)
    signal = ecg(times, 600) * np.where(np.arange(120_000) < 60_000, 1, 0.25).astype(np.float32)
    found = detect(signal[None], FS, SETTINGS)
    assert abs(len(found) - len(times)) <= 2


def test_leads_stand_in_for_one_another() -> None:
    times = rhythm(5, 120)
    clean = ecg(times, 120)
    rng = np.random.default_rng(1)
    signal = np.stack([clean, 0.7 * clean])
    missing = np.zeros(signal.shape, dtype=bool)
    signal[0, 4000:9000] = 0
    missing[0, 4000:9000] = True
    signal[1, 14_000:19_000] += rng.normal(0, 1, 5000).astype(np.float32)
    found = detect(signal, FS, SETTINGS, missing)
    assert abs(len(found) - len(times)) <= 2
    assert np.abs(found[:, None] / FS - times[None]).min(axis=0).max() < 0.15


def test_nothing_is_found_where_there_is_nothing() -> None:
    times = rhythm(6, 60)
    signal = ecg(times, 60)[None].copy()
    missing = np.zeros(signal.shape, dtype=bool)
    signal[:, 4000:8000] = 0
    missing[:, 4000:8000] = True
    found = detect(signal, FS, SETTINGS, missing)
    assert not ((found > 4010) & (found < 7990)).any()
    assert len(found) == pytest.approx(((times < 20) | (times > 40)).sum(), abs=2)
    assert len(detect(np.zeros((2, 6000), dtype=np.float32), FS, SETTINGS)) == 0
    assert len(detect(signal[:, :50], FS, SETTINGS)) == 0


@pytest.mark.parametrize("seconds", [0.6, 1.0, 2.5])
def test_short_records(seconds: float) -> None:
    times = np.array([0.3])
    assert len(detect(ecg(times, seconds)[None], FS, SETTINGS)) <= 1


def test_edge_beats_are_found() -> None:
    times = np.arange(0.02, 30, 0.9)
    found = detect(ecg(times, 28.85)[None], FS, SETTINGS)
    assert found[0] / FS == pytest.approx(0.02, abs=0.02)
    assert found[-1] / FS == pytest.approx(28.82, abs=0.02)


@pytest.mark.parametrize("detector", [name for name in DETECTORS if name not in {"annotation"}])
@pytest.mark.filterwarnings("default")
def test_every_detector_speaks_the_same_interface(detector: str) -> None:
    times = rhythm(7, 60)
    settings = RPeakSettings(detector, SETTINGS.refine_s, SETTINGS.match_s)
    found = detect(np.stack([ecg(times, 60)] * 2), FS, settings)
    assert found.dtype == np.float64
    assert (np.diff(found) > 0).all()
    matched = np.abs(found[:, None] / FS - times[None]).min(axis=0) < 0.02
    assert matched.mean() > 0.9
    assert len(found) <= len(times) + 2


def test_annotations_are_a_detector_and_an_unknown_one_is_refused() -> None:
    settings = RPeakSettings("annotation", SETTINGS.refine_s, SETTINGS.match_s)
    given = np.array([100.5, 260.0])
    np.testing.assert_array_equal(detect(np.ones((1, 4000), dtype=np.float32), FS, settings, annotated=given), given)
    with pytest.raises(ValueError, match="no beat annotations"):
        detect(np.ones((1, 4000), dtype=np.float32), FS, settings)
    with pytest.raises(ValueError, match="pantompkins"):
        RPeakSettings("pantompkins", 0.05, 0.15)


def test_refinement_finds_the_fraction_of_a_sample_and_either_sign() -> None:
    times = np.array([1.0013, 2.0, 3.4992])
    time = np.arange(1000) / FS
    lead = sum(sign * np.exp(-(((time - t) / 0.02) ** 2)) for sign, t in zip((1, -1, 1), times, strict=True))
    found = refine(np.asarray(lead, dtype=np.float32), np.array([193, 405, 700]), FS, 0.08)
    np.testing.assert_allclose(found / FS, times, atol=5e-4)


def test_the_first_clear_lead_is_refined_on() -> None:
    clean = ecg(rhythm(8, 60), 60)
    noise = np.random.default_rng(2).normal(0, 0.3, len(clean)).astype(np.float32)
    assert clearest_lead(np.stack([clean, 2 * clean]), FS) == 0
    assert clearest_lead(np.stack([noise, clean]), FS) == 1


@pytest.mark.parametrize("seed", range(5))
def test_the_sequence_is_the_best_of_all_subsets(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 9
    time = np.sort(rng.uniform(0, 4, n)).tolist()
    score, rr = rng.normal(0.3, 1, n).tolist(), rng.uniform(0.5, 1, n).tolist()

    def value(chosen: tuple[int, ...]) -> float:
        total = sum(score[k] for k in chosen) - qrs_sequence.LONG_WEIGHT * max(time[chosen[0]] / rr[chosen[0]] - 1, 0)
        total -= qrs_sequence.LONG_WEIGHT * max((4 - time[chosen[-1]]) / rr[chosen[-1]] - 1, 0)
        for i, j in itertools.pairwise(chosen):
            step = time[j] - time[i]
            if step < qrs_sequence.REFRACTORY_S:
                return -np.inf
            ratio = step / rr[j]
            total -= qrs_sequence.LONG_WEIGHT * (ratio - 1) if ratio > 1 else -qrs_sequence.EARLY_WEIGHT * np.log(ratio)
            if step < qrs_sequence.SHORT_S:
                total -= (
                    qrs_sequence.SHORT_WEIGHT
                    * (qrs_sequence.SHORT_S - step)
                    / (qrs_sequence.SHORT_S - qrs_sequence.REFRACTORY_S)
                )
        return float(total)

    every = [c for size in range(1, n + 1) for c in itertools.combinations(range(n), size)]
    assert value(tuple(qrs_sequence.best_sequence(time, score, rr, 4.0))) == pytest.approx(max(map(value, every)))


def test_detectors_are_imported_only_when_used() -> None:
    late = {"neurokit2", "sleepecg", "wfdb", "torch"}
    code = f"import sys, beatlens.signals.detection.r_peaks; print(sorted({late!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
