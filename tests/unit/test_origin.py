"""What a model learnt from: counts, words, and scores with intervals over patients."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import precision_recall_fscore_support

from beatlens.prediction.origin import Origin, held_out_scores, origin_of, real_corpora

CORPORA = [
    {"name": "real", "format": "wfdb", "licence": "ODC-By 1.0", "attribution": "The Database (Author 2001)"},
    {"name": "made", "format": "synthetic"},
    {"name": "noise", "format": "wfdb"},
]
RECORDS = pd.DataFrame(
    {
        "corpus": ["real", "real", "real", "made", "noise"],
        "record": list("abcde"),
        "patient": ["p", "p", "q", "m", "e"],
        "role": ["train"] * 4 + ["noise"],
        "split": ["train", "train", "test", "none", ""],
        "duration_s": [1800.0, 1800.0, 99.0, 99.0, 600.0],
        "leads": ["II;V1", "II", "V5", "V2", "x"],
        "fs": [360.0, 250.0, 128.0, 500.0, 360.0],
    }
)


def test_it_counts_what_training_had_and_says_so():
    origin = origin_of(RECORDS, CORPORA, {"V": 3, "N": 1200}, ("V5", "II", "V1"), [])
    assert [(c.name, c.made, c.noise, c.records, c.patients) for c in origin.corpora] == [
        ("real", False, False, 2, 1),
        ("noise", False, True, 1, 1),
    ]
    assert origin.corpora[0].hours == 1
    assert origin.leads == (("II", 2), ("V1", 1))
    assert origin.rates_hz == (("250", 1), ("360", 1))
    words = origin.words()
    for part in ("real recordings", "The Database (Author 2001)", "licence ODC-By 1.0", "3 V, 1,200 N", "II in 2"):
        assert part in words
    assert not origin.made
    assert Origin.from_json(json.loads(json.dumps(origin.to_json()))) == origin


def test_made_alone_is_made_and_a_real_corpus_beside_it_is_not():
    made = RECORDS.assign(split=["none", "none", "none", "train", ""])
    origin = origin_of(made, CORPORA, {"N": 1}, ("V2",), [])
    assert origin.made, "noise that was recorded makes no heart"
    assert "made records alone" in origin.words()
    both = replace(origin, corpora=(*origin.corpora, replace(origin.corpora[0], made=False)))
    assert not both.made
    roles = ["predict", "predict", "noise"]
    assert real_corpora([c | {"role": role} for c, role in zip(CORPORA, roles, strict=True)]) == ["real"]


def test_scores_are_those_of_an_independent_implementation_with_intervals_over_patients():
    rng = np.random.default_rng(3)
    target = rng.integers(0, 3, 900)
    predicted = np.where(rng.random(900) < 0.8, target, rng.integers(0, 3, 900))
    patients = np.array([f"p{k // 90}" for k in range(900)])
    scores = held_out_scores(predicted, target, patients, ("N", "S", "V"), 1)
    values = {(score.name, score.metric): score for score in scores}
    expected = precision_recall_fscore_support(target, predicted)
    for k, name in enumerate("NSV"):
        for metric, column in (("precision", 0), ("recall", 1), ("f1", 2)):
            score = values[name, metric]
            assert score.value == pytest.approx(expected[column][k])
            assert score.lo < score.value < score.hi
            assert score.n == expected[3][k]
    one = held_out_scores(predicted, target, np.array(["p"] * 900), ("N", "S", "V"), 1)
    assert {(score.lo, score.hi) for score in one} == {(None, None)}
    none = held_out_scores(np.zeros(4, dtype=np.int64), np.zeros(4, dtype=np.int64), patients[:4], ("N", "V"), 1)
    assert [score.value for score in none if score.name == "V"] == [None] * 3
    assert held_out_scores(predicted, target, patients, ("N", "S", "V"), 1) == scores
