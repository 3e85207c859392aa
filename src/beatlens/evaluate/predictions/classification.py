"""Scores of the classifier, per class and over all, for all beats, each patient, and what is left out or accepted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.core.bootstrap import Interval, patient_bootstrap_many
from beatlens.core.seeds import derive_seed
from beatlens.evaluate.predictions.conformal import conformal_scores
from beatlens.evaluate.predictions.confusion import (
    CLASS_METRICS,
    OVERALL_METRICS,
    accepted_wrong,
    class_denominators,
    class_scores,
    overall_denominators,
    overall_scores,
    patient_accepted,
    patient_confusion,
    patient_review,
)
from beatlens.evaluate.predictions.metric_score import MetricScore
from beatlens.evaluate.predictions.outcomes import MISSED, Outcomes, check_predictions, join_missed, outcomes
from beatlens.evaluate.predictions.probabilities import probability_scores
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.shards.shard import REVIEWED

if TYPE_CHECKING:
    import pandas as pd

METRIC_COLUMNS = ("split", "scope", "class", "metric", "value", "lo", "hi", "n")
CONFUSION_COLUMNS = ("split", "scope", "truth", "pred", "n")
SPLITS = ("train", "select", "calibrate", "test", "paced", "none")


def evaluate_classification(
    beats: pd.DataFrame, annotated: pd.DataFrame, classes: Sequence[str], settings: EvaluateSettings, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score predictions against labels, split by split.

    The scopes of a split are

    - ``all``: detected beats, with missed beats as errors (the headline);
    - ``accepted``: detected beats that did not go to review;
    - ``without <records>``: ``all`` without each list of `EvaluateSettings.leave_out` of which a record is present;
    - ``patient:<id>``: ``all`` of one patient, without intervals;
    - ``annotated: all`` and so on: the same at annotated R peaks, as if the detector were perfect;
    - ``reviewed: all`` and so on: the same of beats whose label a reviewer gave, who saw the prediction. No other scope
      has these.

    Parameters
    ----------
    beats, annotated
        Predictions at detected and at annotated R peaks; beats with the label "" count nowhere.
    classes
        Class ids in the order of the configuration.
    settings
        Bootstrap, left out records, bins.
    seed
        The run's seed.

    Returns
    -------
    metrics, confusion
        Tables of `METRIC_COLUMNS` and `CONFUSION_COLUMNS`; both empty where no beat has a label.
    """
    import pandas as pd

    given = (beats["label_source"] == REVIEWED).to_numpy() if "label_source" in beats else np.zeros(len(beats), bool)
    sources = [("", join_missed(beats[~given], annotated))]
    if len(annotated):
        check_predictions(annotated, "predictions at annotated beats")
        sources.append(("annotated: ", annotated[annotated["label"] != ""].reset_index(drop=True)))
    sources.append(("reviewed: ", beats[given].reset_index(drop=True)))
    metrics: list[dict[str, Any]] = []
    confusion: list[dict[str, Any]] = []
    for split in SPLITS:
        for prefix, table in sources:
            part = table[table["split"] == split]
            if not len(part):
                continue
            rows = outcomes(part, classes)
            for scope, keep in _scopes(part, rows, settings.leave_out):
                kept = rows.subset(keep)
                name = prefix + scope
                scope_seed = derive_seed(seed, "evaluate", split, name)
                scores = _scope_scores(kept, settings, scope_seed)
                sets = conformal_scores(
                    part[keep], classes, draws=settings.bootstrap, level=settings.level, seed=scope_seed
                )
                scores += [score.row() for score in sets]
                metrics.extend({"split": split, "scope": name, **score} for score in scores)
                confusion.extend({"split": split, "scope": name, **cell} for cell in _cells(kept))
            if not prefix:
                metrics.extend({"split": split, **score} for score in patient_scores(rows))
    return (
        pd.DataFrame(metrics, columns=list(METRIC_COLUMNS)),
        pd.DataFrame(confusion, columns=list(CONFUSION_COLUMNS)),
    )


def _scopes(
    table: pd.DataFrame, rows: Outcomes, leave_out: Sequence[Sequence[str]]
) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """Yield the name and the rows of each scope of a split."""
    yield "all", np.ones(len(rows), dtype=bool)
    yield "accepted", ~rows.review & ~rows.missed
    records = table["record"].astype(str)
    full = table["corpus"].astype(str) + "/" + records
    for names in leave_out:
        chosen = [str(name) for name in names]
        left = (records.isin(chosen) | full.isin(chosen)).to_numpy()
        if left.any():
            yield "without " + " ".join(map(str, names)), ~left


