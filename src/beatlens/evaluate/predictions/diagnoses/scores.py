"""The table of scores of diagnoses: by diagnosis, over diagnoses and of records, over all, by database and by leads.

Every score of a diagnosis stands beside its null. ``chance`` ranks records at random, ``prevalence`` is the precision
of a ranking at random, ``every_record`` gives the diagnosis to each, ``rate_given`` gives it at random as often as the
network does, ``sinus_rhythm`` gives every record that alone, ``most_frequent`` the most frequent set of diagnoses. The
null of a conformal set's coverage is what was ``promised``. ``ece`` has no interval: a resample, in which records come
twice, has a larger calibration error than the records themselves, so its percentiles may lie above the score.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from beatlens.core.bootstrap import Array, percentile_intervals
from beatlens.core.leads import LEAD_SUBSETS
from beatlens.core.seeds import derive_seed
from beatlens.decision.challenge_score import ChallengeWeights
from beatlens.evaluate.predictions.diagnoses.outcomes import DiagnosisOutcomes, outcomes, scored_rows
from beatlens.evaluate.predictions.diagnoses.statistics import class_statistics, record_statistics, record_weights
from beatlens.evaluate.settings import EvaluateSettings

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("scope", "class", "metric", "value", "null_name", "null_value", "lo", "hi", "n")
OF_CLASS = ("auroc", "auprc", "f1", "sensitivity", "specificity", "precision", "ece", "conformal_coverage")
MACRO = ("auroc", "auprc", "f1", "ece", "conformal_coverage")
"""Scores whose mean over diagnoses is given: ``macro`` over all of the run, ``scored`` over those that the Challenge
scores."""


@dataclass(frozen=True)
class DiagnosisScoring:
    """How diagnoses are scored.

    Attributes
    ----------
    settings
        Section ``evaluate``.
    weights
        Of the Challenge score, or None to leave it out.
    alpha
        Share of a diagnosis's records whose conformal set may miss it (``review.conformal_alpha``).
    seed
        Of the run.
    """

    settings: EvaluateSettings
    weights: ChallengeWeights | None
    alpha: float
    seed: int


def evaluate_diagnoses(
    table: pd.DataFrame, scoring: DiagnosisScoring, of_leads: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Score predictions over all records, by database, and with fewer leads.

    Parameters
    ----------
    table
        ``predictions/diagnoses.parquet``.
    scoring
        Settings of the scores.
    of_leads
        ``predictions/diagnoses_leads.parquet``: the same with a column ``leads``, one of
        `beatlens.core.leads.LEAD_SUBSETS`.

    Returns
    -------
    Table of `COLUMNS`; scopes are ``all``, ``leads:<subset>``, and of several databases ``database:<name>``. Where each
    fold is a database, so that networks that answer its records learnt from the others alone, it is
    ``without:<name>``.
    """
    rows = scored_rows(table)
    scopes = {"all": rows}
    if rows["database"].nunique() > 1:
        word = "without" if _folds_are_databases(rows) else "database"
        scopes |= {f"{word}:{name}": part.reset_index(drop=True) for name, part in rows.groupby("database")}
    for name in LEAD_SUBSETS:
        if of_leads is not None and (of_leads["leads"] == name).any():
            scopes[f"leads:{name}"] = scored_rows(of_leads[of_leads["leads"] == name].drop(columns="leads"))
    return scores_of_scopes(scopes, scoring)


def _folds_are_databases(rows: pd.DataFrame) -> bool:
    pairs = rows[rows["fold"] >= 0][["fold", "database"]].drop_duplicates()
    return len(pairs) > 1 and not pairs["fold"].duplicated().any() and not pairs["database"].duplicated().any()


def scores_of_scopes(scopes: dict[str, pd.DataFrame], scoring: DiagnosisScoring) -> pd.DataFrame:
    """Score several sets of rows, each as from `scored_rows`: scope -> rows, in this order; a table of `COLUMNS`."""
    import pandas as pd

    found = [
        {"scope": scope, **score}
        for scope, rows in scopes.items()
        if len(rows)
        for score in _scores(outcomes(rows), scoring, derive_seed(scoring.seed, "diagnoses", scope))
    ]
    return pd.DataFrame(found, columns=list(COLUMNS))


