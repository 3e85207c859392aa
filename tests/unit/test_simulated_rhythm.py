"""Simulated rhythms: intervals and classes are those that each rhythm has by its definition."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest

from beatlens.beats.rr_intervals import rr_columns, rr_features
from beatlens.beats.settings import RR_FEATURES, BeatSettings
from beatlens.learning import simulated_rhythm
from beatlens.learning.simulated_rhythm import INTERVAL_S, RhythmPool, simulate_series

SETTINGS = BeatSettings(0.25, 0.4, 5, 10, 80, 21, 101, 31, 121, 4.0, 2.0)


@pytest.mark.parametrize("name", ["sinus", "fibrillation", "block"])
def test_rhythms_without_an_ectopic_focus_have_no_premature_beat(name):
    rng = np.random.default_rng(3)
    for _ in range(20):
        factor, premature = getattr(simulated_rhythm, name)(150, rng)
        assert len(factor) == len(premature) == 150
        assert not premature.any()


def test_blocked_beats_make_long_intervals_and_nothing_else():
    factor, _ = simulated_rhythm.block(400, np.random.default_rng(0))
    assert set(np.unique(factor[factor <= 1.0])) == {1.0}
    assert 1.2 <= factor.max() <= 2.1


@pytest.mark.parametrize("name", ["single_ectopics", "runs", "ectopic_rhythm"])
def test_premature_beats_come_early_and_the_next_sinus_beat_does_not(name):
    rng = np.random.default_rng(5)
    some = 0
    for _ in range(40):
        factor, premature = getattr(simulated_rhythm, name)(300, rng)
        some += premature.sum()
        assert (factor[premature] < 1.12).all()
        assert np.median(factor[premature]) < 0.9 if premature.any() else True
        after = np.flatnonzero(premature[:-1] & ~premature[1:]) + 1
        assert (factor[after] > 0.7).all()
    assert some > 100


def test_a_focus_that_leads_has_most_beats_and_pauses_before_the_others():
    factor, premature = simulated_rhythm.ectopic_rhythm(2000, np.random.default_rng(1))
    assert premature.mean() > 0.5
    assert not premature.all()
    sinus_stretches = [len(list(stretch)) for early, stretch in groupby(premature.tolist()) if not early]
    assert set(sinus_stretches) == {1, 2, 3}
    assert np.median(factor[1:][premature[:-1] & ~premature[1:]]) > np.median(factor[premature])


def test_series_are_those_of_hearts():
    rng = np.random.default_rng(2)
    parts = [simulate_series(300, rng) for _ in range(60)]
    intervals = np.concatenate([interval for interval, _ in parts])
    assert intervals.min() >= INTERVAL_S[0]
    assert intervals.max() <= INTERVAL_S[1]
    share = np.array([premature.mean() for _, premature in parts])
    assert (share == 0).mean() > 0.2
    assert 0.05 < share.mean() < 0.3
    assert share.max() > 0.6


def test_a_pool_has_the_features_of_records_and_follows_its_generator(resize):
    resize("SERIES", 4)
    pool = RhythmPool.draw(SETTINGS, np.random.default_rng(9))
    again = RhythmPool.draw(SETTINGS, np.random.default_rng(9))
    np.testing.assert_array_equal(pool.rr, again.rr)
    interval, premature = simulate_series(simulated_rhythm.SERIES_BEATS, np.random.default_rng(9))
    columns = rr_columns(np.cumsum(interval), np.zeros(len(interval), dtype=np.int64), SETTINGS)
    np.testing.assert_array_equal(pool.rr[0], rr_features(columns, SETTINGS))
    np.testing.assert_array_equal(pool.premature[0], premature)
    rr, early = pool.stretch(36, np.random.default_rng(1))
    assert rr.shape == (36, len(RR_FEATURES))
    starts = [
        (series, start)
        for series in range(4)
        for start in range(simulated_rhythm.SERIES_BEATS - 35)
        if (pool.rr[series, start : start + 36] == rr).all()
    ]
    assert len(starts) == 1
    np.testing.assert_array_equal(pool.premature[starts[0][0], starts[0][1] : starts[0][1] + 36], early)
