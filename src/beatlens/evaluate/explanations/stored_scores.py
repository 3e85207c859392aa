"""Scores of the cases of a shard as two tables, and back: numbers keep their bits."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from beatlens.core.files import read_table, write_table
from beatlens.evaluate.explanations.cohort import AGREEMENT, PART, CaseParts
from beatlens.evaluate.explanations.table import CaseScores, Score

if TYPE_CHECKING:
    import pandas as pd

SCORE_COLUMNS = {
    "case": "case id",
    "record": "corpus/record",
    "patient": "patient of the bootstrap",
    "label": "class of the case",
    "method": "method, '' in the one row of a case without a score",
    "metric": "what is measured",
    "truth": "against which truth",
    "value": "its value, or the numerator of a ratio",
    "null_name": "null beside it",
    "null_value": "the null's value or numerator",
    "denominator": "of a ratio, else NaN",
}
PART_COLUMNS = {
    "case": "case id",
    "patient": "corpus/patient",
    "label": "class of the case",
    "outcome": "correct, wrong or something else",
    "kind": "part or agreement",
    "method": "method, or pair of methods",
    "wave": "wave",
    "lead": "lead",
    "value": "signed share, or rank correlation",
}
SCORES, PARTS = "scores.parquet", "parts.parquet"


def write_scores(folder: Path, cases: Iterable[CaseScores]) -> None:
    """Write the scores of some cases to `SCORES` and `PARTS` in a folder."""
    import pandas as pd

    scores, parts = [], []
    for case in cases:
        about = (case.case, case.record, case.patient, case.label)
        scores += [(*about, *_numbers(score)) for score in case.scores or (NO_SCORE,)]
        if case.parts is not None:
            of_case = (case.case, case.parts.patient, case.parts.label, case.parts.outcome)
            for kind, found in ((PART, case.parts.parts), (AGREEMENT, case.parts.agreement)):
                parts += [(*of_case, kind, *key, value) for key, value in found.items()]
    write_table(folder / SCORES, pd.DataFrame(scores, columns=list(SCORE_COLUMNS)))
    write_table(folder / PARTS, pd.DataFrame(parts, columns=list(PART_COLUMNS)))


def read_scores(folders: Sequence[Path], cases: Sequence[str]) -> list[CaseScores]:
    """Read the scores of all cases, in the order of the case ids.

    Raises
    ------
    ValueError
        Where a case has no scores, or some in two folders, or isn't among the cases.
    """
    found: dict[str, CaseScores] = {}
    for folder in folders:
        parts = {
            case: _parts(rows) for case, rows in read_table(folder / PARTS).groupby("case", sort=False, dropna=False)
        }
        for case, rows in read_table(folder / SCORES).groupby("case", sort=False):
            if case in found:
                raise ValueError(f"{folder}: case {case} was scored in another folder, too; expected once")
            first = rows.iloc[0]
            scores = tuple(_score(row) for row in rows.to_dict("records") if row["method"])
            found[case] = CaseScores(case, first["record"], first["patient"], first["label"], scores, parts.get(case))
    if set(found) != set(cases) or len(found) != len(cases):
        odd = sorted(set(found) ^ set(cases))[:5]
        raise ValueError(f"{len(found)} scored cases for {len(cases)} cases; expected the same, unlike {odd}")
    return [found[case] for case in cases]


NO_SCORE = Score("", "", "", float("nan"), "", float("nan"))
"""Stands for a case to which no method applies, so that it isn't taken for one that was lost."""


def _numbers(score: Score) -> tuple[str | float, ...]:
    denominator = float("nan") if score.denominator is None else score.denominator
    return score.method, score.metric, score.truth, score.value, score.null_name, score.null_value, denominator


def _score(row: Mapping[Hashable, Any]) -> Score:
    values = {name: row[name] for name in ("method", "metric", "truth", "value", "null_name", "null_value")}
    return Score(**values, denominator=None if np.isnan(row["denominator"]) else row["denominator"])


def _parts(rows: pd.DataFrame) -> CaseParts:
    first = rows.iloc[0]
    found = {
        kind: {
            (row["method"], row["wave"], row["lead"]): row["value"]
            for row in rows[rows["kind"] == kind].to_dict("records")
        }
        for kind in (PART, AGREEMENT)
    }
    return CaseParts(first["patient"], first["label"], first["outcome"], found[PART], found[AGREEMENT])
