"""Review thresholds against what was planted."""

from __future__ import annotations

import numpy as np
import pytest

from beatlens.decision.calibration import softmax
from beatlens.decision.review import Thresholds, fit_thresholds, reasons
from beatlens.decision.settings import ReviewSettings


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def who(n):
    """Name patients of beats, ten of each class however the classes lie."""
    return np.array([f"p{k % 10}" for k in range(n)])


def patient_losses(distance, limit, right):
    """Return the share beyond a limit of each patient's beats, of patients with enough to lose one in twenty."""
    patients = who(len(right))
    own = [right & (patients == name) for name in np.unique(patients)]
    return [(distance[mask] > limit).mean() for mask in own if mask.sum() >= 20]


def test_a_patient_whose_shapes_lie_far_is_no_small_part_of_all(rng):
    """One of twelve patients differs: half of the beats of one like that would be far by a limit for all beats."""
    n = 2400
    patients = np.array([f"p{k % 12}" for k in range(n)])
    distance = rng.uniform(0, 0.5, n) + np.where(patients == "p3", 0.4, 0.0)
    every, target, probability = np.ones(n, bool), np.zeros(n, dtype=int), np.tile([0.9, 0.1], (n, 1))
    settings = ReviewSettings(0.1, 0.9, 0.02, 0.05, 0.1)
    limit = fit_thresholds(
        probability,
        noise=np.zeros(n),
        distance=distance,
        target=target,
        patients=patients,
        unflagged=every,
        clean=every,
        settings=settings,
    ).distance[0]
    assert (distance[patients == "p3"] > limit).mean() <= 0.05
    assert (distance[patients == "p3"] > limit * 0.97).mean() > 0.05


def test_thresholds_keep_their_promises(rng):
    n = 4000
    target = rng.choice(3, p=[0.9, 0.08, 0.02], size=n)
    probability = softmax(rng.normal(size=(n, 3)) + 3 * np.eye(3)[target])
    noise, distance = rng.random(n), rng.random(n)
    unflagged = rng.random(n) < 0.95
    clean = unflagged & (rng.random(n) < 0.95)
    settings = ReviewSettings(0.02, 0.9, 0.03, 0.05, 0.1)
    distance[:50] = np.inf
    found = fit_thresholds(
        probability,
        noise=noise,
        distance=distance,
        target=target,
        patients=who(n),
        unflagged=unflagged,
        clean=clean,
        settings=settings,
    )
    confidence, wrong = probability.max(1), probability.argmax(1) != target
    accepted = unflagged & (confidence >= found.confidence)
    assert wrong[unflagged].mean() > 0.02 >= wrong[accepted].mean()
    more = unflagged & (confidence >= found.confidence * 0.98)
    assert wrong[more].mean() > 0.019
    for k in range(3):
        own = clean & (target == k)
        compared = own & np.isfinite(distance)
        assert (noise[own] > found.noise).mean() <= 0.03
        right = compared & ~wrong
        losses = patient_losses(distance, found.distance[k], right)
        assert max(losses, default=0.0) <= 0.05
        assert max(patient_losses(distance, found.distance[k] * 0.98, right), default=1.0) > 0.05


def test_what_is_far_depends_on_what_a_beat_is_called(rng):
    n = 1000
    target = np.repeat([0, 1, 2], [600, 380, 20])
    distance = rng.uniform(0, 1, n) * np.array([0.3, 0.9, 0.5])[target]
    probability, every = np.eye(3)[target] * 0.9 + 0.1 / 3, np.ones(n, bool)
    probability[:50] = np.roll(probability[:50], 1, axis=1)  # called wrongly, and far: no reason to be lenient
    distance[:50] = 1.2
    settings = ReviewSettings(0.1, 0.9, 0.02, 0.02, 0.1)
    found = fit_thresholds(
        probability,
        noise=np.zeros(n),
        distance=distance,
        target=target,
        patients=who(n),
        unflagged=every,
        clean=every,
        settings=settings,
    )
    assert 0.29 < found.distance[0] <= 0.3
    assert 0.86 < found.distance[1] <= 0.9
    right = np.arange(n) >= 50
    everything = np.sort(distance[right])[-1 - int(0.02 * right.sum())]
    assert found.distance[2] == everything  # 20 beats can't lose one in 50: as all together, if that keeps them all
    unseen = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    assert found.far(unseen, np.array([0.5, 0.5])).tolist() == [True, False]
    assert found.far(unseen, np.array([np.inf, 0.1])).tolist() == [True, False]
    few = np.where(target == 0, np.array(["a", "b", "c", "d"])[np.arange(n) % 4], who(n))
    found = fit_thresholds(
        probability,
        noise=np.zeros(n),
        distance=distance,
        target=target,
        patients=few,
        unflagged=every,
        clean=every,
        settings=settings,
    )
    assert found.distance[0] == everything  # four patients don't show how far the shapes of a class reach
    assert 0.86 < found.distance[1] <= 0.9
    alone = fit_thresholds(
        probability,
        noise=np.zeros(n),
        distance=np.full(n, np.inf),
        target=target,
        patients=who(n),
        unflagged=every,
        clean=every,
        settings=settings,
    )
    assert alone.distance == (0.0, 0.0, 0.0)


