"""Noise at a known ratio."""

from __future__ import annotations

import numpy as np
import pytest

from beatlens.inputs.labelled_records import gate_labels
from beatlens.shards.shard import BeatGeometry, Shard
from beatlens.shards.writer import ShardWriter
from beatlens.signals.added_noise import (
    NoiseSettings,
    NoiseSource,
    add_bursts,
    add_noise,
    noise_sources,
    noise_windows,
    qrs_amplitude,
    synthetic_noise,
)

GEOMETRY = BeatGeometry(100.0, 25, 40)


@pytest.fixture
def rng():
    return np.random.default_rng(2)


def pulses(amplitudes, n=12):
    time = np.arange(-25, 40)
    return np.exp(-0.5 * (time / 2.0) ** 2)[None, None] * np.array(amplitudes)[None, :, None] * np.ones((n, 1, 1))


def test_noise_is_added_at_the_ratio_asked_for(rng):
    waves = pulses([1.0, 0.3]).astype(np.float32)
    amplitude = qrs_amplitude(waves, GEOMETRY)
    np.testing.assert_allclose(amplitude, [1.0, 0.3], rtol=0.02)
    noise = rng.normal(size=waves.shape).astype(np.float32) * 7
    for snr in (-6.0, 0.0, 18.0):
        noisy, each = add_noise(waves, noise, amplitude, snr)
        power = np.mean((noisy - waves).astype(float) ** 2, axis=(0, 2))
        np.testing.assert_allclose(10 * np.log10(amplitude**2 / 8 / power), snr, atol=0.01)
        expected = -10 * np.log10(np.mean(np.mean((noisy - waves).astype(float) ** 2, 2) / (amplitude**2 / 8), 1))
        np.testing.assert_allclose(each, expected, atol=0.01)


def test_a_lead_without_signal_gets_no_noise(rng):
    waves = pulses([1.0, 0.0]).astype(np.float32)
    noisy, _ = add_noise(waves, rng.normal(size=waves.shape).astype(np.float32), np.array([1.0, 0.0], np.float32), 0.0)
    assert (noisy[:, 1] == 0).all()
    assert (noisy[:, 0] != waves[:, 0]).all()


def test_noise_under_overlapping_beats_is_one_stretch(rng):
    source = NoiseSource("ramp", np.stack([np.arange(5000.0), -np.arange(5000.0)]).astype(np.float32))
    r_index = np.array([100, 130, 190])
    windows = noise_windows(source, r_index, 3, GEOMETRY, rng)
    assert windows.shape == (3, 3, 65)
    np.testing.assert_array_equal(windows[0, :, 30:], windows[1, :, :35])
    assert len({tuple(np.abs(windows[0, k, :2])) for k in range(3)}) == 3


def test_bursts_take_about_the_wanted_share_and_tell_their_ratio(rng):
    waves = pulses([1.0, 0.5], n=20000).astype(np.float32)
    source = NoiseSource("white", rng.normal(size=(2, 9000)).astype(np.float32))
    settings = NoiseSettings(0.2, (-6.0, 24.0), 0.0, 6.0)
    r_index = np.arange(20000) * 80
    noisy, snr, whole = add_bursts(
        waves, r_index, np.array([1.0, 0.5], np.float32), geometry=GEOMETRY, noise=[source], settings=settings, rng=rng
    )
    touched = (noisy != waves).any(axis=(1, 2))
    assert 0.16 < touched.mean() < 0.24
    np.testing.assert_array_equal(touched, np.isfinite(snr))
    assert whole[~touched].all()
    assert 0.1 < (~whole[touched]).mean() < 0.4
    one = (noisy != waves).any(axis=2).sum(axis=1)
    assert (one[~whole] == 1).all()


def test_noise_halves_are_apart_and_made_noise_stands_in(tmp_path, rng):
    signal = rng.normal(size=(2, 1001)).astype(np.float32)
    row = {
        "corpus": "n", "record": "em", "patient": "em", "role": "noise", "leads": "noise1;noise2", "fs": 100.0,
        "fs_file": 360.0, "duration_s": 10.01, "lead_scale": "1.0;1.0", "dx": "", "labelled": False,
    }  # fmt: skip
    import pandas as pd

    with ShardWriter(tmp_path) as writer:
        writer.add(row, signal, pd.DataFrame(), pd.DataFrame(), [])
    shards = [Shard(tmp_path)]
    first, second = (noise_sources(shards, part, 100.0, (0.5, 45.0), 1)[0] for part in ("train", "test"))
    assert first.name == "em"
    np.testing.assert_array_equal(np.concatenate([first.signal, second.signal], axis=1), signal)
    made = noise_sources([], "train", 100.0, (0.5, 45.0), 1)
    other = noise_sources([], "test", 100.0, (0.5, 45.0), 1)
    assert [source.name for source in made] == ["muscle", "electrode", "wander"]
    assert not np.array_equal(made[0].signal, other[0].signal)


def test_gate_labels_are_known_only_where_somebody_looked():
    import pandas as pd

    beats = pd.DataFrame(
        {
            "reason": ["", "flat", "", "", "flat"],
            "label_source": ["beat", "beat", "", "beat", "beat"],
            "label": ["N", "N", "", "none", "V"],
            "annotated_noise": [False, False, False, False, True],
        }
    )
    np.testing.assert_array_equal(gate_labels(beats), [0, np.nan, np.nan, np.nan, 1])


@pytest.mark.parametrize("kind", ["muscle", "electrode", "wander"])
def test_made_noise_lies_in_the_pass_band(kind, rng):
    signal = synthetic_noise(kind, 200.0, (0.5, 40.0), 60.0, rng).signal
    power = np.abs(np.fft.rfft(signal, axis=1)) ** 2
    frequency = np.fft.rfftfreq(signal.shape[1], 1 / 200.0)
    # the loudness varies below 0.2 Hz, which smears the band's edges a little
    outside = (frequency > 45) | (frequency < 0.02)
    assert power[:, outside].sum() < 0.05 * power.sum()