def _scope_scores(rows: Outcomes, settings: EvaluateSettings, seed: int) -> list[dict[str, Any]]:
    """Score one scope, with patient intervals."""
    k = len(rows.classes)
    counts, review = patient_confusion(rows), patient_review(rows)
    n_counts = counts[0].size if len(counts) else len(rows.truths) * (k + 1)
    totals = np.concatenate([counts.reshape(len(counts), n_counts), review], axis=1)

    def unpack(sums: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        return sums[:, :n_counts].reshape(len(sums), len(rows.truths), k + 1), sums[:, n_counts:]

    def both(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        matrices, reviewed = unpack(sums)
        by_class = class_scores(matrices, k).reshape(len(sums), k * len(CLASS_METRICS))
        return np.concatenate([by_class, overall_scores(matrices, reviewed, k)], axis=1)

    def rests_on(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        matrices, reviewed = unpack(sums)
        by_class = class_denominators(matrices, k).reshape(len(sums), k * len(CLASS_METRICS))
        return np.concatenate([by_class, overall_denominators(matrices, reviewed, k)], axis=1)

    intervals = patient_bootstrap_many(
        totals,
        both,
        draws=settings.bootstrap,
        level=settings.level,
        seed=seed,
        contributes=rests_on(totals) > 0,
    )
    n = rests_on(totals.sum(axis=0, keepdims=True))[0]
    names = [(name, metric) for name in rows.classes for metric in CLASS_METRICS]
    names += [("all", metric) for metric in OVERALL_METRICS]
    scores = []
    for index, (name, metric) in enumerate(names):
        interval = intervals.at(index)
        if metric == "support":  # a count of this data set, not an estimate
            interval = without_bounds(interval.value)
        scores.append(MetricScore(name, metric, interval, n[index]).row())
    accepted = patient_accepted(rows)
    silent = patient_bootstrap_many(
        accepted,
        accepted_wrong,
        draws=settings.bootstrap,
        level=settings.level,
        seed=seed,
        contributes=accepted[:, :, 0] > 0,
    )
    detected = accepted[:, :, 0].sum(axis=0)
    scores += [MetricScore(c, "accepted_wrong", silent.at(k), detected[k]).row() for k, c in enumerate(rows.classes)]
    scores += [
        score.row()
        for score in probability_scores(
            rows, bins=settings.calibration_bins, draws=settings.bootstrap, level=settings.level, seed=seed
        )
    ]
    return scores


def patient_scores(rows: Outcomes) -> list[dict[str, Any]]:
    """Score every patient on their own, without intervals, since one patient gives none."""
    k = len(rows.classes)
    counts, review = patient_confusion(rows), patient_review(rows)
    by_class, overall = class_scores(counts, k), overall_scores(counts, review, k)
    n_class, n_overall = class_denominators(counts, k), overall_denominators(counts, review, k)
    scores = []
    for p, patient in enumerate(rows.patients):
        scope = {"scope": f"patient:{patient}"}
        for c, name in enumerate(rows.classes):
            for m, metric in enumerate(CLASS_METRICS):
                interval = without_bounds(by_class[p, c, m])
                scores.append({**scope, **MetricScore(name, metric, interval, n_class[p, c, m]).row()})
        for m, metric in enumerate(OVERALL_METRICS):
            interval = without_bounds(overall[p, m])
            scores.append({**scope, **MetricScore("all", metric, interval, n_overall[p, m]).row()})
    return scores


def without_bounds(value: float) -> Interval:
    """Return a value that has no interval."""
    return Interval(value, np.nan, np.nan)


def _cells(rows: Outcomes) -> list[dict[str, Any]]:
    """Return the cells of the confusion over all patients; labels outside the classes and "none" only where present."""
    counts = patient_confusion(rows).sum(axis=0).astype(int)
    return [
        {"truth": truth, "pred": pred, "n": int(counts[t, p])}
        for t, truth in enumerate(rows.truths)
        if t < len(rows.classes) or counts[t].any()
        for p, pred in enumerate((*rows.classes, MISSED))
    ]
