"""Evidence shared among beats of one shape, against a loop over beats and by what it must never do."""

import numpy as np
import pytest

from beatlens.inputs.look_alikes import look_alikes_of, shape_groups
from beatlens.inputs.settings import LookAlikeSettings
from beatlens.shards.shard import BeatGeometry

CLASSES = ("N", "S", "V", "F")
GEOMETRY = BeatGeometry(fs=100.0, before=25, after=40)


@pytest.fixture
def settings(config):
    return LookAlikeSettings(**config["look_alikes"])


def record(seed=0, n=60, leads=2):
    """Beats of three shapes with noise, in turn, and the logits of a network that errs."""
    rng = np.random.default_rng(seed)
    shape = np.arange(n) % 3
    waves = rng.normal(size=(3, leads, GEOMETRY.length))[shape] + 0.1 * rng.normal(size=(n, leads, GEOMETRY.length))
    return shape, waves.astype(np.float32), (2 * rng.normal(size=(n, len(CLASSES)))).astype(np.float32)


def probabilities(logits):
    power = np.exp(logits.astype(np.float64))
    return power / power.sum(axis=1, keepdims=True)


def look_alike_shift(logits, waves, geometry, classes, settings):
    alike = look_alikes_of(logits, waves, geometry, classes, settings)
    return alike.shift(logits, alike.say(waves[:, :, alike.samples], np.arange(len(waves))))


def test_it_is_the_mean_over_beats_of_the_same_shape(settings):
    shape, waves, logits = record()
    shift = look_alike_shift(logits, waves, GEOMETRY, CLASSES, settings)
    p = probabilities(logits)
    evidence = np.log(np.stack([p[:, 0] + p[:, 1], p[:, 2], p[:, 3]], axis=1))
    for row in range(len(logits)):
        alike = np.flatnonzero(shape == shape[row])
        alike = alike[alike != row]  # 19 of 60, and `beats` is 20
        change = settings.weight * (evidence[alike].mean(axis=0) - evidence[row])
        np.testing.assert_allclose(shift[row], change[[0, 0, 1, 2]], atol=1e-5)


def test_what_rhythm_tells_apart_is_the_beats_own(settings):
    _, waves, logits = record()
    shifted = logits + look_alike_shift(logits, waves, GEOMETRY, CLASSES, settings)
    np.testing.assert_allclose(shifted[:, 0] - shifted[:, 1], logits[:, 0] - logits[:, 1], atol=1e-5)
    assert np.abs(shifted[:, 2] - shifted[:, 0] - logits[:, 2] + logits[:, 0]).max() > 1
    assert shape_groups(CLASSES, settings).tolist() == [0, 0, 2, 1]


def test_without_weight_nothing_is_shared(config):
    _, waves, logits = record()
    none = LookAlikeSettings(**config["look_alikes"] | {"weight": 0})
    assert look_alikes_of(logits, waves, GEOMETRY, CLASSES, none) is None
    assert look_alikes_of(logits, waves, GEOMETRY, CLASSES, None) is None


def test_a_beat_unlike_all_others_keeps_its_own_evidence(settings):
    _, waves, logits = record()
    waves[7] = np.random.default_rng(9).normal(size=waves[7].shape)
    changed = look_alike_shift(logits, waves, GEOMETRY, CLASSES, settings)
    np.testing.assert_allclose(changed[7], 0, atol=1e-6)
    assert np.abs(changed[8]).max() > 0.1


def test_a_changed_beat_is_compared_as_it_is_now_and_an_absent_lead_not_at_all(settings):
    shape, waves, logits = record()
    alike = look_alikes_of(logits, waves, GEOMETRY, CLASSES, settings)
    parts = waves[:, :, alike.samples]
    said = alike.say(parts, np.arange(len(waves)))
    became = alike.say(parts[[4]], np.array([3]))  # beat 3 as beat 4: alike to all of that shape, 4 itself included
    evidence = np.log(probabilities(logits)[:, 2])
    assert became[0, 2] == pytest.approx(evidence[shape == shape[4]].mean(), abs=1e-5)  # 20 of them, `beats` is 20
    assert became[0, 2] != said[4, 2]
    mixed = parts[[3]].copy()
    mixed[0, 1] = parts[4, 1]  # of one shape in one lead, of another in the other
    assert np.isnan(alike.say(mixed, np.array([3]))).all()
    mixed[0, 1] = np.nan
    alone = look_alikes_of(logits, waves[:, :1], GEOMETRY, CLASSES, settings)
    np.testing.assert_allclose(alike.say(mixed, np.array([3])), alone.say(parts[[3], :1], np.array([3])), atol=1e-6)
    assert np.isfinite(alone.say(parts[[3], :1], np.array([3]))).all()


@pytest.mark.parametrize("n", [0, 1, 2])
def test_records_of_hardly_any_beat(settings, n):
    _, waves, logits = record(n=3)
    shift = look_alike_shift(logits[:n], waves[:n], GEOMETRY, CLASSES, settings)
    np.testing.assert_allclose(shift, np.zeros((n, len(CLASSES))), atol=1e-6)


def test_flat_beats_and_certain_logits_stay_finite(settings):
    _, waves, logits = record()
    waves[:20] = 0.0
    logits[:, 0] = 500.0
    assert np.isfinite(look_alike_shift(logits, waves, GEOMETRY, CLASSES, settings)).all()


def test_references_stand_for_a_long_record(config):
    shape, waves, logits = record(n=900)
    few = LookAlikeSettings(**config["look_alikes"] | {"references": 100, "beats": 30})
    shift = look_alike_shift(logits, waves, GEOMETRY, CLASSES, few)
    evidence = np.log(probabilities(logits)[:, 2])
    smoothed = evidence + shift[:, 2]
    for k in range(3):  # all beats of a shape tend to one value
        assert smoothed[shape == k].std() < 0.35 * evidence[shape == k].std()
