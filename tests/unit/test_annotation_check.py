"""Annotations against found beats: planted lags, rates, other recordings, detectors that fail, what can't be told."""

from __future__ import annotations

import re

import numpy as np
import pytest

from beatlens.beats.annotation_check import check_annotations
from beatlens.corpora.beat_labels import BeatLabels
from beatlens.shards.stretches import Stretch

FS = 360.0


def rhythm(kind: str, seconds: float, seed: int = 1) -> np.ndarray:
    """Return beat times of a sinus rhythm with premature beats, of fibrillation, or of a pacemaker."""
    rng = np.random.default_rng(seed)
    usual = rng.uniform(0.6, 1.0)
    if kind == "regular":
        return np.arange(0.7, seconds - 0.5, 0.8)
    interval = np.maximum(usual * (1 + 0.04 * rng.normal(size=round(2 * seconds))), 0.3)
    if kind == "irregular":
        interval = np.maximum(usual * (1 + 0.25 * rng.normal(size=round(3 * seconds))), 0.3)
    else:
        early = np.flatnonzero(rng.random(len(interval) - 1) < 0.08)
        interval[early], interval[early + 1] = 0.6 * usual, 1.4 * usual
    times = 0.4 + np.cumsum(interval)
    return times[times < seconds - 0.5]


def labels(times: np.ndarray, noise: tuple[tuple[int, int], ...] = ()) -> BeatLabels:
    sample = np.unique(np.rint(times * FS).astype(np.int64))
    return BeatLabels(sample, ["N"] * len(sample), ["N"] * len(sample), noise)


def check(annotated: np.ndarray, found: np.ndarray, unclear: tuple[Stretch, ...] = (), **noise: object):
    return check_annotations(labels(annotated, **noise), np.rint(found * FS).astype(np.int64), FS, unclear)  # type: ignore[arg-type]


def jittered(times: np.ndarray, seconds: float = 0.01) -> np.ndarray:
    return times + np.random.default_rng(5).normal(0, seconds, len(times))


@pytest.mark.parametrize("kind", ["sinus", "irregular", "regular"])
@pytest.mark.parametrize("seconds", [15, 60, 600])
@pytest.mark.parametrize("offset", [-0.08, 0.0, 0.05])
def test_own_annotations_are_kept_wherever_in_the_complex_they_lie(kind, seconds, offset):
    beats = rhythm(kind, seconds)
    assert check(jittered(beats + offset), beats) is None


@pytest.mark.parametrize("kind", ["sinus", "irregular"])
@pytest.mark.parametrize("lag", [0.2, -0.2, 0.35, -5.0, 31.0])
def test_a_planted_lag_is_found_and_named(kind, lag):
    beats = rhythm(kind, 300)
    found = check(jittered(beats + lag)[(beats + lag > 0)], beats)
    assert found is not None
    assert found.remark == "annotations_elsewhere"
    named = re.search(r"about (\d+) ms (late|early)", found.detail)
    assert named
    assert int(named[1]) * (1 if named[2] == "late" else -1) == pytest.approx(1000 * lag, abs=20)


def test_annotations_one_beat_off_match_beats_but_the_wrong_ones():
    beats = rhythm("sinus", 600, seed=3)
    steady = np.median(np.diff(beats))
    found = check(beats[:-2] + steady, beats)
    assert found is not None
    assert f"about {10 * round(100 * steady)} ms late" in found.detail


@pytest.mark.parametrize("rate", [250, 256, 500])
@pytest.mark.parametrize("kind", ["sinus", "irregular", "regular"])
def test_a_planted_rate_is_named(kind, rate):
    beats = rhythm(kind, 120)
    annotated = beats * rate / FS
    found = check(annotated[annotated < 119], beats)
    assert found is not None
    assert f"counted at {rate} Hz instead of 360 Hz" in found.detail


@pytest.mark.parametrize("kind", ["sinus", "irregular"])
@pytest.mark.parametrize("seconds", [60, 900])
def test_another_recordings_annotations_are_set_aside_and_nothing_is_claimed(kind, seconds):
    for seed in range(2, 12):
        found = check(rhythm("sinus", seconds, seed + 50), rhythm(kind, seconds, seed))
        assert found is not None, seed
        assert "no steady lag and no usual rate" in found.detail


def test_of_a_regular_rhythm_the_least_lag_is_named_with_its_doubt_and_a_whole_interval_is_none():
    beats = rhythm("regular", 60)
    found = check(beats + 0.2, beats)
    assert found is not None
    assert found.detail.startswith(f"0 of {len(beats)} annotated beats")
    assert "about 200 ms late (the rhythm is regular, so other lags fit as well)" in found.detail
    assert check(beats[:-1] + 0.8, beats) is None


def test_a_detector_that_fails_takes_no_labels_away():
    beats = rhythm("sinus", 300)
    assert check(beats, beats[::2]) is None  # it missed every other beat
    assert check(beats, np.sort(np.concatenate([beats, beats + 0.3]))) is None  # or found each T wave
    noise = (Stretch("noise", 60.0, 290.0, 300, 0.0, ""),)
    wrong = np.sort(np.concatenate([beats[beats < 60], 60 + rhythm("irregular", 230, 9)]))
    assert check(beats, wrong, noise) is None
    assert check(beats, wrong) is not None


def test_few_or_partial_annotations_are_kept():
    beats = rhythm("sinus", 600)
    assert check(beats[:30], beats) is None  # half a minute of ten
    assert check(beats[::25], beats) is None  # one kind of beat alone
    assert check(beats[:2] + 0.3, beats) is None  # too few to say
    noisy = ((round(50 * FS), round(600 * FS)),)
    elsewhere = np.where(beats < 50, beats, beats + 0.3)
    assert check(elsewhere, beats, noise=noisy) is None  # annotated noise says nothing


@pytest.mark.parametrize("n", [3, 5, 9])
def test_few_annotations_that_match_no_beat_are_set_aside_and_nothing_is_claimed(n):
    beats = rhythm("sinus", 600)
    assert check(jittered(beats[:n]), beats) is None
    found = check(beats[:n] + 0.2, beats)
    assert found is not None
    assert found.detail.startswith(
        f"0 of {n} annotated beats lie within 150 ms of a beat that was found; no steady lag"
    )


def test_a_file_without_beats_is_told():
    found = check(np.zeros(0), rhythm("sinus", 60))
    assert found is not None
    assert found.remark == "no_annotated_beats"


def test_the_time_it_takes_grows_with_the_number_of_beats():
    beats = rhythm("sinus", 24 * 3600)
    found = check(beats + 0.3, beats)
    assert found is not None
    assert "of 2000 lie within 30 ms" in found.detail
