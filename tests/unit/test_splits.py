from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from beatlens.core.seeds import derive_seed
from beatlens.learning.held_out import HELD_OUT, fold_tables
from beatlens.shards.patients import patient_keys
from beatlens.shards.settings import SplitSettings
from beatlens.shards.splits import DEALT_SPLITS, assert_disjoint, assign_splits, deal_patients

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
SETTINGS = SplitSettings(**CONFIG["split"])
CLASSES = ["N", "S", "V"]


def corpus(n_patients: int, seed: int = 0, records_each: int = 2) -> pd.DataFrame:
    """Every patient has N, a third S, a fifth V."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(n_patients):
        has = {"n_N": 50, "n_S": 5 * (rng.random() < 1 / 3), "n_V": 5 * (rng.random() < 1 / 5)}
        for j in range(records_each):
            rows.append(
                {"corpus": "c", "record": f"r{k}_{j}", "patient": f"p{k}", "role": "train", "labelled": True} | has
            )
    return pd.DataFrame(rows)


def split_of_patient(records: pd.DataFrame, seed: int = 1) -> dict[str, str]:
    records = records.assign(split=assign_splits(records, replace(SETTINGS, seed=seed), CLASSES))
    assert (records.groupby("patient")["split"].nunique() == 1).all()
    return dict(zip(records["patient"], records["split"], strict=True))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_patients", [24, 60, 300])
def test_every_class_has_about_its_share_of_patients_in_every_split(n_patients: int, seed: int) -> None:
    records = corpus(n_patients, seed)
    split = split_of_patient(records, seed)
    for label in CLASSES:
        patients = sorted(set(records.loc[records[f"n_{label}"] > 0, "patient"]))
        for name in DEALT_SPLITS:
            count, share = sum(split[who] == name for who in patients), getattr(SETTINGS.fractions, name)
            if len(patients) >= len(DEALT_SPLITS):
                assert count >= 1, (label, name)
            assert abs(count - share * len(patients)) <= max(2.0, 0.25 * share * len(patients)), (label, name)


def test_the_same_patients_get_the_same_splits_in_any_order_and_another_seed_others() -> None:
    records = corpus(60)
    split = split_of_patient(records)
    assert split_of_patient(records.sample(frac=1, random_state=3)) == split
    assert split_of_patient(records, seed=2) != split


def test_a_new_record_moves_few_patients() -> None:
    records = corpus(60)
    split = split_of_patient(records)
    known = records.iloc[[0]].assign(record="extra")
    assert split_of_patient(pd.concat([records, known])) == split
    moved = []
    for k in range(30):
        rare = k % 2 * 5
        new = records.iloc[[0]].assign(record="new", patient=f"new{k}", n_S=rare, n_V=rare)
        after = split_of_patient(pd.concat([records, new]))
        moved.append(sum(after[who] != split[who] for who in split))
    assert np.mean(moved) <= 4
    assert max(moved) <= 9


def test_roles_and_unlabelled_records() -> None:
    records = corpus(20)
    records.loc[0, "role"], records.loc[2, "role"], records.loc[4, "role"] = "test", "predict", "noise"
    records.loc[[0, 2, 4], "patient"] = ["a", "b", "c"]
    records.loc[6:7, "labelled"] = False
    split = assign_splits(records, SETTINGS, CLASSES)
    assert [split[k] for k in (0, 2, 4, 6, 7)] == ["test", "none", "none", "none", "none"]


def test_a_patient_of_two_roles_is_a_leak() -> None:
    records = corpus(20)
    dealt = split_of_patient(records)
    who = next(name for name, split in dealt.items() if split == "train")
    records.loc[records["patient"] == who, "role"] = ["test", "train"]
    with pytest.raises(ValueError, match=f"c/{who}.*more than one split|more than one split.*c/{who}"):
        assign_splits(records, SETTINGS, CLASSES)


def test_a_missing_class_is_named(caplog: pytest.LogCaptureFixture) -> None:
    records = corpus(30)
    records["n_V"] = 0
    records.loc[0:1, "n_V"] = 3
    with caplog.at_level(logging.WARNING):
        split = assign_splits(records, SETTINGS, CLASSES)
    assert split[0] == "train"
    assert sum("no beats of V" in message for message in caplog.messages) == 3


@pytest.mark.parametrize("n_patients", [0, 1, 2, 3])
def test_tiny_corpora(n_patients: int) -> None:
    records = corpus(max(n_patients, 1))[: 2 * n_patients]
    split = assign_splits(records, SETTINGS, CLASSES)
    assert len(split) == 2 * n_patients
    assert len(set(split)) == n_patients
    if n_patients:
        assert "train" in split


def mitdb_records() -> pd.DataFrame:
    names = [str(k) for k in (100, 101, 102, 201, 202)]
    patients = ["100", "101", "102", "201", "201"]
    counts = {f"n_{label}": [1] * 5 for label in CLASSES}
    return pd.DataFrame(
        {"corpus": "mitdb", "record": names, "patient": patients, "role": "train", "labelled": True} | counts
    )


def test_the_mit_bih_table_declares_its_one_overlap(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    settings = SplitSettings(scheme="table", table="config/splits/ds1ds2.csv")
    table = ROOT / "config" / "splits" / "ds1ds2.csv"
    with caplog.at_level(logging.WARNING):
        assert assign_splits(mitdb_records(), settings, CLASSES, table) == [
            "test",
            "train",
            "paced",
            "train",
            "test",
        ]
    assert any("201" in message and "declares" in message for message in caplog.messages)
    undeclared = tmp_path / "table.csv"
    undeclared.write_text(
        "corpus,record,split\n"
        + "".join(
            f"mitdb,{record},{split}\n"
            for record, split in ((100, "test"), (101, "train"), (201, "train"), (202, "test"))
        )
    )
    with pytest.raises(ValueError, match="mitdb/201"):
        assign_splits(mitdb_records(), settings, CLASSES, undeclared)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("corpus,record\nmitdb,100\n", "expected"),
        ("corpus,record,split\nmitdb,100,Train\n", "Train"),
        ("corpus,record,split\nmitdb,100,train\nmitdb,100,test\n", "listed twice"),
    ],
)
def test_a_malformed_table_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        assign_splits(mitdb_records(), SplitSettings(scheme="table", table=str(path)), CLASSES)


def test_the_same_patient_id_in_two_corpora_is_two_people() -> None:
    assert_disjoint(["a", "b"], ["1", "1"], ["x", "y"], ["train", "test"])
    with pytest.raises(ValueError, match="a/1"):
        assert_disjoint(["a", "a"], ["1", "1"], ["x", "y"], ["train", "test"])
    assert_disjoint(["a", "a"], ["1", "1"], ["x", "y"], ["train", "paced"])


def test_one_person_in_two_corpora_is_dealt_once() -> None:
    here = corpus(60, records_each=1)
    copies = here.assign(corpus="copy", patient="@c/" + here["patient"])  # named as those of the other corpus
    records = pd.concat([here, copies], ignore_index=True)
    split = assign_splits(records, SETTINGS, CLASSES)
    assert split[: len(here)] == split[len(here) :]
    assert split[: len(here)] == assign_splits(here, SETTINGS, CLASSES)
    with pytest.raises(ValueError, match="c/p0"):
        assert_disjoint(["c", "copy"], ["p0", "@c/p0"], ["a", "b"], ["train", "test"])
    assert_disjoint(["c", "copy"], ["p0", "p0"], ["a", "b"], ["train", "test"])


def test_dealing_without_repair_follows_the_draws() -> None:
    draws = np.array([derive_seed(1, str(k)) / 2**63 for k in range(4000)])
    dealt = deal_patients(np.zeros((4000, 0), dtype=bool), draws, [0.5, 0.1, 0.15, 0.25])
    np.testing.assert_array_equal(dealt, np.searchsorted([0.5, 0.6, 0.75], draws, side="right"))


@pytest.mark.parametrize(
    "change", [{"scheme": "random"}, {"scheme": "table"}, {"fractions": {"train": 0.5}}, {"fractions": {"dev": 1.0}}]
)
def test_impossible_settings_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="split"):
        SplitSettings(**(CONFIG["split"] | change))


def test_a_person_of_two_corpora_is_in_one_fold_and_has_one_key():
    people = [("a", f"p{k}") for k in range(6)] + [("b", f"@a/p{k}") for k in range(6)]
    records = pd.DataFrame(people, columns=["corpus", "patient"])
    records = records.assign(record=[f"r{k}" for k in range(12)], split="train", n_N=1, n_V=1)
    assert patient_keys(records).tolist() == [f"a/p{k}" for k in range(6)] * 2
    left_out = []
    for table in fold_tables(records, ("N", "V"), 3, seed=1):
        moved = (table["split"] == HELD_OUT).to_numpy()
        assert (moved[:6] == moved[6:]).all()
        left_out.append(moved)
    assert (np.sum(left_out, axis=0) == 1).all()
