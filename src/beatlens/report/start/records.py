"""The table of records: a row a record, sorted and searched by the script of the page, readable without it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from beatlens.core.class_names import class_name
from beatlens.core.remarks import REMARKS
from beatlens.holter.urgency import REASONS, most_urgent_first
from beatlens.report.inputs import ReportInputs
from beatlens.report.numbers import DASH, count, duration, percent, small_share
from beatlens.report.start.links import linked_records, record_link

PLAIN_ROWS = 200
"""Rows that a reader without scripts sees; the others wait in a template."""
SHORT_REASONS = 2
"""Reasons of a record that the table names."""


@dataclass(frozen=True)
class Cell:
    """A number as text, and as what it is sorted by; "" where it is undefined, which comes last."""

    text: str
    key: str


@dataclass(frozen=True)
class RecordRow:
    """A record in the table: its cells are those of `RecordTable.columns`, `tags` what it can be chosen by."""

    name: str
    link: str
    patient: str
    split: str
    urgency: int
    reasons: Sequence[str]
    tags: str
    remarks: Sequence[str]
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Column:
    """Heading of a column of numbers, and what it means."""

    name: str
    meaning: str


@dataclass(frozen=True)
class Choice:
    """What rows can be chosen by: tag, text and number of records."""

    tag: str
    text: str
    n: str


@dataclass(frozen=True)
class RecordTable:
    """The table of records.

    Attributes
    ----------
    columns
        Columns of numbers.
    plain, rest
        Rows that a reader without scripts sees, the most urgent first, and the others.
    letters
        Class id and its full name.
    reasons, splits
        What rows can be chosen by.
    meanings
        Remark -> what it means.
    n_pages
        Records that have a page of their own.
    """

    columns: Sequence[Column]
    plain: Sequence[RecordRow]
    rest: Sequence[RecordRow]
    letters: Sequence[str]
    reasons: Sequence[Choice]
    splits: Sequence[Choice]
    meanings: Mapping[str, str]
    n_pages: int


def record_rows(inputs: ReportInputs) -> RecordTable | None:
    """Return the table of records, or None without the Holter table."""
    if inputs.holter is None:
        return None
    table = most_urgent_first(inputs.holter)
    ectopic = [name for name in inputs.classes if f"burden_{name}" in table]
    remarks, linked = _remarks(inputs), linked_records(inputs)
    rows = [
        _row(
            row,
            ectopic,
            remarks.get((row["corpus"], row["record"]), []),
            link=record_link(linked, row["corpus"], row["record"]),
        )
        for row in table.to_dict("records")
    ]
    tally = dict.fromkeys(REASONS, 0)
    for codes in table["urgency_reasons"]:
        for code in filter(None, codes.split(";")):
            tally[code] += 1
    splits = table["split"].value_counts()
    return RecordTable(
        columns=_columns(ectopic, rhythms="af_burden" in table),
        plain=rows[:PLAIN_ROWS],
        rest=rows[PLAIN_ROWS:],
        letters=[f"{name} {class_name(name)}" for name in inputs.classes if class_name(name) != name],
        reasons=[Choice(f"r:{code}", REASONS[code].short, count(n)) for code, n in tally.items() if n],
        splits=[Choice(f"s:{name}", name, count(n)) for name, n in splits.items()] if len(splits) > 1 else [],
        meanings=REMARKS,
        n_pages=len(linked),
    )


def _columns(ectopic: Sequence[str], *, rhythms: bool) -> list[Column]:
    columns = [
        Column("duration", "length of the record"),
        Column("beats", "beats found"),
        Column("rate", "mean rate per minute; in brackets the lowest and the highest over eight RR intervals"),
    ]
    for name in ectopic:
        columns.append(Column(name, f"accepted beats of class {name}, and their share of the accepted beats"))
    columns += [
        Column("runs", "runs of three ectopic beats or more; in brackets the longest"),
        Column("pauses", "pauses over 2 s"),
    ]
    if rhythms:
        columns.append(Column("AF", "share of the analysable time in atrial fibrillation"))
    return [
        *columns,
        Column("review", "share of the beats in review"),
        Column("noise", "time in which beats can't be told"),
    ]


def _row(row: Mapping[str, Any], ectopic: Sequence[str], remarks: Sequence[str], *, link: str) -> RecordRow:
    codes = [code for code in row["urgency_reasons"].split(";") if code]
    shown = [REASONS[code].short for code in codes[:SHORT_REASONS]]
    runs = sum(int(row[f"n_runs_{name}"]) for name in ectopic)
    longest = max((int(row[f"longest_run_{name}"]) for name in ectopic), default=0)
    rate = _number(row["rate_mean"], f"{row['rate_mean']:.0f} ({row['rate_min']:.0f}–{row['rate_max']:.0f})")
    cells = [_number(row["duration_s"], duration(row["duration_s"])), _count(row["n_beats"]), rate]
    for name in ectopic:
        burden = row[f"burden_{name}"]
        number = int(row[f"n_{name}"])
        cells.append(_number(burden, f"{count(number)} ({small_share(burden)})" if number else "0"))
    cells += [_number(runs, f"{count(runs)} ({longest})" if runs else "0"), _count(row["n_pauses_2s"])]
    if "af_burden" in row:
        cells.append(_share(row["af_burden"]))
    cells += [_share(row["n_review"] / row["n_beats"] if row["n_beats"] else math.nan), _share(row["noise_share"])]
    return RecordRow(
        name=f"{row['corpus']}/{row['record']}",
        link=link,
        patient=row["patient"],
        split=row["split"],
        urgency=int(row["urgency"]),
        reasons=[*shown, f"{len(codes) - len(shown)} more"] if len(codes) > len(shown) else shown,
        tags=" ".join([*(f"r:{code}" for code in codes), f"s:{row['split']}"]),
        remarks=remarks,
        cells=cells,
    )


def _remarks(inputs: ReportInputs) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    if inputs.remarks is not None:
        for corpus, record, remark in inputs.remarks[["corpus", "record", "remark"]].itertuples(index=False):
            of_record = found.setdefault((corpus, record), [])
            if remark not in of_record:
                of_record.append(remark)
    return found


def _number(value: float, text: str) -> Cell:
    return Cell(text, f"{value:.6g}") if math.isfinite(value) else Cell(DASH, "")


def _count(value: float) -> Cell:
    return _number(value, count(value))


def _share(value: float) -> Cell:
    return _number(value, percent(value))
