"""Every overlay in config/corpora reads its stand-in: names, leads, patients, labels and what can't be used."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml

from beatlens.beats.preprocess import PreprocessSettings
from beatlens.beats.preprocess_shard import CorpusSource, preprocess_shard
from beatlens.config.load import load_config
from beatlens.corpora.formats.rules import ReadingRules, told_rules
from beatlens.corpora.index import update_sheet
from beatlens.corpora.label_table import LabelTable
from beatlens.shards.shard import Shard
from standins import DATABASES, STAND_INS, TWELVE

ROOT = Path(__file__).parents[2]
OVERLAYS = sorted(path.stem for path in (ROOT / "config" / "corpora").glob("*.yaml"))
BUNDLE_LEADS = {"II", "V1", "V2", "V4", "V5"}
TWO = ("II", "V1")
CHEST = tuple(lead for lead in TWELVE if lead in BUNDLE_LEADS)
EXPECTED = {
    "afdb": {"00735": "zero_length", "04015": TWO},
    "challenge-2021": dict.fromkeys(DATABASES.values(), CHEST),
    "cpsc2018": {"A0001": CHEST},
    "cpsc2021": dict.fromkeys(("data_0_1", "data_0_2", "data_64_1"), ("II",)),
    "edb": {"e0103": ("V4",)},
    "incartdb": dict.fromkeys(("I01", "I02", "I03"), CHEST),
    "ltdb": {"14046": TWO, "14157": TWO},
    "ludb": {"1": CHEST, "2": CHEST},
    "nsrdb": {"16265": TWO},
    "ptb-xl": dict.fromkeys(("00001", "00002", "00003"), CHEST),
    "qtdb": {"sel100": ("II", "V5"), "sel30": ("II",)},
    "svdb": {"800": TWO, "820": TWO},
    "vfdb": {"418": ("II",)},
}
"""Used leads of each record, or the reason why it can't be used."""


@pytest.fixture
def preprocess(tmp_path, monkeypatch):
    """Return a function that preprocesses the corpora of an overlay, whose stand-ins it writes."""
    monkeypatch.delenv("BEATLENS_DATA", raising=False)

    def run(overlay) -> Shard:
        config = load_config(overlay, ROOT, tmp_path)
        corpora, data = config["corpora"], tmp_path / "data"
        for corpus in corpora:
            if not (data / corpus["name"]).exists():
                STAND_INS[corpus["name"]](data / corpus["name"])
        folders = {corpus["name"]: data / corpus["name"] for corpus in corpora}
        told = told_rules(corpora)
        tables = {c["name"]: LabelTable.read(ROOT / c["labels"]) for c in corpora if c.get("labels")}
        sources = {
            name: CorpusSource(
                folder, tables.get(name), rules=ReadingRules.from_corpus(told.get(name, {}), folders, {})
            )
            for name, folder in folders.items()
        }
        rows = update_sheet(corpora, None, data, tmp_path / "results")
        preprocess_shard(rows, sources, PreprocessSettings.from_config(config), tmp_path / "shard")
        return Shard(tmp_path / "shard")

    return run


def overlay(name: str):
    return yaml.safe_load((ROOT / "config" / "corpora" / f"{name}.yaml").read_text(encoding="utf-8"))


def test_every_overlay_has_a_stand_in() -> None:
    assert OVERLAYS == sorted(STAND_INS) == sorted(EXPECTED)


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_reads_its_stand_in(preprocess, name) -> None:
    shard = preprocess(overlay(name))
    status = shard.status[shard.status["reason"] != "not_a_record"].set_index("record")
    found = {row.record: tuple(row.leads.split(";")) for row in shard.records.itertuples()}
    assert found | {name: reason for name, reason in status["reason"].items() if reason} == EXPECTED[name]
    records = shard.records.set_index("record")
    assert (records["labelled"] == [name in {"svdb", "incartdb", "ltdb", "edb", "nsrdb"} or record == "sel100"
                                    for record in records.index]).all()  # fmt: skip
    counts = shard.beats().groupby("record").size()
    assert (counts >= 10).all()  # one each .8 s
    assert set(counts.index) == set(records.index)
    assert shard.beats("annotated")["matched"].all()


def test_what_is_known_of_persons(preprocess) -> None:
    described = ("incartdb", "edb", "nsrdb", "ludb", "cpsc2021", "ptb-xl")
    corpora = [corpus for name in described for corpus in overlay(name)["corpora"]]
    shard = preprocess({**overlay("incartdb"), "corpora": corpora})
    found = {
        row.record: (row.patient, row.age, row.sex, row.strat_fold, row.database) for row in shard.records.itertuples()
    }
    assert found["I01"] == found["I02"] == ("1", 65.0, "F", "", "incartdb")
    assert found["I03"][0] == "2"
    assert found["e0103"] == ("e0103", 62.0, "M", "", "edb")
    assert found["16265"] == ("16265", 32.0, "M", "", "nsrdb")
    assert found["1"] == ("1", 51.0, "F", "", "ludb")
    assert [found[name][0] for name in ("data_0_1", "data_0_2", "data_64_1")] == ["0", "0", "64"]
    assert found["00001"] == ("15709", 56.0, "F", "1", "ptb-xl")
    assert found["00002"][0] == "13243"
    assert math.isnan(found["00002"][1])  # 300 stands for more than 89
    ages = shard.remarks[shard.remarks["remark"] == "age"]
    assert ages["record"].tolist() == ["00002"]
    assert "300" in ages["detail"].item()


@pytest.mark.parametrize("database", DATABASES)
def test_each_database_of_the_challenge(preprocess, database) -> None:
    chosen = overlay("challenge-2021")
    chosen["corpora"][0]["databases"] = [database]
    (row,) = preprocess(chosen).records.itertuples()
    assert (row.record, row.database, row.age, row.sex) == (DATABASES[database], database, 74.0, "M")
    assert row.dx == "426783006;59118001"


def test_unknown_leads_are_used_by_their_place(preprocess) -> None:
    chosen = {
        "classes": ["N", "S", "V"],
        "leads": ["II", "unknown", "unknown (2)"],
        "corpora": overlay("vfdb")["corpora"],
    }
    chosen["corpora"][0] |= {"role": "train", "labels": "config/labels/aami.csv", "leads": None}
    shard = preprocess(chosen)
    assert shard.leads("vfdb", "418") == ("unknown", "unknown (2)")
    detail = shard.remarks.set_index("remark").loc["unknown_leads", "detail"]
    assert detail == "unknown is 'ECG', unknown (2) is 'ECG (2)'"


def test_an_ecg_in_two_corpora_has_one_patient(preprocess) -> None:
    from beatlens.shards.patients import patient_key

    both = {**overlay("ptb-xl"), "corpora": [*overlay("challenge-2021")["corpora"], *overlay("ptb-xl")["corpora"]]}
    records = preprocess(both).records
    keys = {(row.corpus, row.record): patient_key(row.corpus, row.patient) for row in records.itertuples()}
    assert keys["challenge-2021", "HR00002"] == keys["ptb-xl", "00002"] == "ptb-xl/13243"
    assert keys["challenge-2021", "A0001"] == "challenge-2021/A0001"