def _scores(rows: DiagnosisOutcomes, scoring: DiagnosisScoring, seed: int) -> Iterator[dict[str, Any]]:
    settings = scoring.settings
    weights = record_weights(rows.patient, settings.bootstrap, seed)
    level = settings.level
    by_class: dict[str, dict[str, Array]] = {}
    for k, name in enumerate(rows.classes):
        patients = len(np.unique(rows.patient[rows.labels[:, k] == 1]))
        found = class_statistics(rows, k, weights, settings.calibration_bins)
        if not patients or found["prevalence"][0] == 1:
            continue  # a diagnosis that no record has, or every one: nothing to tell apart
        by_class[name] = found
        n = int((rows.labels[:, k] == 1).sum())
        for metric in OF_CLASS:
            null = _null(metric, found, scoring.alpha)
            yield _row(
                name, metric, found[metric], null=null, n=n, level=level, enough=patients > 1 and metric != "ece"
            )
    groups = {"macro": tuple(by_class)}
    if scoring.weights is not None:
        groups["scored"] = tuple(name for name in by_class if name in scoring.weights.diagnoses)
    for group, names in groups.items():
        if not names or (group == "scored" and len(names) == len(by_class)):
            continue
        for metric in MACRO:
            values = _mean([by_class[name][metric] for name in names])
            nulls = [_null(metric, by_class[name], scoring.alpha) for name in names]
            null = (nulls[0][0], float(np.mean([value for _, value in nulls])) if nulls[0][0] else np.nan)
            enough = rows.patient.max() > 0 and metric != "ece"
            yield _row(group, metric, values, null=null, n=len(names), level=level, enough=enough)
    labels = rows.labels == 1
    _, counts = np.unique(labels, axis=0, return_counts=True)
    nulls_of_records = {
        "exact_match": ("most_frequent", float(counts.max() / len(labels))),
        "challenge_score": ("sinus_rhythm", 0.0),
    }
    for metric, values in record_statistics(rows, weights, scoring.weights).items():
        null = nulls_of_records.get(metric, ("", np.nan))
        yield _row("all", metric, values, null=null, n=len(rows), level=level, enough=rows.patient.max() > 0)


def _null(metric: str, found: dict[str, Array], alpha: float) -> tuple[str, float]:
    """Return the name and the value of a score's null; no name where it has none."""
    prevalence, given = float(found["prevalence"][0]), float(found["rate_given"][0])
    nulls = {
        "auroc": ("chance", 0.5),
        "auprc": ("prevalence", prevalence),
        "f1": ("every_record", 2 * prevalence / (1 + prevalence)),
        "sensitivity": ("rate_given", given),
        "specificity": ("rate_given", 1 - given),
        "precision": ("prevalence", prevalence),
        "conformal_coverage": ("promised", 1 - alpha),
    }
    return nulls.get(metric, ("", np.nan))


def _mean(values: list[Array]) -> Array:
    """Return the mean over diagnoses in each resample, of those that it has both with and without."""
    stacked = np.array(values)
    known = np.isfinite(stacked)
    total: Array = np.where(known, stacked, 0.0).sum(axis=0)
    result: Array = np.full(len(total), np.nan)
    np.divide(total, known.sum(axis=0), out=result, where=known.any(axis=0))
    return result


def _row(
    name: str, metric: str, values: Array, *, null: tuple[str, float], n: int, level: float, enough: bool
) -> dict[str, Any]:
    interval = percentile_intervals(values[:1], values[1:, None], level, np.array([enough])).at(0)
    numbers = dict(zip(("value", "lo", "hi"), interval, strict=True))
    return {"class": name, "metric": metric, **numbers, "null_name": null[0], "null_value": null[1], "n": n}
