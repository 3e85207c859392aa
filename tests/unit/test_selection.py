"""Scores of candidates, the rule of choice, and what is written of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import accuracy_score, f1_score

from beatlens.figures.selection import selection_figure
from beatlens.selection.choice import MEAN, SCORE_COLUMNS, TO_BEST, candidate_scores, choose, overlay_text
from beatlens.selection.crossfit import calibrated_classes

CLASSES = ("N", "S", "V")
N_PATIENTS, N_BEATS = 20, 60


def predictions(wrong, seed, uneven=0.0):
    """Return predictions of the same beats, of which a share, that varies among patients by `uneven`, is wrong."""
    truth = np.random.default_rng(0).choice(CLASSES, size=(N_PATIENTS, N_BEATS), p=[0.6, 0.2, 0.2])
    rng = np.random.default_rng([1, seed])
    share = np.clip(wrong + uneven * rng.standard_normal(N_PATIENTS), 0, 1)[:, None]
    pred = np.where(rng.random(truth.shape) < share, rng.choice(CLASSES, size=truth.shape), truth)
    patient = np.repeat([f"p{k}" for k in range(N_PATIENTS)], N_BEATS)
    ids = [f"c/r{who}/{k}" for k, who in enumerate(patient)]
    return pd.DataFrame(
        {"beat_id": ids, "corpus": "c", "patient": patient, "label": truth.ravel(), "pred": pred.ravel()}
    )


def mean_row(scores, name, metric, label="all"):
    rows = scores[(scores["candidate"] == name) & (scores["metric"] == metric) & (scores["class"] == label)]
    return rows[rows["seed"] == MEAN].iloc[0]


def predictions_of(wrong):
    return {seed: predictions(wrong, seed) for seed in (1, 2)}


def test_scores_are_those_of_scikit_learn_and_means_over_seeds():
    tables = {"one": predictions_of(0.2), "two": predictions_of(0.3)}
    scores = candidate_scores(tables, CLASSES, draws=50, level=0.95, seed=3)
    assert tuple(scores) == SCORE_COLUMNS
    for name, own in tables.items():
        by_seed = []
        for seed, table in own.items():
            truth, pred = table["label"], table["pred"]
            wanted = {
                ("all", "macro_f1"): f1_score(truth, pred, average="macro"),
                ("all", "accuracy"): accuracy_score(truth, pred),
            }
            wanted |= dict(zip([(k, "f1") for k in CLASSES], f1_score(truth, pred, average=None), strict=True))
            rows = scores[(scores["candidate"] == name) & (scores["seed"] == str(seed))]
            assert dict(
                zip(zip(rows["class"], rows["metric"], strict=True), rows["value"], strict=True)
            ) == pytest.approx(wanted)
            by_seed.append(wanted)
        for label, metric in by_seed[0]:
            row = mean_row(scores, name, metric, label)
            assert row["value"] == pytest.approx(np.mean([own[label, metric] for own in by_seed]))
            assert row["lo"] < row["value"] < row["hi"]
    gap = mean_row(scores, "two", "macro_f1")["value"] - mean_row(scores, "one", "macro_f1")["value"]
    assert mean_row(scores, "two", TO_BEST)["value"] == pytest.approx(gap)
    assert mean_row(scores, "one", TO_BEST)[["value", "lo", "hi", "standard_error"]].tolist() == [0, 0, 0, 0]


def test_differences_are_paired():
    """Patients differ by far more than candidates do, who are wrong in nearly the same beats."""
    hard = predictions(0.3, 1, uneven=0.3)
    better = hard.copy()
    flip = np.flatnonzero(hard["label"] != hard["pred"])[::10]
    better.loc[flip, "pred"] = better.loc[flip, "label"]
    scores = candidate_scores({"hard": {1: hard}, "better": {1: better}}, CLASSES, draws=400, level=0.95, seed=3)
    alone, paired = mean_row(scores, "hard", "macro_f1"), mean_row(scores, "hard", TO_BEST)
    assert 4 * paired["standard_error"] < alone["standard_error"]
    assert paired["hi"] < 0
    assert choose(scores) == ("better", "better")


def test_the_standard_error_holds_what_patients_and_seeds_do():
    """Against the textbook's standard error of a mean over patients, for a score that is one: accuracy."""
    table = predictions(0.3, 1, uneven=0.2)
    own = (table["label"] == table["pred"]).groupby(table["patient"]).mean()
    scores = candidate_scores({"one": {1: table}}, CLASSES, draws=4000, level=0.95, seed=3)
    assert mean_row(scores, "one", "accuracy")["standard_error"] == pytest.approx(
        own.std(ddof=0) / np.sqrt(N_PATIENTS), rel=0.1
    )
    other = table.assign(pred=np.roll(table["pred"], 1))
    both = candidate_scores({"one": {1: table, 2: other}}, CLASSES, draws=400, level=0.95, seed=3)
    values = both[(both["metric"] == "accuracy") & (both["seed"] != MEAN)]["value"]
    assert mean_row(both, "one", "accuracy")["standard_error"] > values.std() / np.sqrt(2)


