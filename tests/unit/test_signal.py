from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from beatlens.core.record import RecordFault
from beatlens.signals.conditioning import MANY, condition, filter_both_ways, resample, row_medians
from beatlens.signals.gaps import fill_gaps
from beatlens.signals.settings.signal import SignalSettings

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text(encoding="utf-8"))
SETTINGS = SignalSettings(**CONFIG["signal"])


def tone(hz: float, fs: float, seconds: float = 20.0, amplitude: float = 1.0) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(round(seconds * fs)) / fs)).astype(np.float32)[None]


@pytest.mark.parametrize("fs", [100.0, 128.0, 250.0, 257.3, 360.0, 500.0, 1000.0, 2000.0, 4000.0])
def test_a_tone_in_the_band_keeps_amplitude_and_phase_at_any_rate(fs: float) -> None:
    result = condition(tone(10, fs, amplitude=1.5), fs, SETTINGS).signal
    expected = tone(10, SETTINGS.fs, amplitude=1.5)
    inner = slice(600, 3400)
    assert result.shape[1] == pytest.approx(expected.shape[1], abs=1)
    np.testing.assert_allclose(result[:, inner], expected[:, inner], atol=0.02)


@pytest.mark.parametrize(("hz", "largest"), [(0.05, 0.01), (60.0, 0.2), (90.0, 0.01)])
def test_what_lies_outside_the_band_is_damped(hz: float, largest: float) -> None:
    result = condition(tone(hz, 2000, seconds=60), 2000, SETTINGS).signal[:, 2000:-2000]
    assert np.abs(result).max() < largest


def test_the_filter_is_the_textbook_one() -> None:
    """At the model's rate, away from the ends, the result equals the squared Butterworth response at each frequency."""
    from scipy.signal import butter, sosfreqz

    sections = butter(SETTINGS.order, SETTINGS.band_hz, "bandpass", fs=SETTINGS.fs, output="sos")
    for hz in (0.5, 1.0, 5.0, 30.0, 45.0):
        gain = abs(sosfreqz(sections, [hz], fs=SETTINGS.fs)[1][0]) ** 2
        result = condition(tone(hz, SETTINGS.fs, seconds=120), SETTINGS.fs, SETTINGS).signal[0, 8000:16000]
        assert np.sqrt(2 * np.mean(result**2)) == pytest.approx(gain, abs=0.01)


def test_amplitude_is_kept_and_offset_removed() -> None:
    small = condition(tone(10, 360), 360, SETTINGS).signal
    large = condition(3 * tone(10, 360) + np.float32(50), 360, SETTINGS).signal
    np.testing.assert_allclose(large[:, 600:3400], 3 * small[:, 600:3400], atol=1e-3)
    assert np.abs(large).max() < 3.2  # no transient of the offset at the ends


def test_leads_do_not_mix_and_gaps_are_marked() -> None:
    signal = np.concatenate([tone(10, 360), tone(3, 360)])
    broken = signal.copy()
    broken[1, 3600:3780] = np.nan
    whole, holed = condition(signal, 360, SETTINGS), condition(broken, 360, SETTINGS)
    np.testing.assert_array_equal(whole.signal[0], holed.signal[0])
    assert not holed.missing[0].any()
    assert np.flatnonzero(holed.missing[1])[[0, -1]] == pytest.approx([2000, 2100], abs=1)
    assert np.isfinite(holed.signal).all()


def test_gap_filling_interpolates_and_holds_the_ends() -> None:
    signal = np.array([[np.nan, 1, np.nan, 3, np.inf], [np.nan] * 5, [1, 2, 3, 4, 5]], dtype=np.float32)
    filled, missing = fill_gaps(signal)
    np.testing.assert_array_equal(filled, [[1, 1, 2, 3, 3], [0] * 5, [1, 2, 3, 4, 5]])
    np.testing.assert_array_equal(missing.sum(axis=1), [3, 5, 0])
    assert np.isnan(signal[0, 0])  # the input isn't touched


