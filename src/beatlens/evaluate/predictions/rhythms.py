"""Episodes of rhythms against annotated ones, by episode and by time (ANSI/AAMI EC57).

An annotated episode is found where a detected one overlaps it, and a detected one is right where it overlaps an
annotated one. Of the time, what counts is the overlap. Values are gross: over all records together. The null of time
calls everything the rhythm, so its predictivity is the share of the time that the rhythm has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from beatlens.core.bootstrap import Array, divide, patient_bootstrap_many, sum_by_patient
from beatlens.core.seeds import derive_seed
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.shards.patients import patient_keys

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("split", "rhythm", "metric", "value", "null_name", "null_value", "lo", "hi", "n")
METRICS = ("episode_sensitivity", "episode_predictivity", "time_sensitivity", "time_predictivity")


def evaluate_rhythms(
    found: pd.DataFrame, annotated: pd.DataFrame, records: pd.DataFrame, settings: EvaluateSettings, seed: int
) -> pd.DataFrame:
    """Score episodes, split by split and rhythm by rhythm.

    Parameters
    ----------
    found
        Detected episodes (`beatlens.prediction.rhythms.EPISODE_COLUMNS`).
    annotated
        Annotated rhythms of the records (`beatlens.shards.shard.RHYTHM_COLUMNS`); records without any aren't scored.
    records
        Table of records: corpus, record, patient, split.
    settings, seed
        Bootstrap; the run's seed.

    Returns
    -------
    Table of `COLUMNS`; n is the number of annotated episodes, or of detected ones for predictivity.
    """
    import pandas as pd

    known = annotated[["corpus", "record"]].drop_duplicates()
    scored = records.merge(known, on=["corpus", "record"])
    rows: list[dict[str, Any]] = []
    for split, part in scored.groupby("split", sort=True):
        for rhythm in found["rhythm"].drop_duplicates():
            counts = np.array(
                [
                    _counts(_of(found, row, rhythm), _of(annotated, row, rhythm), _of(annotated, row))
                    for row in part.itertuples()
                ]
            )
            totals, _ = sum_by_patient(counts, patient_keys(part).astype(object))
            several = patient_bootstrap_many(
                totals,
                _statistics,
                draws=settings.bootstrap,
                level=settings.level,
                seed=derive_seed(seed, "rhythms", str(split), rhythm),
                contributes=totals[:, [1, 3, 1, 3]] > 0,
            )
            total = totals.sum(axis=0)
            for k, metric in enumerate(METRICS):
                null = (
                    ("always", float(total[5] / total[7]))
                    if metric == "time_predictivity" and total[7]
                    else ("", np.nan)
                )
                numbers = dict(zip(("value", "lo", "hi"), several.at(k), strict=True))
                who = {"split": split, "rhythm": rhythm, "metric": metric, "null_name": null[0], "null_value": null[1]}
                rows.append({**who, **numbers, "n": int(total[3] if metric.endswith("predictivity") else total[1])})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _of(table: pd.DataFrame, row: Any, rhythm: str | None = None) -> Array:
    chosen = (table["corpus"] == row.corpus) & (table["record"] == row.record)
    if rhythm is not None:
        chosen &= table["rhythm"] == rhythm
    spans: Array = table.loc[chosen, ["start_s", "end_s"]].to_numpy(dtype=np.float64).reshape(-1, 2)
    return spans


def _counts(found: Array, true: Array, known: Array) -> list[float]:
    """Return annotated found, annotated, detected right, detected, overlap, annotated, detected and known seconds."""
    overlap = np.clip(
        np.minimum(found[:, None, 1], true[None, :, 1]) - np.maximum(found[:, None, 0], true[None, :, 0]), 0.0, None
    )
    hit = overlap > 0
    seconds = [float((spans[:, 1] - spans[:, 0]).sum()) for spans in (true, found, known)]
    return [hit.any(axis=0).sum(), len(true), hit.any(axis=1).sum(), len(found), float(overlap.sum()), *seconds]


def _statistics(totals: Array) -> Array:
    pairs = ((0, 1), (2, 3), (4, 5), (4, 6))
    return np.stack([divide(totals[:, above], totals[:, below]) for above, below in pairs], axis=1)
