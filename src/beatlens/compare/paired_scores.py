"""Scores of two runs on the same labelled beats, with intervals of the difference over the same resampled patients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from beatlens.compare.runs import ComparedRun
from beatlens.core.bootstrap import Array, patient_bootstrap_many
from beatlens.core.seeds import derive_seed
from beatlens.evaluate.predictions.confusion import (
    CLASS_METRICS,
    OVERALL_METRICS,
    class_denominators,
    class_scores,
    overall_denominators,
    overall_scores,
    patient_confusion,
    patient_review,
)
from beatlens.evaluate.predictions.outcomes import Outcomes, join_missed, outcomes

if TYPE_CHECKING:
    import pandas as pd

SHOWN = ("accuracy", "macro_f1", "review_rate", "f1", "precision", "recall")
SCORE_COLUMNS = (
    *("class", "metric", "before", "before_lo", "before_hi", "after", "after_lo", "after_hi"),
    *("difference", "difference_lo", "difference_hi", "n", "n_patients"),
)


def paired_scores(before: ComparedRun, after: ComparedRun, records: set[tuple[str, str]]) -> pd.DataFrame:
    """Score both runs on records that neither learnt from.

    A resample takes the same patients in both runs, so the interval of the difference is that of a paired comparison.
    It is NaN where fewer than two patients have beats of the class.

    Parameters
    ----------
    before, after
        With the same classes and annotations.
    records
        (corpus, record) of the split test in both.

    Returns
    -------
    Table of `SCORE_COLUMNS`, n being the beats that the value after rests on; empty where no beat has a label.
    """
    import pandas as pd

    classes = before.classes
    sides = [_outcomes(run, records, classes) for run in (before, after)]
    patients = sorted({name for rows in sides for name in rows.patients})
    if not patients:
        return pd.DataFrame(columns=list(SCORE_COLUMNS))
    totals = np.stack([_totals(rows, patients) for rows in sides], axis=1)  # (patients, 2, cells)
    names = [(name, metric) for name in classes for metric in CLASS_METRICS]
    names += [("all", metric) for metric in OVERALL_METRICS]

    def each(sums: Array, *, n: bool = False) -> Array:
        """Return values, or what they rest on, of both runs: (n, 2, m)."""
        matrices, review = _unpack(sums, len(classes))
        by_class = (class_denominators if n else class_scores)(matrices, len(classes))
        overall = (overall_denominators if n else overall_scores)(matrices, review, len(classes))
        flat = np.concatenate([by_class.reshape(len(matrices), -1), overall], axis=1)
        return flat.reshape(len(sums), 2, len(names))

    def statistic(sums: Array) -> Array:
        values = each(sums)
        return np.concatenate([values[:, 0], values[:, 1], values[:, 1] - values[:, 0]], axis=1)

    rests = each(totals, n=True)
    contributes = np.concatenate([rests[:, 0], rests[:, 1], np.minimum(rests[:, 0], rests[:, 1])], axis=1) > 0
    found = patient_bootstrap_many(
        totals,
        statistic,
        draws=after.evaluate.bootstrap,
        level=after.evaluate.level,
        seed=derive_seed(after.seed, "compare"),
        contributes=contributes,
    )
    n = each(totals.sum(axis=0, keepdims=True), n=True)[0, 1]
    rows = []
    for k, (name, metric) in enumerate(names):
        if metric in SHOWN:
            cells = [cell for part in range(3) for cell in found.at(part * len(names) + k)]
            rows.append((name, metric, *cells, int(n[k]), int((rests[:, 1, k] > 0).sum())))
    table = pd.DataFrame(rows, columns=list(SCORE_COLUMNS))
    overall = table["class"] == "all"
    return pd.concat([table[overall], table[~overall]], ignore_index=True)


def _outcomes(run: ComparedRun, records: set[tuple[str, str]], classes: Sequence[str]) -> Outcomes:
    parts = []
    for table in (run.beats, run.annotated):
        keys = list(zip(table["corpus"], table["record"], strict=True))
        parts.append(table[[key in records for key in keys]].reset_index(drop=True))
    return outcomes(join_missed(*parts), classes)


def _totals(rows: Outcomes, patients: Sequence[str]) -> Array:
    """Return each patient's confusion over the classes and "none", and detections in review: (patients, cells)."""
    k = len(rows.classes)
    confusion = patient_confusion(rows)[:, [*range(k), len(rows.truths) - 1]]
    cells = np.concatenate([confusion.reshape(len(confusion), (k + 1) * (k + 1)), patient_review(rows)], axis=1)
    result = np.zeros((len(patients), cells.shape[1]))
    result[[patients.index(name) for name in rows.patients]] = cells
    return result


def _unpack(sums: Array, k: int) -> tuple[Array, Array]:
    flat = sums.reshape(-1, sums.shape[-1])
    return flat[:, :-2].reshape(len(flat), k + 1, k + 1), flat[:, -2:]
