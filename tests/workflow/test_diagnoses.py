"""The branch of diagnoses on made records: nothing of the beats' branch, whatever the shards; a given bundle."""

from __future__ import annotations

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

CONFIG = """\
run: made
targets: [diagnoses]
corpora:
  - {name: synthetic, format: synthetic, role: train, labels: config/labels/synthetic.csv,
     diagnoses: config/labels/snomed.csv}
synthetic: {ambulatory_patients: 4, ambulatory_s: 12, ambulatory_fs: [250], clinical_patients: 12, clinical_records: 1}
diagnoses: {classes: [RBBB, LBBB], folds: 3, members: 1, width: 4, steps: 20}
"""
GIVEN = CONFIG.replace("run: made", "run: given").replace("role: train", "role: predict")
GIVEN = GIVEN.replace("diagnoses: {", "diagnoses: {bundle: results/made/diagnoses/bundle, ")


@pytest.fixture
def project(fresh):
    for name, text in (("made", CONFIG), ("given", GIVEN), ("shards", CONFIG.replace("run: made", "run: again"))):
        (fresh.folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return fresh


def test_diagnoses_are_learnt_and_predicted(project) -> None:
    planned = project.planned(config="made.yaml")
    assert planned["train_diagnosis_fold"] == 3
    assert not {"train_network", "mine_prototypes", "predict_shard", "find_alerts"} & set(planned)

    project.snakemake("diagnose", "--cores", "2", config="made.yaml")
    predictions = project.folder / "results" / "made" / "predictions" / "diagnoses.parquet"
    found = pd.read_parquet(predictions)
    assert len(found) == 16
    assert set(found["fold"]) == {0, 1, 2}
    assert found[["p_RBBB", "p_LBBB"]].to_numpy().min() > 0
    assert set(found["label_RBBB"]) == {0, 1}

    project.snakemake("diagnose", "--cores", "1", "--config", "shards=5", config="shards.yaml")
    again = pd.read_parquet(project.folder / "results" / "again" / "predictions" / "diagnoses.parquet")
    assert_frame_equal(again, found)  # to the bit, whatever the shards and the cores

    project.snakemake("diagnose", "--cores", "1", config="given.yaml")
    given = pd.read_parquet(project.folder / "results" / "given" / "predictions" / "diagnoses.parquet")
    assert set(given["fold"]) == {-1}
    assert list(given.columns) == list(found.columns)
    wrong = project.snakemake("diagnose", "--cores", "1", "--config", "signal={fs: 250}", config="given.yaml", ok=False)
    assert "signal.fs: 250; expected 200" in wrong
