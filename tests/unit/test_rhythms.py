"""Episodes of rhythms: spans of annotations, fibrillation from planted RR intervals, scores counted by hand."""

import numpy as np
import pandas as pd
import pytest

from beatlens.core.record import Annotations
from beatlens.corpora.rhythm_labels import RhythmSpan, rhythm_spans
from beatlens.evaluate.predictions.rhythms import COLUMNS, evaluate_rhythms
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.learning.fit_rhythms import fit_fibrillation, rhythm_of_beats
from beatlens.prediction.rhythms import (
    EPISODE_COLUMNS,
    WINDOW,
    FibrillationDetector,
    find_rhythms,
    irregularity,
    ventricular_tachycardia,
)


def test_notes_become_spans():
    symbols = ("+", "N", "+", "~", "+", "+", "+")
    notes = ("(N", "", "(AFIB", "(VT", "(AFIB", "MISSB", "(N")
    annotations = Annotations(np.array([10, 20, 100, 150, 300, 350, 400]), symbols, notes)
    assert rhythm_spans(annotations, 1000) == [
        RhythmSpan("N", 10, 100),
        RhythmSpan("AFIB", 100, 400),  # goes on; a note of a ~ and one without a bracket say nothing
        RhythmSpan("N", 400, 1000),
    ]
    assert rhythm_spans(Annotations(np.array([5]), ("N",), ("",)), 10) == []


def made_beats(seed, patient):
    """Return beats of sinus rhythm, fibrillation, sinus rhythm with premature beats, 300 s each, and the spans."""
    rng = np.random.default_rng(seed)
    steady = 0.8 + 0.02 * rng.normal(size=375)
    wild = np.clip(rng.normal(0.7, 0.16, size=430), 0.35, 1.3)
    early = 0.8 + 0.02 * rng.normal(size=375)
    for k in range(5, 370, 11):
        early[k], early[k + 1] = 0.5, 1.1
    time = np.cumsum(np.concatenate([steady, wild, early]))
    edges = [0.0, steady.sum(), steady.sum() + wild.sum(), time[-1] + 1]
    who = {"corpus": "c", "record": f"r{patient}", "patient": patient}
    spans = [
        {**who, "rhythm": name, "start_s": a, "end_s": b}
        for name, a, b in zip(["N", "AFIB", "N"], edges[:-1], edges[1:], strict=True)
    ]
    return pd.DataFrame({**who, "stretch": 0, "r_time_s": time}), pd.DataFrame(spans)


def test_fibrillation_is_found_in_a_patient_that_was_not_learnt_from():
    parts = [made_beats(seed, f"p{seed}") for seed in range(3)]
    beats, spans = (pd.concat(each, ignore_index=True) for each in zip(*parts, strict=True))
    detector = fit_fibrillation(beats, spans)
    assert FibrillationDetector.from_json(detector.to_json()) == detector
    new, truth = made_beats(9, "new")
    found = find_rhythms(new, detector)
    assert list(found.columns) == list(EPISODE_COLUMNS)
    assert len(found) == 1
    true = truth[truth["rhythm"] == "AFIB"].iloc[0]
    assert found["start_s"].iloc[0] == pytest.approx(true["start_s"], abs=20)
    assert found["end_s"].iloc[0] == pytest.approx(true["end_s"], abs=20)
    assert set(rhythm_of_beats(new, truth)) == {"N", "AFIB"}
    with pytest.raises(ValueError, match="expected some that are and some that aren't"):
        fit_fibrillation(beats, spans.assign(rhythm="N"))


def test_irregularity_is_that_of_a_plain_window():
    time = np.cumsum(np.random.default_rng(2).uniform(0.5, 1.1, size=80))
    window = np.diff(time)[20 : 20 + WINDOW]
    steps = np.diff(window)
    close = [
        (i, j) for i in range(WINDOW - 1) for j in range(i) if abs(window[i] - window[j]) <= 0.1 * np.median(window)
    ]
    also = [(i, j) for i, j in close if abs(window[i + 1] - window[j + 1]) <= 0.1 * np.median(window)]
    expected = [
        np.log(np.median(np.abs(steps)) / np.median(window) + 0.005),
        np.log(np.sqrt(np.mean(steps**2)) / np.median(window) + 0.005),
        np.mean([a * b < 0 for a, b in zip(steps[1:], steps[:-1], strict=True)]),
        np.log((len(close) + 1) / (len(also) + 1)),
    ]
    assert irregularity(time)[20 + WINDOW // 2] == pytest.approx(expected)
    assert np.isnan(irregularity(time[:WINDOW])).all()


def test_episodes_are_scored_by_number_and_by_time():
    def spans(rows):
        return pd.DataFrame([("c", *row) for row in rows], columns=list(EPISODE_COLUMNS))

    annotated = spans(
        [("a", "a", "N", 0, 100), ("a", "a", "AFIB", 100, 160), ("a", "a", "N", 160, 200)]
        + [("b", "b", "AFIB", 0, 40), ("b", "b", "N", 40, 200)]
    )
    found = spans([("a", "a", "AFIB", 130, 170), ("a", "a", "AFIB", 10, 30), ("quiet", "q", "AFIB", 0, 99)])
    records = pd.DataFrame({"corpus": "c", "record": ["a", "b", "quiet"], "patient": ["a", "b", "q"], "split": "test"})
    scores = evaluate_rhythms(found, annotated, records, EvaluateSettings(bootstrap=20), 1)
    assert list(scores.columns) == list(COLUMNS)
    values = scores.set_index("metric")["value"]
    assert values["episode_sensitivity"] == 1 / 2
    assert values["episode_predictivity"] == 1 / 2  # a record without rhythm labels isn't scored
    assert values["time_sensitivity"] == 30 / 100
    assert values["time_predictivity"] == 30 / 60
    assert scores.set_index("metric")["null_value"]["time_predictivity"] == 100 / 400


def test_fast_runs_are_tachycardia():
    runs = {"corpus": "c", "record": ["a"] * 4, "kind": ["run", "possible_run", "run", "pause"], "start_s": 1.0}
    episodes = pd.DataFrame(
        {**runs, "class": ["V", "V", "S", "V"], "end_s": 3.0, "rate_per_min": [150.0, 90.0, 150, 150]}
    )
    records = pd.DataFrame({"corpus": ["c"], "record": ["a"], "patient": ["p"]})
    found = ventricular_tachycardia(episodes, records)
    assert found.to_dict("records") == [
        {"corpus": "c", "record": "a", "patient": "p", "rhythm": "VT", "start_s": 1.0, "end_s": 3.0}
    ]
