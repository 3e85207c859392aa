"""A run in one small JSON object, for programs: every number is a count or a value of the tables that it lies beside.

    schema       1; grows where a key changes its meaning
    run          name of the run
    beatlens     version
    classes      class ids in order
    records      n, used, left_out {reason: n}, not_records (files beside them that are no record), remarks {code: n},
                 splits {split: {records, patients, beats, duration_s}}, with_class {class: n}, in_review (those with
                 a beat in review), without_beats
    strips       n, with_class {class: n}, in_review, without_beats
    beats        n, by_class {class: n}, review, review_share (null without beats), by_reason {reason: n}; a beat with
                 several reasons counts in each
    stretches    {kind: {n, seconds}}, time in which beats can't be told
    episodes     {kind: {class: n}}, runs and pauses; a pause has the class ""
    alerts       n, clusters
    cases        n, by_outcome {outcome: n}
    scores       {split: {scope: {metric: {value, lo, hi, n}}}}, scopes all and accepted, metrics `METRICS` and
                 f1_<class>; null without labels

Nothing in it depends on the machine, the commit or the time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beatlens import __version__
from beatlens.shards.record_table import NOT_A_RECORD

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
METRICS = ("accuracy", "macro_f1", "coverage", "review_rate", "ece", "baseline_accuracy", "baseline_macro_f1")
SCOPES = ("all", "accepted")
DECIMALS = 6


@dataclass(frozen=True)
class SummaryTables:
    """Tables of a run; docs/architecture.md says what columns they have.

    Attributes
    ----------
    records, status
        ``records.tsv`` and ``status.tsv``.
    beats, strips, record_predictions, stretches, episodes, remarks
        Of ``predictions/``; of beats the columns pred, review and reason.
    alerts, clusters
        Of ``alerts/``.
    cases
        ``explanations/cases.csv``.
    metrics
        ``metrics/classification.csv``, None in a run without labels.
    """

    records: pd.DataFrame
    status: pd.DataFrame
    beats: pd.DataFrame
    strips: pd.DataFrame
    record_predictions: pd.DataFrame
    stretches: pd.DataFrame
    episodes: pd.DataFrame
    remarks: pd.DataFrame
    alerts: pd.DataFrame
    clusters: pd.DataFrame
    cases: pd.DataFrame
    metrics: pd.DataFrame | None = None


def summarise(tables: SummaryTables, run: str, classes: tuple[str, ...]) -> dict[str, Any]:
    """Return the summary of a run, as the module says.

    Parameters
    ----------
    tables
        Its tables.
    run
        Its name.
    classes
        Class ids in order.
    """
    n, review = len(tables.beats), int(tables.beats["review"].astype(bool).sum())
    return {
        "schema": SCHEMA,
        "run": run,
        "beatlens": __version__,
        "classes": list(classes),
        "records": _records(tables) | _with_class(tables.record_predictions, classes),
        "strips": {"n": len(tables.strips)} | _with_class(tables.strips, classes),
        "beats": {
            "n": n,
            "by_class": {name: int((tables.beats["pred"] == name).sum()) for name in classes},
            "review": review,
            "review_share": _number(review / n) if n else None,
            "by_reason": _counts(tables.beats["reason"]),
        },
        "stretches": {
            kind: {"n": len(of_kind), "seconds": _number((of_kind["end_s"] - of_kind["start_s"]).sum())}
            for kind, of_kind in tables.stretches.groupby("kind")
        },
        "episodes": {
            kind: {name: len(rows) for name, rows in of_kind.groupby("class")}
            for kind, of_kind in tables.episodes.groupby("kind")
        },
        "alerts": {"n": len(tables.alerts), "clusters": len(tables.clusters)},
        "cases": {"n": len(tables.cases), "by_outcome": _counts(tables.cases["outcome"])},
        "scores": None if tables.metrics is None else _scores(tables.metrics, classes),
    }


def _records(tables: SummaryTables) -> dict[str, Any]:
    is_record = tables.status["reason"] != NOT_A_RECORD
    status = tables.status[is_record]
    keys = tables.remarks[["corpus", "record", "remark"]].drop_duplicates()
    return {
        "n": len(status),
        "used": int(status["used"].astype(bool).sum()),
        "left_out": _counts(status["reason"]),
        "not_records": int((~is_record).sum()),
        "remarks": _counts(keys["remark"]),
        "splits": {
            split: {
                "records": len(of_split),
                "patients": len(of_split[["corpus", "patient"]].drop_duplicates()),
                "beats": int(of_split["n_beats"].sum()),
                "duration_s": _number(of_split["duration_s"].sum()),
            }
            for split, of_split in tables.records.groupby("split")
        },
    }


def _with_class(table: pd.DataFrame, classes: Iterable[str]) -> dict[str, Any]:
    """Count strips or records by what their predictions name."""
    named = _counts(table["pred"])
    return {
        "with_class": {name: named.get(name, 0) for name in classes},
        "in_review": int((table["n_review"] > 0).sum()),
        "without_beats": int((table["n_beats"] == 0).sum()),
    }


def _counts(values: pd.Series) -> dict[str, int]:
    """Count what stands in text joined by ``;``, empty text left out."""
    single = values.astype(str).value_counts()
    counts: dict[str, int] = {}
    for text, n in single.items():
        for name in {part for part in str(text).split(";") if part}:
            counts[name] = counts.get(name, 0) + int(n)
    return counts


def _scores(metrics: pd.DataFrame, classes: Iterable[str]) -> dict[str, Any]:
    names = {("all", metric): metric for metric in METRICS} | {(name, "f1"): f"f1_{name}" for name in classes}
    result: dict[str, Any] = {}
    for row in metrics[metrics["scope"].isin(SCOPES)].to_dict("records"):
        name = names.get((row["class"], row["metric"]))
        if name is not None:
            values = {key: _number(row[key]) for key in ("value", "lo", "hi")} | {"n": int(row["n"])}
            result.setdefault(row["split"], {}).setdefault(row["scope"], {})[name] = values
    return result


def _number(value: float) -> float | None:
    """Return a number as JSON has it: rounded, None where it is undefined."""
    return round(float(value), DECIMALS) + 0.0 if math.isfinite(value) else None
