"""Alerts against planted patterns, and their silence on noise, on one patient, and on what is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from beatlens.alerts.clusters import Candidates, find_patterns, patient_cohesion, sample_rows
from beatlens.alerts.registry import FoundPattern, likeness, remember
from beatlens.alerts.settings import AlertSettings
from beatlens.shards.shard import BeatGeometry

SHAPES = {
    "known": np.exp(-0.5 * ((np.arange(60) - 25) / 2) ** 2),
    "new": -np.exp(-0.5 * ((np.arange(60) - 30) / 7) ** 2),
}


@pytest.fixture
def settings(config):
    return AlertSettings(**config["alerts"])


def beats(rng, groups, dimensions=16):
    """Make beats of (shape, centre, patients, beats a patient, in review); a shape of None is white noise."""
    parts = []
    for shape, centre, patients, each, review in groups:
        for patient in patients:
            waves = rng.standard_normal((each, 2, 60)) * (1.0 if shape is None else 0.1)
            if shape is not None:
                waves[:, :] += SHAPES[shape] * rng.uniform(0.8, 1.2, (each, 1, 1))
            place = np.zeros(dimensions)
            place[centre] = 4
            embedding = place + 0.5 * rng.standard_normal((each, dimensions)) + 0.2 * rng.standard_normal(dimensions)
            parts.append((embedding, waves, [patient] * each, [review] * each))
    embedding, waves, patients, review = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Candidates(embedding.astype(np.float32), waves.astype(np.float32), patients, review)


KNOWN = ("known", 0, "abcdefgh", 40, False)


def raised(candidates, settings):
    patterns, _ = find_patterns(candidates, settings, 3)
    return [pattern for pattern in patterns if not pattern.failed]


def test_a_planted_pattern_of_several_patients_raises_one_alert(settings):
    candidates = beats(np.random.default_rng(0), [KNOWN, ("new", 1, "abcd", 15, True), ("known", 0, "ef", 5, True)])
    (alert,) = raised(candidates, settings)
    planted = np.flatnonzero(candidates.review)[:60]
    assert len(np.intersect1d(alert.members, planted)) / len(np.union1d(alert.members, planted)) > 0.9
    assert alert.n_patients == 4
    assert alert.stability > 0.8
    assert alert.cohesion > 0.9


def test_silent_on_one_patients_minute(settings):
    minute = ("new", 1, "a", 70, True)
    assert raised(beats(np.random.default_rng(1), [KNOWN, minute]), settings) == []
    stray = ("new", 1, "bcd", 2, True)  # and a few strays of others
    assert raised(beats(np.random.default_rng(1), [KNOWN, minute, stray]), settings) == []


def test_silent_on_white_noise_whether_it_clusters_or_not(settings):
    dense = (None, 1, "abcdef", 20, True)
    assert raised(beats(np.random.default_rng(2), [KNOWN, dense]), settings) == []
    rng = np.random.default_rng(3)
    for n_patients in (3, 10):
        patients = np.repeat([f"p{k}" for k in range(n_patients)], 60)
        n = len(patients)
        loose = Candidates(
            rng.standard_normal((n, 16)).astype(np.float32),
            rng.standard_normal((n, 2, 60)).astype(np.float32),
            patients,
            np.ones(n, dtype=bool),
        )
        assert raised(loose, settings) == []


def test_silent_on_known_beats_that_are_in_review(settings):
    doubtful = ("known", 0, "abcdefgh", 20, True)
    assert raised(beats(np.random.default_rng(4), [KNOWN, doubtful]), settings) == []


def test_each_criterion_can_stop_an_alert(settings):
    candidates = beats(np.random.default_rng(0), [KNOWN, ("new", 1, "abcd", 15, True)])
    assert len(raised(candidates, settings)) == 1
    for change in ({"min_patients": 5}, {"min_patient_beats": 16}, {"min_beats": 61}, {"min_cohesion": 1.0}):
        assert raised(candidates, replace(settings, **change)) == [], change
    accepted = replace(candidates, review=candidates.review & (np.arange(len(candidates.review)) % 3 > 0))
    assert len(raised(accepted, replace(settings, min_review_share=0.6))) == 1  # a third of the pattern was accepted
    patterns, _ = find_patterns(accepted, settings, 3)
    assert [pattern.failed for pattern in patterns if len(pattern.members) > 30] == [("min_review_share",)]


def test_a_pattern_that_resamples_lose_is_no_alert(settings):
    candidates = beats(np.random.default_rng(1), [KNOWN, ("new", 1, "abcd", 15, True)])
    place, new = candidates.embedding.copy(), candidates.review
    place[new] -= 0.5 * (place[new].mean(axis=0) - place[~new].mean(axis=0))  # half as far from what is known
    near = replace(candidates, embedding=place)
    patterns, _ = find_patterns(near, settings, 3)
    assert [pattern.failed for pattern in patterns] == [("min_stability",)]
    assert len(raised(near, replace(settings, min_stability=0.3))) == 1


def test_too_few_beats_in_review_are_no_pattern(settings):
    candidates = beats(np.random.default_rng(0), [KNOWN, ("new", 1, "abc", 3, True)])
    assert find_patterns(candidates, settings, 1)[0] == []
    empty = Candidates(*(array[:0] for array in vars(candidates).values()))
    assert find_patterns(empty, settings, 1)[0] == []


def test_cohesion_is_zero_across_leads_that_are_not_shared():
    rng = np.random.default_rng(5)
    waves = np.tile(SHAPES["new"], (20, 2, 1)) + 0.01 * rng.standard_normal((20, 2, 60))
    patients = np.repeat(["a", "b"], 10)
    assert patient_cohesion(waves, patients) > 0.99
    waves[:10, 0], waves[10:, 1] = np.nan, np.nan
    assert patient_cohesion(waves, patients) == 0.0
    assert patient_cohesion(waves, np.full(20, "a")) == 0.0


def test_samples_are_capped_by_patient_and_independent_of_others(settings):
    patients = np.repeat(["a", "b"], [500, 30])
    review = np.arange(530) % 2 == 0
    rows = sample_rows(patients, review, settings, 7)
    counts = {(p, r): int(((patients[rows] == p) & (review[rows] == r)).sum()) for p in "ab" for r in (True, False)}
    assert counts == {("a", True): 100, ("a", False): 100, ("b", True): 15, ("b", False): 15}
    alone = sample_rows(patients[:500], review[:500], settings, 7)
    np.testing.assert_array_equal(rows[rows < 500], alone)
    assert len(sample_rows(patients, review, settings, 7, most=50)) == 50


CUT, FILTER = BeatGeometry(100.0, 25, 35), {"fs": 100, "band": [0.5, 45]}


def found(shape, beat="c/r/1", leads=("II", "V1", "V5"), noise=0):
    rng = np.random.default_rng(noise)
    median = {lead: SHAPES[shape] + 0.05 * bool(noise) * rng.standard_normal(60) for lead in leads}
    return FoundPattern(median, beat, 30, 4)


def test_the_registry_remembers_other_runs_and_never_the_run_itself(tmp_path):
    first = remember(tmp_path, CUT, FILTER, "one", [found("new"), found("known", "c/r/2")])
    assert [known.seen_in for known in first] == [(), ()]
    again = remember(tmp_path, CUT, FILTER, "one", [found("new"), found("known", "c/r/2")])
    assert again == first
    # Another network, another lead: the shape is what is known again.
    second = remember(tmp_path, CUT, FILTER, "two", [found("new", "d/r/5", ("V1", "V5", "I"), 1)])
    assert second[0].identifier == first[0].identifier
    assert second[0].seen_in == ("one",)
    both = remember(tmp_path, CUT, FILTER, "two", [found("new", "d/r/5", noise=1), found("new", "d/r/6")])
    assert [known.seen_in for known in both] == [("one",), ()]  # a known pattern is met once, by whom it was before
    assert remember(tmp_path, CUT, FILTER, "three", [found("new", leads=("I", "V2"))])[0].seen_in == ()  # other leads
    assert remember(tmp_path, BeatGeometry(250.0, 25, 35), FILTER, "two", [found("new")])[0].seen_in == ()
    assert remember(tmp_path, CUT, {"fs": 100, "band": [0.05, 45]}, "two", [found("new")])[0].seen_in == ()
    assert not list(tmp_path.glob("*.tmp*"))


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"schema_version": 2, "patterns": [{"id": "P1"}]}', "\xff\xfe"])
def test_a_damaged_registry_is_set_aside_and_told(tmp_path, caplog, damage):
    remember(tmp_path, CUT, FILTER, "one", [found("new")])
    (path,) = tmp_path.glob("*.json")
    path.write_text(damage, encoding="latin-1")
    assert remember(tmp_path, CUT, FILTER, "two", [found("new")])[0].seen_in == ()
    assert path.with_suffix(".damaged").read_text(encoding="latin-1") == damage
    assert str(path) in caplog.text
    assert remember(tmp_path, CUT, FILTER, "three", [found("new")])[0].seen_in == ("two",)


def test_a_repeated_run_leaves_nothing_of_what_it_found_before(tmp_path):
    remember(tmp_path, CUT, FILTER, "one", [found("new")])
    remember(tmp_path, CUT, FILTER, "one", [found("known")])
    (answer,) = remember(tmp_path, CUT, FILTER, "two", [found("new")])
    assert answer.seen_in == ()
    assert remember(tmp_path, CUT, FILTER, "three", [found("known")])[0].seen_in == ("one",)


def test_a_repeated_run_finds_its_own_patterns_first(tmp_path):
    """Two patterns of one run are alike, and another run has met the second of them."""
    one = [found("new", "c/r/1", noise=1), found("new", "c/r/2", noise=2)]
    first = remember(tmp_path, CUT, FILTER, "one", one)
    assert first[0].identifier != first[1].identifier
    (other,) = remember(tmp_path, CUT, FILTER, "two", [found("new", "d/r/1", noise=2)])
    assert other.identifier == first[1].identifier
    again = remember(tmp_path, CUT, FILTER, "one", one)
    assert [known.identifier for known in again] == [known.identifier for known in first]
    assert [known.seen_in for known in again] == [(), ("two",)]
    assert remember(tmp_path, CUT, FILTER, "one", one) == again


def test_a_pattern_does_not_drift(tmp_path):
    """Each run's beat is a little further from the first one's: the first is what counts."""
    other = np.roll(SHAPES["new"], 8)
    names = []
    for k in range(8):
        wave = (1 - k / 7) * SHAPES["new"] + k / 7 * other
        own = FoundPattern({"II": wave, "V1": wave}, f"c/r/{k}", 30, 4)
        names.append(remember(tmp_path, CUT, FILTER, f"run{k}", [own])[0].identifier)
    assert names[1] == names[0]
    assert names[-1] != names[0]


def test_patterns_are_alike_by_shape_and_not_by_size():
    both = found("new", leads=("II", "V1")).median
    assert likeness(both, dict.fromkeys(both, 3 * SHAPES["new"])) == pytest.approx(1)
    assert likeness(both, dict.fromkeys(both, -SHAPES["new"])) == pytest.approx(-1)
    assert likeness(both, {"II": SHAPES["new"], "V5": SHAPES["new"]}) == 0  # one lead of two
    assert likeness(both, {"II": SHAPES["new"]}) == pytest.approx(1)  # there is no more to compare
    assert likeness({}, {}) == 0
    assert likeness({"II": SHAPES["new"]}, {"II": SHAPES["new"]}) == pytest.approx(1)
    assert likeness(both, {lead: np.zeros(60) for lead in both}) == 0
