"""The diagnoses of one record, by name with probability, set and review."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beatlens.report.numbers import listing, score
from beatlens.report.sections.diagnoses import REASON_WORDS

if TYPE_CHECKING:
    import pandas as pd

LEAST = 0.05
"""Probability from which on a diagnosis that wasn't given is listed all the same."""


@dataclass(frozen=True)
class DiagnosisRow:
    """A diagnosis of the record, as text; `known` says whether the record is labelled with it, "" where unknown."""

    name: str
    probability: str
    given: bool
    possible: bool
    known: str


@dataclass(frozen=True)
class DiagnosisSection:
    """Diagnoses of a record: the given ones in words, why a person should look, and a row each."""

    given: str
    review: str
    rows: list[DiagnosisRow]


def diagnosis_section(table: pd.DataFrame | None, names: Mapping[str, str]) -> DiagnosisSection | None:
    """Return the diagnoses of a record, the likeliest first; None where it has no prediction.

    Parameters
    ----------
    table
        The record's rows of ``predictions/diagnoses.parquet``: one, or none.
    names
        Name by id of diagnosis.
    """
    if table is None or not len(table):
        return None
    row: dict[str, Any] = table.iloc[0].to_dict()
    ids = [column.removeprefix("p_") for column in table.columns if column.startswith("p_")]
    given, possible = (set(str(row[name]).split(";")) - {""} for name in ("pred", "conformal_set"))
    known = {1: "yes", 0: "no"}
    shown = [
        name
        for name in sorted(ids, key=lambda name: -row[f"p_{name}"])
        if name in given | possible or row[f"p_{name}"] >= LEAST or row.get(f"label_{name}") == 1
    ]
    reasons = [REASON_WORDS.get(part, part.replace("_", " ")) for part in str(row["reason"]).split(";") if part]
    return DiagnosisSection(
        given=listing(names.get(name, name) for name in ids if name in given) or "none",
        review=(listing(reasons) or "no reason given") if row["review"] else "",
        rows=[
            DiagnosisRow(
                name=names.get(name, name),
                probability=score(float(row[f"p_{name}"])),
                given=name in given,
                possible=name in possible,
                known=known.get(row.get(f"label_{name}", -1), ""),
            )
            for name in shown
        ],
    )
