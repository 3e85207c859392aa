from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from beatlens.beats.settings import BeatSettings
from beatlens.shards.shard import BeatGeometry
from beatlens.signals.conditioning import condition
from beatlens.signals.gaps import fill_gaps
from beatlens.signals.quality import MIN_SCALE_MV, Quality, assess, lead_scale
from beatlens.signals.record_signals import RecordSignals
from beatlens.signals.settings.quality import QualitySettings
from beatlens.signals.settings.signal import SignalSettings

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config" / "config.yaml").read_text(encoding="utf-8"))
SIGNAL, BEATS = SignalSettings(**CONFIG["signal"]), BeatSettings(**CONFIG["beats"])
SETTINGS = QualitySettings(**CONFIG["quality"])
GEOMETRY = BeatGeometry.from_seconds(SIGNAL.fs, BEATS.before_s, BEATS.after_s)
FS = 360.0
R_TIMES = np.arange(0.6, 59, 0.8)


def wave(time: np.ndarray, centre: float, width: float, height: float) -> np.ndarray:
    return height * np.exp(-(((time - centre) / width) ** 2))


def clean_record(n_leads: int = 1, wide: tuple[int, ...] = ()) -> np.ndarray:
    """P, QRS and T at `R_TIMES`; the beats `wide` are broad, inverted and tall, like a PVC."""
    time = np.arange(round(60 * FS)) / FS
    lead = np.zeros_like(time)
    for k, r in enumerate(R_TIMES):
        if k in wide:
            lead += wave(time, r, 0.06, 1.8) - wave(time, r + 0.25, 0.09, 0.7)
        else:
            lead += wave(time, r - 0.16, 0.03, 0.12) + wave(time, r, 0.014, 1.2) + wave(time, r + 0.26, 0.06, 0.3)
    rng = np.random.default_rng(0)
    return np.stack([(k + 1) * lead + rng.normal(0, 0.01, len(lead)) for k in range(n_leads)]).astype(np.float32)


def reasons(raw: np.ndarray) -> list[str]:
    return quality(raw).reasons()


def quality(raw: np.ndarray) -> Quality:
    conditioned = condition(raw, FS, SIGNAL)
    r_index = np.rint(R_TIMES * SIGNAL.fs).astype(np.int64)
    scale = lead_scale(conditioned.signal, r_index, SIGNAL.fs)
    filled, _ = fill_gaps(raw)
    signals = RecordSignals(filled, FS, conditioned.signal, conditioned.missing, SIGNAL.fs)
    return assess(signals, r_index, scale, GEOMETRY, SETTINGS)


def test_a_clean_record_with_ectopy_is_not_flagged() -> None:
    assert set(reasons(clean_record(2, wide=(7, 20, 21, 50)))) == {""}
    assert set(reasons(clean_record(1, wide=(30,)))) == {""}  # a single PVC, like no other beat of the record


def test_slow_and_scaled_records_are_not_flagged() -> None:
    assert set(reasons(0.3 * clean_record())) == {""}
    assert set(reasons(4 * clean_record() + np.float32(3))) == {""}


def spoiled(kind: str, low: float = 20.0, high: float = 30.0) -> np.ndarray:
    raw = clean_record()
    rng = np.random.default_rng(1)
    part = slice(round(low * FS), round(high * FS))
    time = np.arange(raw.shape[1])[part] / FS
    if kind == "flat":
        raw[:, part] = 0.1
    elif kind == "missing":
        raw[:, part] = np.nan
    elif kind == "saturated":
        raw[:, part] = np.where(np.sin(2 * np.pi * 1.3 * time) > 0, 5.0, -5.0)
    elif kind == "baseline":
        raw[:, part] += 2.5 * np.sin(2 * np.pi * 0.35 * (time - low))
    elif kind == "high_frequency":
        raw[:, part] += rng.normal(0, 1.0, len(time))
    elif kind == "template":
        smooth = np.convolve(rng.normal(0, 1, len(time) + 60), np.hanning(60), "valid")[: len(time)]
        raw[:, part] = 1.2 * smooth / smooth.std()
    return raw


@pytest.mark.parametrize("kind", ["flat", "missing", "saturated", "baseline", "high_frequency", "template"])
def test_each_fault_is_flagged_with_its_reason_where_it_is(kind: str) -> None:
    found = reasons(spoiled(kind))
    inside = (R_TIMES > 20.6) & (R_TIMES < 29.2)
    outside = (R_TIMES < 19) | (R_TIMES > 31)
    expected = "flat" if kind == "missing" else kind
    flagged = [expected in reason.split(";") for reason in found]
    assert np.mean(np.array(flagged)[inside]) >= 0.7
    assert all(found[k] == "" for k in np.flatnonzero(outside))


def test_a_beat_is_flagged_only_where_most_leads_fail() -> None:
    raw = clean_record(3)
    raw[0, 7200:10800] = 0.1
    assert set(reasons(raw)) == {""}
    raw[1, 7200:10800] = 0.1
    assert "flat" in reasons(raw)


def test_scores_are_columns_of_the_best_lead() -> None:
    raw = clean_record(2)
    raw[0] = 0.1
    columns = quality(raw).columns()
    assert list(columns) == [
        f"quality_{rule}" for rule in ("flat", "saturated", "baseline", "high_frequency", "template")
    ]
    assert columns["quality_flat"].min() > 1
    assert all(values.dtype == np.float32 for values in columns.values())


def test_lead_scale_is_robust_and_has_a_floor() -> None:
    conditioned = condition(clean_record(2), FS, SIGNAL).signal
    r_index = np.rint(R_TIMES * SIGNAL.fs).astype(np.int64)
    scale = lead_scale(conditioned, r_index, SIGNAL.fs)
    assert scale[1] == pytest.approx(2 * scale[0], rel=0.05)
    disturbed = conditioned.copy()
    disturbed[:, 4000:5000] *= 50
    np.testing.assert_allclose(lead_scale(disturbed, r_index, SIGNAL.fs), scale, rtol=0.05)
    np.testing.assert_array_equal(
        lead_scale(np.zeros_like(conditioned), r_index, SIGNAL.fs), [np.float32(MIN_SCALE_MV)] * 2
    )
    assert lead_scale(conditioned, r_index[:0], SIGNAL.fs)[0] > MIN_SCALE_MV


@pytest.mark.parametrize("n_beats", [0, 1, 2])
def test_few_beats(n_beats: int) -> None:
    raw = clean_record(2)
    conditioned = condition(raw, FS, SIGNAL)
    r_index = np.rint(R_TIMES[:n_beats] * SIGNAL.fs).astype(np.int64)
    scale = lead_scale(conditioned.signal, r_index, SIGNAL.fs)
    signals = RecordSignals(raw, FS, conditioned.signal, conditioned.missing, SIGNAL.fs)
    result = assess(signals, r_index, scale, GEOMETRY, SETTINGS)
    assert result.reasons() == [""] * n_beats
    assert all(len(values) == n_beats for values in result.columns().values())