@pytest.mark.parametrize("n_samples", [1, 2, 5, 37, 200])
def test_short_records_come_through(n_samples: int) -> None:
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(2, n_samples)).astype(np.float32)
    result = condition(signal, 360, SETTINGS)
    assert result.signal.shape == result.missing.shape == (2, -(-n_samples * 5 // 9))
    assert result.signal.dtype == np.float32
    assert np.isfinite(result.signal).all()


def test_a_notch_removes_the_mains_or_says_why_not() -> None:
    settings = SignalSettings(**(CONFIG["signal"] | {"notch_hz": 40.0}))
    mains = tone(40, 360, seconds=40) + tone(10, 360, seconds=40)
    kept = condition(mains, 360, SETTINGS).signal[:, 2000:6000]
    removed = condition(mains, 360, settings).signal[:, 2000:6000]
    assert np.std(kept) > 1.1 * np.std(tone(10, 200))
    np.testing.assert_allclose(removed, tone(10, 200, seconds=40)[:, 2000:6000], atol=0.03)
    skipped = condition(tone(10, 100), 100, SignalSettings(**(CONFIG["signal"] | {"notch_hz": 60.0})))
    assert any("notch at 60 Hz skipped" in note for note in skipped.notes)


def test_resampling_keeps_the_time_of_a_peak() -> None:
    fs, at_s = 257.0, 7.321
    time = np.arange(round(20 * fs)) / fs
    pulse = np.exp(-(((time - at_s) / 0.02) ** 2)).astype(np.float32)[None]
    result = resample(pulse, fs, 200.0)
    assert result.argmax() / 200.0 == pytest.approx(at_s, abs=0.003)
    assert result.max() == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(("fs", "shape", "reason"), [(50.0, (1, 500), "unknown_fs"), (360.0, (2, 0), "zero_length")])
def test_what_cannot_be_conditioned_is_a_fault(fs: float, shape: tuple[int, int], reason: str) -> None:
    with pytest.raises(RecordFault) as caught:
        condition(np.zeros(shape, dtype=np.float32), fs, SETTINGS)
    assert caught.value.reason == reason


@pytest.mark.parametrize("change", [{"band_hz": [45, 0.5]}, {"band_hz": [0, 40]}, {"fs": 0}, {"order": 0}])
def test_impossible_settings_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="signal"):
        SignalSettings(**(CONFIG["signal"] | change))


@pytest.mark.parametrize("length", [5, MANY, 3 * MANY + 1])
def test_medians_of_long_rows_are_those_of_numpy(length: int) -> None:
    rng = np.random.default_rng(0)
    rows = np.stack(
        [
            rng.normal(size=length),
            np.sort(rng.normal(size=length)),
            rng.integers(0, 3, length),  # many ties
            np.where(
                np.arange(length) % (length // 2_000 or 1) == 0, 5.0, rng.normal(size=length)
            ),  # misleads the sample
            np.zeros(length),
        ]
    ).astype(np.float32)
    found = row_medians(rows)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.median(rows, axis=1))


@pytest.mark.parametrize(("n", "padding", "level"), [(1, 0, 0.5), (7, 6, 0.0), (1000, 80, 0.5), (700, 0, -1.0)])
def test_filtering_in_blocks_is_scipys_to_the_last_bit(
    n: int, padding: int, level: float, resize: Callable[[str, object], None]
) -> None:
    from scipy.signal import butter, sosfiltfilt

    resize("FILTER_BLOCK", 64)
    lead = np.random.default_rng(0).normal(size=n).astype(np.float32)
    sections = butter(3, (0.5, 45), "bandpass", fs=200, output="sos")
    expected = sosfiltfilt(sections, lead.astype(np.float64) - level, padtype="even", padlen=padding)
    np.testing.assert_array_equal(filter_both_ways(lead, sections, padding, level), expected)
    leads = np.stack([lead, -3 * lead])
    np.testing.assert_array_equal(filter_both_ways(leads, sections, padding, np.array([[level], [0.0]]))[0], expected)


def test_leads_are_conditioned_each_by_itself() -> None:
    signal = np.random.default_rng(1).normal(size=(3, 5000)).astype(np.float32)
    signal[1, 100:200] = np.nan
    together = condition(signal, 360, SETTINGS)
    alone = [condition(lead[None], 360, SETTINGS) for lead in signal]
    np.testing.assert_array_equal(together.signal, np.concatenate([one.signal for one in alone]))
    np.testing.assert_array_equal(together.missing, np.concatenate([one.missing for one in alone]))