@pytest.mark.parametrize(
    ("wrong", "chosen"),
    [
        ({"plain": 0.2, "fancy": 0.2}, "plain"),
        ({"fancy": 0.2, "plain": 0.2}, "fancy"),
        ({"plain": 0.4, "fancy": 0.2}, "fancy"),
        ({"poor": 0.5, "plain": 0.2, "fancy": 0.2}, "plain"),
        ({"plain": 0.2, "poor": 0.5}, "plain"),
    ],
)
def test_the_first_that_is_not_surely_worse_is_chosen(wrong, chosen):
    tables = {name: predictions_of(share) for name, share in wrong.items()}
    if wrong["plain"] == wrong.get("fancy"):  # the same but for one beat, which makes the second better
        last = list(wrong)[-1]
        tables[last] = {seed: table.copy() for seed, table in tables[last].items()}
        miss = np.flatnonzero(tables[last][1]["label"] != tables[last][1]["pred"])[0]
        tables[last][1].loc[miss, "pred"] = tables[last][1].loc[miss, "label"]
    scores = candidate_scores(tables, CLASSES, draws=400, level=0.95, seed=3)
    choice = choose(scores)
    assert choice.chosen == chosen
    assert (
        mean_row(scores, choice.best, "macro_f1")["value"]
        == scores[scores["metric"] == "macro_f1"].query("seed == @MEAN")["value"].max()
    )


def test_the_choice_is_an_overlay_that_says_what_it_rests_on():
    scores = candidate_scores(
        {"plain": predictions_of(0.5), "fancy": predictions_of(0.2)}, CLASSES, draws=50, level=0.9, seed=3
    )
    change = {"model": {"name": "context"}, "leads": ["II"]}
    text = overlay_text(choose(scores), scores, change, "trial", 0.9)
    assert yaml.safe_load(text) == change
    comment = [line for line in text.splitlines() if line.startswith("#")]
    assert "run trial: fancy" in comment[0]
    assert any("plain" in line and "below fancy with a standard error" in line for line in comment)
    assert len(selection_figure(scores, "fancy", MEAN, TO_BEST).axes) == 2


def test_other_beats_or_seeds_are_refused():
    tables = {"one": predictions_of(0.2), "two": predictions_of(0.2)}
    options = {"draws": 10, "level": 0.9, "seed": 1}
    with pytest.raises(ValueError, match="candidate two, seed 2: 1199 beats; expected the 1200"):
        candidate_scores(tables | {"two": {1: tables["two"][1], 2: tables["two"][2][1:]}}, CLASSES, **options)
    with pytest.raises(ValueError, match="expected the same for all"):
        candidate_scores(tables | {"two": {1: tables["two"][1]}}, CLASSES, **options)


def test_each_fold_is_calibrated_by_the_others():
    rng = np.random.default_rng(0)
    fold = np.repeat([0, 1], 300)
    patients = [f"p{k // 30}" for k in range(600)]
    target = rng.integers(3, size=600)
    logits = 6 * np.eye(3)[target] + rng.standard_normal((600, 3)) + [0, 0, 7]  # the third class is called too often
    assert (logits.argmax(axis=1) == target).mean() < 0.6
    found = calibrated_classes(logits, target, patients, fold, weighted=True)
    assert (found == target).mean() > 0.95
    nonsense = np.where(fold == 0, rng.permutation(target), target)
    again = calibrated_classes(logits, nonsense, patients, fold, weighted=True)
    np.testing.assert_array_equal(again[fold == 0], found[fold == 0])
    assert (again[fold == 1] != found[fold == 1]).any()