def test_no_beat_is_noise_that_is_likelier_clean(rng):
    every = np.ones(400, bool)
    probability, target = np.tile([0.9, 0.1], (400, 1)), np.zeros(400, dtype=int)
    settings = ReviewSettings(0.01, 0.9, 0.02, 0.02, 0.1)
    found = fit_thresholds(
        probability,
        noise=rng.uniform(0, 0.2, 400),
        distance=np.ones(400),
        target=target,
        patients=who(400),
        unflagged=every,
        clean=every,
        settings=settings,
    )
    assert found.noise == 0.5
    found = fit_thresholds(
        probability,
        noise=rng.uniform(0.6, 0.9, 400),
        distance=np.ones(400),
        target=target,
        patients=who(400),
        unflagged=every,
        clean=every,
        settings=settings,
    )
    assert found.noise > 0.8  # where many clean beats look noisy, few of them are lost all the same


def test_without_errors_every_beat_is_confident_enough():
    probability, target = np.tile([0.6, 0.4], (100, 1)), np.zeros(100, dtype=int)
    every = np.ones(100, bool)
    settings = ReviewSettings(0.01, 0.2, 0.02, 0.02, 0.1)
    found = fit_thresholds(
        probability,
        noise=np.zeros(100),
        distance=np.ones(100),
        target=target,
        patients=who(100),
        unflagged=every,
        clean=every,
        settings=settings,
    )
    assert found.confidence == 0.0


def confidence_limit(confidence, wrong, target, max_error, max_missed, patients=None):
    """Fit on beats of two classes, each with its confidence, of which some are called the other class."""
    pred = np.where(wrong, 1 - target, target)
    probability = np.where(np.arange(2) == pred[:, None], confidence[:, None], 1 - confidence[:, None])
    every, n = np.ones(len(target), bool), len(target)
    who_is = who(n) if patients is None else patients
    settings = ReviewSettings(max_error, max_missed, 0.02, 0.02, 0.1)
    return fit_thresholds(
        probability,
        noise=np.zeros(n),
        distance=np.ones(n),
        target=target,
        patients=who_is,
        unflagged=every,
        clean=every,
        settings=settings,
    ).confidence


@pytest.fixture
def rare(rng):
    """2,000 beats, 40 of them of a rare class, half of which are called the common one: 1 % of all."""
    target = (np.arange(2000) < 40).astype(int)
    confidence = rng.uniform(0.7, 1.0, 2000)
    confidence[:20] = np.linspace(0.6, 0.9, 20)
    return confidence, np.arange(2000) < 20, target


@pytest.mark.parametrize(("max_missed", "missed"), [(0.5, 20), (0.2, 8), (0.15, 6)])
def test_a_rare_class_is_not_accepted_as_a_common_one(rare, max_missed, missed):
    confidence, wrong, target = rare
    found = confidence_limit(confidence, wrong, target, 0.02, max_missed)
    assert (wrong & (confidence >= found)).sum() == missed
    assert missed == 20 or (wrong & (confidence >= found * 0.97)).sum() > missed
    few = np.array(["a", "b", "c", "d"])[np.arange(2000) % 4]
    assert confidence_limit(confidence, wrong, target, 0.02, max_missed, few) == 0.0  # four patients say too little


def test_a_class_that_no_limit_helps_costs_nothing(rare, caplog):
    confidence, wrong, target = rare
    confidence[:20] = np.linspace(0.99, 1.0, 20)  # surer than half of all beats
    assert confidence_limit(confidence, wrong, target, 0.02, 0.2) == 0.0
    assert "of class 1 0.500 are missed so surely" in caplog.text


def test_the_least_error_is_kept_where_the_wanted_one_is_out_of_reach():
    confidence = np.linspace(1.0, 0.5, 1000)
    wrong = np.zeros(1000, bool)
    wrong[:100] = True  # the surest are wrong, and so are the least sure
    wrong[800:] = True
    found = confidence_limit(confidence, wrong, np.zeros(1000, int), 0.02, 0.9)
    assert (confidence >= found).sum() == 800


def test_reasons_are_named_in_a_fixed_order():
    probability = np.array([[0.9, 0.1], [0.55, 0.45], [0.95, 0.05]])
    found = reasons(
        probability,
        noise=np.array([0.1, 0.9, 0.1]),
        distance=np.array([0.2, 0.9, 0.3]),
        quality=["", "", "flat;baseline"],
        thresholds=Thresholds(0.6, 0.5, (0.3, 0.1)),
    )
    assert found.tolist() == ["", "low_confidence;noise;far_from_prototypes", "quality:flat;quality:baseline"]


def test_what_is_no_number_is_never_accepted():
    sure, nan = [0.95, 0.05], float("nan")
    found = reasons(
        np.array([sure, [nan, nan], sure, sure, sure, [np.inf, 0.0]]),
        noise=np.array([0.1, 0.1, nan, 0.1, 0.1, 0.1]),
        distance=np.array([0.2, 0.2, 0.2, nan, np.inf, 0.2]),
        quality=[""] * 6,
        thresholds=Thresholds(0.6, 0.5, (0.3, 0.3)),
    )
    assert found.tolist() == [
        "",
        "not_finite;low_confidence",
        "not_finite;noise",
        "not_finite;far_from_prototypes",
        "far_from_prototypes",  # infinitely far is a distance: there is no prototype to compare with
        "not_finite",
    ]
