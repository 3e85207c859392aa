"""Settings of networks of diagnoses compared by left-out patients: scores, the choice, and what it must never see."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from sklearn.metrics import roc_auc_score

from beatlens.config.load import candidate_problems
from beatlens.figures.selection import selection_figure
from beatlens.inputs.diagnoses.feature_file import write_features
from beatlens.inputs.diagnoses.intervals import INTERVAL_CONTENT
from beatlens.inputs.diagnoses.record_features import RecordFeatures
from beatlens.inputs.diagnoses.rhythm import RHYTHM_STATISTICS
from beatlens.learning.diagnoses.settings import DiagnosisSettings
from beatlens.models.diagnosis_features import LeadMeasurements
from beatlens.selection.choice import AUROC_TO_BEST, MEAN, choose, overlay_text
from beatlens.selection.diagnoses import (
    NESTED,
    cross_fitted,
    diagnosis_scores,
    last_word,
    learning_records,
    nested_choice,
    nested_text,
)

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ("AF", "PVC")
OPTIONS = {"draws": 200, "level": 0.95, "seed": 1}


def said(noise, *, seed=1, n=90):
    """Predictions of one candidate: logits that follow the labels but for noise, from networks of three folds."""
    rng = np.random.default_rng(0)
    labels = (rng.random((n, 2)) < 0.4).astype(int)
    rng = np.random.default_rng(seed)
    rows = []
    for outer in range(3):
        for k in range(n):
            logits = 2.0 * labels[k] - 1 + noise * rng.normal(size=2)
            rows.append(("c", f"r{k:02d}", f"p{k // 2}", k // 2 % 3, outer, *labels[k], *logits))
    columns = ["corpus", "record", "patient", "fold", "outer", "label_AF", "label_PVC", "logit_AF", "logit_PVC"]
    return pd.DataFrame(rows, columns=columns).sort_values(["corpus", "record", "outer"], ignore_index=True)


def of_all(tables):
    return {name: {seed: last_word(table) for seed, table in by_seed.items()} for name, by_seed in tables.items()}


@pytest.fixture(scope="module")
def tables():
    return {name: {s: said(noise, seed=10 * s + c) for s in (1, 2)}
            for c, (name, noise) in enumerate({"poor": 4.0, "fair": 1.5, "good": 1.4}.items())}  # fmt: skip


@pytest.fixture(scope="module")
def scores(tables):
    return diagnosis_scores(of_all(tables), **OPTIONS)


def value(scores, candidate, metric, seed=MEAN, of="all"):
    row = scores[(scores["candidate"] == candidate) & (scores["metric"] == metric) & (scores["class"] == of)]
    return row[row["seed"] == seed].iloc[0]


def test_scores_are_areas_under_the_roc_curve_of_patients_left_out(tables, scores):
    table = last_word(tables["fair"][2])
    assert len(table) == 90
    areas = [roc_auc_score(table[f"label_{name}"], table[f"logit_{name}"]) for name in CLASSES]
    for name, area in zip(CLASSES, areas, strict=True):
        assert value(scores, "fair", "auroc", "2", name)["value"] == pytest.approx(area)
    assert value(scores, "fair", "macro_auroc", "2")["value"] == pytest.approx(np.mean(areas))
    row = value(scores, "fair", "macro_auroc")
    assert row["lo"] < row["value"] < row["hi"]
    assert value(scores, "poor", AUROC_TO_BEST)["value"] < -0.1
    spoilt = of_all(tables)
    spoilt["fair"][1] = spoilt["fair"][1].iloc[2:].reset_index(drop=True)
    with pytest.raises(ValueError, match=r"candidate fair, seed 1: 88 records; expected the 90 of the first"):
        diagnosis_scores(spoilt, **OPTIONS)


def test_the_first_that_is_not_surely_worse_is_chosen_and_written_as_an_overlay(scores):
    choice = choose(scores)
    assert choice.chosen == "fair"  # as good as the good one, and listed before it
    text = overlay_text(choice, scores, {"diagnoses": {"steps": 30}}, "trial", 0.95)
    assert yaml.safe_load(text) == {"diagnoses": {"steps": 30}}
    assert "# Macro AUROC over left-out patients" in text
    figure = selection_figure(scores, choice.chosen, MEAN, AUROC_TO_BEST)
    assert figure.axes[0].get_title(loc="left") == "Macro AUROC on left-out patients"


def test_a_choice_for_a_fold_rests_on_the_other_folds_alone(tables):
    found, chosen = nested_choice(tables, **OPTIONS)
    assert set(found["candidate"]) == {NESTED}
    assert {name for names in chosen.values() for name in names} == {"fair", "good"}
    for seed, names in chosen.items():
        parts = [last_word(tables[name][seed]) for name in names]
        table = pd.concat([part[part["fold"] == fold] for fold, part in enumerate(parts)])
        areas = [roc_auc_score(table[f"label_{name}"], table[f"logit_{name}"]) for name in CLASSES]
        assert value(found, NESTED, "macro_auroc", str(seed))["value"] == pytest.approx(np.mean(areas))
    assert "fair 5, good 1" in nested_text(found, {"fair": 5, "good": 1})
    spoilt = {name: dict(by_seed) for name, by_seed in tables.items()}
    for by_seed in spoilt.values():  # what is said of fold 0, by whatever network, has no part in its choice
        for seed, table in by_seed.items():
            noise = np.random.default_rng(seed).normal(size=(len(table), 2))
            of_zero = (table["fold"] == 0).to_numpy()[:, None]
            by_seed[seed] = table.copy()
            by_seed[seed][["logit_AF", "logit_PVC"]] = np.where(of_zero, noise, table[["logit_AF", "logit_PVC"]])
    again = nested_choice(spoilt, **OPTIONS)
    assert [names[0] for names in again[1].values()] == [names[0] for names in chosen.values()]
    assert value(again[0], NESTED, "macro_auroc")["value"] < value(found, NESTED, "macro_auroc")["value"] - 0.05


SETTINGS = {
    "diagnoses": asdict(DiagnosisSettings(members=1, width=4, steps=10)),
    "signal": {"fs": 100},
    "beats": {"before_s": 0.25, "after_s": 0.4},
    "select": {"folds": 3},
    "seed": 3,
}


@pytest.fixture(scope="module")
def measured():
    """Labels of 30 made records of 2 beats in 2 leads, and what is measured of them."""
    torch.manual_seed(2)
    n, size = 30, LeadMeasurements(25, 40, 100.0, 26).size + len(INTERVAL_CONTENT)
    labels = pd.DataFrame({"corpus": "c", "record": [f"r{k:02d}" for k in range(n)], "database": "d"})
    labels = labels.assign(patient=[f"p{k}" for k in range(n)], fold=[k % 3 for k in range(n)])
    labels = labels.assign(label_AF=[k % 2 for k in range(n)], label_PVC=[k % 3 // 2 for k in range(n)])
    features = RecordFeatures(
        leads=("II", "V1"), lead_ids=torch.tensor([1, 6]), features=torch.randn(2 * n, 2, size),
        present=torch.ones(n, 2, dtype=torch.bool), record=torch.arange(n).repeat_interleave(2),
        rhythm=torch.randn(n, len(RHYTHM_STATISTICS)),
    )  # fmt: skip
    return labels, features


def fitted(folder, labels, features, chosen=None):
    keys = list(zip(labels["corpus"], labels["record"], strict=True))
    write_features(folder / "features.npz", keys, features)
    return cross_fitted(labels if chosen is None else chosen, [folder / "features.npz"], SETTINGS, None)


def test_each_fold_is_predicted_without_it_and_without_one_more(tmp_path, measured):
    labels, features = measured
    table = fitted(tmp_path, labels, features)
    assert len(table) == 3 * len(labels)
    assert (table.groupby("patient")["fold"].nunique() == 1).all()
    homes = table.drop_duplicates("record").set_index("record")["fold"]
    in_one = torch.from_numpy((labels["record"].map(homes) == 1).to_numpy())[features.record]
    spoilt = replace(features, features=torch.where(in_one[:, None, None], 3.0, features.features))
    again = fitted(tmp_path, labels, spoilt)
    same = (table["logit_AF"] == again["logit_AF"]) & (table["logit_PVC"] == again["logit_PVC"])
    without_one = (table["fold"] != 1) & (table["outer"] == 1)
    assert without_one.sum() == (homes != 1).sum()
    assert same[without_one].all()
    assert not same[~without_one].any()


def test_records_that_a_table_sets_aside_are_not_looked_at(tmp_path, measured):
    labels, features = measured
    rows = [f"c,r{k:02d},{'test' if k in (4, 5) else 'train'}" for k in range(30)]
    (tmp_path / "table.csv").write_text("\n".join(["corpus,record,split", *rows]) + "\n", encoding="utf-8")
    untaught = labels.assign(fold=labels["fold"].where(labels["record"] != "r29", -1))
    chosen = learning_records(untaught, tmp_path / "table.csv")
    assert sorted(set(labels["record"]) - set(chosen["record"])) == ["r04", "r05", "r29"]
    first = fitted(tmp_path, labels, features, chosen)
    values = features.features.clone()
    values[[8, 9, 10, 11, 58, 59]] = torch.nan
    pd.testing.assert_frame_equal(first, fitted(tmp_path, labels, replace(features, features=values), chosen))


def test_a_candidate_may_change_what_trains_a_network_and_nothing_else(config):
    schema = json.loads((ROOT / "workflow" / "schemas" / "config.schema.json").read_text(encoding="utf-8"))
    corpora = [{"name": "c", "format": "challenge", "role": "train", "diagnoses": "config/labels/snomed.csv"}]

    def problems(change, **select):
        section = {**config["select"], "candidates": [{"name": "one", "change": change}], **select}
        changed = {**config, "targets": ["diagnoses"], "corpora": corpora, "select": section}
        return [(key, value) for key, value, _ in candidate_problems(changed, schema, [ROOT])]

    assert problems({"diagnoses": {"steps": 50, "dropout": 0.2}}) == []
    assert problems({"diagnoses": {"folds": 4}}) == [("select.candidates[0].change.diagnoses.folds", 4)]
    assert problems({"model": {"members": 1}})[0][0] == "select.candidates[0].change.model"
    assert problems({}, folds=2)[0] == ("select.folds", 2)
