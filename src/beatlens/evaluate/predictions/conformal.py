"""Coverage and size of the conformal sets, with patient intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from beatlens.core.bootstrap import Array, divide, patient_bootstrap_many, sum_by_patient
from beatlens.evaluate.predictions.metric_score import MetricScore
from beatlens.evaluate.predictions.outcomes import MISSED
from beatlens.shards.patients import patient_keys

if TYPE_CHECKING:
    import pandas as pd

COLUMN = "conformal_set"


def conformal_scores(
    table: pd.DataFrame, classes: Sequence[str], *, draws: int, level: float, seed: int
) -> list[MetricScore]:
    """Score the sets of detected beats whose label is a class.

    Parameters
    ----------
    table
        Predictions with their labels; missed beats, which have no set, are left out.
    classes
        Class ids.
    draws, level, seed
        Of the patient bootstrap.

    Returns
    -------
    ``conformal_coverage`` of each class and over all, ``conformal_set_size`` (mean
    classes in a set) and ``conformal_single`` (share of sets of one class); empty without the column or without beats.
    """
    if COLUMN not in table:
        return []
    kept = table[table["label"].isin(list(classes)) & (table["pred"] != MISSED)]
    if not len(kept):
        return []
    labels = kept["label"].to_numpy(dtype=object)
    sets = [set(filter(None, text.split(";"))) for text in kept[COLUMN]]
    unknown = sorted(set().union(*sets) - set(classes))
    if unknown:
        raise ValueError(f"conformal sets hold {unknown}; expected classes among {list(classes)}")
    covered = np.array([label in inside for label, inside in zip(labels, sets, strict=True)], dtype=np.float64)
    size = np.array([len(inside) for inside in sets], dtype=np.float64)
    one_hot = (labels[:, None] == np.array(list(classes), dtype=object)[None, :]).astype(np.float64)
    values = np.column_stack([one_hot * covered[:, None], one_hot, covered, size, size == 1, np.ones(len(kept))])
    totals, _ = sum_by_patient(values, patient_keys(kept).astype(object))
    k = len(classes)

    def statistic(sums: Array) -> Array:
        by_class = divide(sums[:, :k], sums[:, k : 2 * k])
        return np.concatenate([by_class, divide(sums[:, 2 * k : -1], sums[:, -1:])], axis=1)

    rests = np.concatenate([totals[:, k : 2 * k] > 0, np.ones((len(totals), 3), dtype=bool)], axis=1)
    found = patient_bootstrap_many(totals, statistic, draws=draws, level=level, seed=seed, contributes=rests)
    names = [(name, "conformal_coverage") for name in classes]
    names += [("all", metric) for metric in ("conformal_coverage", "conformal_set_size", "conformal_single")]
    n = [*one_hot.sum(axis=0).astype(int).tolist(), *[len(kept)] * 3]
    return [MetricScore(name, metric, found.at(i), n[i]) for i, (name, metric) in enumerate(names)]
