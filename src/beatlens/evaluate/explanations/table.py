"""The table of explanation scores: a row a case, a class or all, and a null."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.core.bootstrap import patient_ratios
from beatlens.core.seeds import derive_seed
from beatlens.evaluate.explanations.cohort import CaseParts
from beatlens.evaluate.settings import EvaluateSettings

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]

COLUMNS = (
    "scope",
    "case",
    "record",
    "class",
    "method",
    "metric",
    "truth",
    "value",
    "null_name",
    "null_value",
    "lo",
    "hi",
    "gain",
    "gain_lo",
    "gain_hi",
    "n",
)
"""``gain`` is value minus null, turned so that more is better. lo, hi: of the value; gain_lo, gain_hi: of the gain."""

LOWER_IS_BETTER = frozenset({"decoy_mass", "decoy_use", "deletion_auc", "infidelity", "token_count"})


@dataclass(frozen=True)
class Score:
    """One metric of one case and method against one null.

    For a ratio (``denominator`` given) value and null are numerators: wider scopes take sums before dividing.
    """

    method: str
    metric: str
    truth: str
    value: float
    null_name: str
    null_value: float
    denominator: float | None = None


@dataclass(frozen=True)
class CaseScores:
    """All scores of one case, with what wider scopes need to know of it, and the parts of a beat's explanation."""

    case: str
    record: str
    patient: str
    label: str
    scores: tuple[Score, ...]
    parts: CaseParts | None = None


def scores_table(
    cases: Sequence[CaseScores], classes: Sequence[str], settings: EvaluateSettings, seed: int
) -> pd.DataFrame:
    """Make the table: rows of cases, then means over the cases of each class and over all.

    Parameters
    ----------
    cases
        `score_case` of each case.
    classes
        Class ids, in order.
    settings
        Section ``evaluate``.
    seed
        Of the patient bootstrap.

    Returns
    -------
    Table of `COLUMNS`; legal without a row. Intervals resample patients and are missing for fewer than two of them.
    """
    import pandas as pd

    rows = [_case_row(case, score) for case in cases for score in case.scores]
    for scope, name, members in _scopes(cases, classes):
        groups: dict[tuple[str, ...], list[tuple[str, Score]]] = {}
        for case in members:
            for score in case.scores:
                key = (score.method, score.metric, score.truth, score.null_name)
                groups.setdefault(key, []).append((case.patient, score))
        rows += [
            _wide_row(scope, name, key=key, pairs=pairs, settings=settings, seed=seed) for key, pairs in groups.items()
        ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _scopes(cases: Sequence[CaseScores], classes: Sequence[str]) -> Iterator[tuple[str, str, list[CaseScores]]]:
    for name in classes:
        yield "class", name, [case for case in cases if case.label == name]
    yield "all", "", list(cases)


def _case_row(case: CaseScores, score: Score) -> dict[str, Any]:
    value, null = (_divide(number, score.denominator) for number in (score.value, score.null_value))
    sign = -1.0 if score.metric in LOWER_IS_BETTER else 1.0
    return {
        "scope": "case",
        "case": case.case,
        "record": case.record,
        "class": case.label,
        "method": score.method,
        "metric": score.metric,
        "truth": score.truth,
        "value": value,
        "null_name": score.null_name,
        "null_value": null,
        "gain": sign * (value - null),
        "n": 1,
    }


def _wide_row(
    scope: str,
    name: str,
    *,
    key: tuple[str, ...],
    pairs: list[tuple[str, Score]],
    settings: EvaluateSettings,
    seed: int,
) -> dict[str, Any]:
    method, metric, truth, null_name = key
    scores = [score for _, score in pairs]
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    values, nulls = np.array([(score.value, score.null_value) for score in scores]).T
    below = np.array([1.0 if score.denominator is None else score.denominator for score in scores])
    found = patient_ratios(
        np.stack([values, nulls, sign * (values - nulls)], axis=1),
        below,
        [patient for patient, _ in pairs],
        draws=settings.bootstrap,
        level=settings.level,
        seed=derive_seed(seed, "bootstrap", *key),
    )
    value, null, gain = (found.at(k) for k in range(3))
    return {
        "scope": scope,
        "case": "",
        "record": "",
        "class": name,
        "method": method,
        "metric": metric,
        "truth": truth,
        "value": value.value,
        "null_name": null_name,
        "null_value": null.value,
        "lo": value.lo,
        "hi": value.hi,
        "gain": gain.value,
        "gain_lo": gain.lo,
        "gain_hi": gain.hi,
        "n": int(np.isfinite(values).sum()),
    }


def _divide(value: float, denominator: float | None) -> float:
    if denominator is None:
        return value
    return value / denominator if denominator != 0 else float("nan")
