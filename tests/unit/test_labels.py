from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from beatlens.core.record import Annotations
from beatlens.corpora.label_table import UNKNOWN, LabelTable, flutter_intervals, noise_intervals
from beatlens.corpora.registry import read_patients
from beatlens.corpora.wfdb.record import read_record

CONFIG = Path(__file__).resolve().parents[2] / "config"
HEAD = "symbol,aux,class,description\n"


def read_text(tmp_path: Path, text: str) -> LabelTable:
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    return LabelTable.read(path)


def test_specific_note_wins_and_non_beats_need_no_row(tmp_path: Path) -> None:
    table = read_text(tmp_path, HEAD + "N,,N,normal\nN,STE,STE,elevated\n+,,,rhythm\n")
    assert table.classify(["N", "N", "N", "+", "~"], ["", "STE", "other", "(N", ""]) == ["N", "STE", "N", "", ""]
    assert table.classes == ("N", "STE")
    assert table.beat_symbols == {"N"}
    assert table.classify(["V"], [""]) == [UNKNOWN]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("symbol,class\nN,N\n", "columns"),
        (HEAD + "N,,N,x\nN,,V,y\n", "line 3: symbol 'N'.*each pair once"),
        (HEAD + ",,N,x\n", "line 2: symbol ''"),
        (HEAD + "N,,N;V,x\n", "line 2: class 'N;V'"),
        (HEAD + "N,,none,x\n", "line 2: class 'none'"),
        (HEAD + "N,,?,x\n", "line 2: class '[?]'"),
        (HEAD + "N,,N\n", "line 2: .*expected 4 values"),
        (HEAD + "+,,,rhythm\n", "no row has a class"),
    ],
)
def test_bad_table_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_text(tmp_path, text)


def test_aami_classes_of_mitdb() -> None:
    table = LabelTable.read(CONFIG / "labels" / "mitdb.csv")
    of = {symbol: label for (symbol, _), label in table.rules.items()}
    expected = {"N": "NLRej", "S": "AaJS", "V": "VE", "F": "F", "Q": "/fQ"}
    assert {label: {s for s in of if of[s] == label} for label in expected} == {k: set(v) for k, v in expected.items()}
    assert table.classify(["!", "[", '"', "x"], [""] * 4) == [""] * 4


def marks(*rows: tuple[int, str, int, str]) -> Annotations:
    samples, symbols, subtypes, notes = zip(*rows, strict=True)
    return Annotations(np.array(samples, dtype=np.int64), symbols, notes, subtypes)


def test_noise_by_subtype_as_in_mitdb() -> None:
    found = marks((10, "~", 1, ""), (20, "~", 3, ""), (30, "~", 0, ""), (40, "N", 0, ""), (50, "~", -1, ""))
    assert noise_intervals(found, 100) == [(10, 30), (50, 100)]
    assert noise_intervals(found, 100, every_of=2) == [(20, 30), (50, 100)]
    unreadable = marks((5, "~", 0x22, ""), (9, "~", 0, ""))
    assert noise_intervals(unreadable, 20) == [(5, 9)]
    assert noise_intervals(unreadable, 20, every_of=2) == []


def test_noise_by_note_as_in_the_embedded_corpus() -> None:
    # Twelve leads don't fit a subtype, so the note counts where there is one.
    found = marks((10, "~", 0, "c" * 11 + "n"), (20, "~", 0, "c" * 12), (30, "~", 15, "n" * 12), (44, "~", 0, "c" * 12))
    assert noise_intervals(found, 50) == [(10, 20), (30, 44)]
    assert noise_intervals(found, 50, every_of=12) == [(30, 44)]


def test_flutter_spans() -> None:
    found = marks((1, "]", 0, ""), (5, "[", 0, ""), (7, "!", 0, ""), (9, "]", 0, ""), (15, "[", 0, ""))
    assert flutter_intervals(found, 20) == [(5, 10), (15, 20)]


def splits() -> dict[str, set[str]]:
    return split_table("ds1ds2")


def split_table(name: str) -> dict[str, set[str]]:
    with (CONFIG / "splits" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["corpus"] == "mitdb" for row in rows)
    assert len({row["record"] for row in rows}) == len(rows)
    return {split: {row["record"] for row in rows if row["split"] == split} for split in {row["split"] for row in rows}}


def test_ds1_ds2_of_de_chazal() -> None:
    parts = splits()
    ds1 = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230".split()
    ds2 = "100 103 105 111 113 117 121 123 200 202 210 212 213 214 219 221 222 228 231 232 233 234".split()
    assert parts["train"] == set(ds1)
    assert parts["test"] == set(ds2)
    assert parts["paced"] == {"102", "104", "107", "217"}
    assert read_patients(CONFIG / "patients" / "mitdb.csv") == {"201": "201", "202": "201"}


def test_development_never_opens_a_record_of_ds2() -> None:
    parts, development = splits(), split_table("ds1dev")
    assert set.union(*development.values()) == parts["train"]
    overlay = yaml.safe_load((CONFIG / "mitdb-dev.yaml").read_text(encoding="utf-8"))
    records = {corpus["name"]: corpus["records"] for corpus in overlay["corpora"]}
    assert set(records["mitdb"]) == parts["train"]
    assert development["test"]
    assert not development["test"] & development["train"]


@pytest.mark.real_data
def test_beats_of_mitdb_by_class(real_corpus) -> None:
    folder = real_corpus("mitdb")
    table = LabelTable.read(CONFIG / "labels" / "mitdb.csv")
    patients = read_patients(CONFIG / "patients" / "mitdb.csv")
    counts: dict[str, Counter[str]] = {}
    leads = {}
    people = {}
    for split, records in splits().items():
        for name in records:
            record = read_record(folder, name, "mitdb", patients)
            assert record.annotations is not None
            assert (record.fs, record.signal.shape[1]) == (360, 650000)
            labels = Counter(table.classify(record.annotations.symbol, record.annotations.aux))
            counts.setdefault(split, Counter()).update(labels)
            leads[name], people[name] = record.leads, record.patient
    assert [counts["train"][label] for label in "NSVFQ"] == [45866, 944, 3788, 415, 8]
    assert [counts["test"][label] for label in "NSVFQ"] == [44259, 1837, 3221, 388, 7]
    assert leads["114"] == ("V5", "II")
    assert [name for name in leads if "II" not in leads[name]] == sorted(["102", "104"], key=list(leads).index)
    assert len(set(people.values())) == 47
    assert people["201"] == people["202"]
