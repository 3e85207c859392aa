"""The branch of diagnoses on small records in the Challenge's form: nothing of the beats' branch; a given bundle."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml

from standins import challenge_record

CONFIG = """\
run: made
targets: [diagnoses]
shards: 1
corpora: [{name: small, format: challenge, role: train, diagnoses: config/labels/snomed.csv}]
diagnoses: {classes: [AF, RBBB], folds: 3, members: 1, width: 4, steps: 10}
"""
SELECT = """\
select:
  folds: 3
  seeds: [1]
  table: declared.csv
  candidates: [{name: plain, change: {}}, {name: shorter, change: {diagnoses: {steps: 12}}}]
"""
GIVEN = CONFIG.replace("run: made", "run: given").replace("role: train", "role: predict")
GIVEN = GIVEN.replace("diagnoses: {", "diagnoses: {bundle: results/made/diagnoses/bundle, ")
CODES = ("164889003", "59118001", "426783006", "164889003,59118001")
N_RECORDS = 12


@pytest.fixture
def project(fresh):
    for name, text in (("made", CONFIG), ("given", GIVEN), ("select", CONFIG + SELECT)):
        (fresh.folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    folder = fresh.folder / "data" / "small" / "training" / "georgia" / "g1"
    for k in range(N_RECORDS):
        notes = ["Age: 74", "Sex: Male", f"Dx: {CODES[k % 4]}", "Rx: Unknown", "Hx: Unknown", "Sx: Unknown"]
        challenge_record(folder, f"E{k:05d}", comments=[f"# {note}" for note in notes], seconds=6 + k / 4)
    return fresh


def test_diagnoses_are_learnt_and_predicted(project) -> None:
    planned = project.planned(config="made.yaml")
    assert planned["train_diagnosis_fold"] == 3
    assert not {"train_network", "mine_prototypes", "predict_shard", "find_alerts"} & set(planned)

    project.snakemake("diagnose", "--cores", "2", config="made.yaml")
    found = pd.read_parquet(project.folder / "results" / "made" / "predictions" / "diagnoses.parquet")
    assert list(found["record"]) == [f"E{k:05d}" for k in range(N_RECORDS)]
    assert set(found["fold"]) == {0, 1, 2}
    assert found[["p_AF", "p_RBBB"]].to_numpy().min() > 0
    assert list(found["label_AF"]) == [1, 0, 0, 1] * 3
    assert set(found["database"]) == {"georgia"}

    the_choice_rests_on_patients_of_the_table(project)

    planned = project.planned("diagnose", config="given.yaml")
    assert planned["predict_diagnoses"] == planned["measure_diagnoses"] == 1
    assert not {"train_diagnosis_fold", "bundle_diagnoses"} & set(planned)


def the_choice_rests_on_patients_of_the_table(project) -> None:
    rows = [f"small,E{k:05d},{'test' if k in (4, 5) else 'train'}" for k in range(N_RECORDS)]
    (project.folder / "declared.csv").write_text("\n".join(["corpus,record,split", *rows]) + "\n", encoding="utf-8")
    project.snakemake("select", "--cores", "2", config="select.yaml")
    folder = project.folder / "results" / "made" / "selection" / "diagnoses"
    for name in ("plain", "shorter"):
        table = pd.read_parquet(folder / "held_out" / name / "1.parquet")
        assert set(table["record"]) == {f"E{k:05d}" for k in range(N_RECORDS)} - {"E00004", "E00005"}
        assert (table.groupby("record")["outer"].nunique() == 3).all()
    assert set(pd.read_csv(folder / "scores.csv")["candidate"]) == {"plain", "shorter", "(nested)"}
    choice = yaml.safe_load((folder / "choice.yaml").read_text(encoding="utf-8"))
    assert choice in ({}, {"diagnoses": {"steps": 12}})
    stacked = ["--configfile", "made.yaml", "results/made/selection/diagnoses/choice.yaml"]
    assert ("train_diagnosis_fold" in project.planned("diagnose", *stacked, config=None)) is bool(choice)
