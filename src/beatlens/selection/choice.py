"""Scores of candidates on left-out patients, and which of them to take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import yaml

from beatlens.core.bootstrap import Array, patient_bootstrap_many, sum_by_patient
from beatlens.core.seeds import derive_seed
from beatlens.evaluate.predictions.confusion import CLASS_METRICS, OVERALL_METRICS, class_scores, overall_scores
from beatlens.shards.patients import patient_keys

if TYPE_CHECKING:
    import pandas as pd

SCORE_COLUMNS = ("candidate", "seed", "class", "metric", "value", "lo", "hi", "standard_error")
MEAN = "mean"
"""Stands for the mean over the seeds in the column seed."""
_TO_BEST = "_to_best"
TO_BEST = "macro_f1" + _TO_BEST
"""Macro-F1 less that of the candidate whose macro-F1 is highest, over the same patients."""
AUROC_TO_BEST = "macro_auroc" + _TO_BEST
"""The same of the macro AUROC of diagnoses."""
WORDS = {TO_BEST: "Macro-F1", AUROC_TO_BEST: "Macro AUROC"}
"""What candidates are compared by, in words."""
ONE_ERROR = 0.6826894921370859
"""Coverage of a normal value's interval of one standard error to both sides."""

Tables = Mapping[str, Mapping[int, "pd.DataFrame"]]
"""Predictions of left-out patients by candidate and seed."""


class Choice(NamedTuple):
    """The candidate to take, and the one that scored best."""

    chosen: str
    best: str


def candidate_scores(tables: Tables, classes: Sequence[str], *, draws: int, level: float, seed: int) -> pd.DataFrame:
    """Score candidates on the same left-out patients.

    Parameters
    ----------
    tables
        Predictions (beat_id, corpus, patient, label, pred) by candidate and seed; all of the same beats.
    classes
        Class ids.
    draws, level, seed
        Of the patient bootstrap (`beatlens.core.bootstrap`); one draw of patients serves all candidates and seeds,
        so that differences are paired.

    Returns
    -------
    Table of `SCORE_COLUMNS`: macro-F1, accuracy and each class's F1 of every seed, and of their mean over the seeds
    with an interval over patients; then `TO_BEST`. A standard error combines that over patients (half the width of the
    interval that covers `ONE_ERROR`) and, with several seeds, that of the mean over seeds.

    Raises
    ------
    ValueError
        Where candidates were run on different beats or with different seeds.
    """
    import pandas as pd

    counts = _counts(tables, classes)
    names, seeds = list(tables), list(next(iter(tables.values())))
    all_patients = counts.sum(axis=0, keepdims=True)
    best = int(_scores(all_patients)[0].mean(axis=1)[:, 0].argmax())

    def by_seed(sums: Array) -> Array:
        scores = _scores(sums)
        result: Array = np.concatenate([scores, scores[..., :1] - scores[:, best : best + 1, :, :1]], axis=3)
        return result

    def means(sums: Array) -> Array:
        result: Array = by_seed(sums).mean(axis=2).reshape(len(sums), -1)
        return result

    labels = [("all", "macro_f1"), ("all", "accuracy"), *((name, "f1") for name in classes), ("all", TO_BEST)]
    beats = counts[:, 0, 0].sum(axis=2)  # (n_patients, K)
    everyone = beats.sum(axis=1, keepdims=True)
    has = np.concatenate([everyone, everyone, beats, everyone], axis=1) > 0  # as in `labels`
    options: dict[str, Any] = {
        "draws": draws,
        "seed": derive_seed(seed, "select"),
        "contributes": np.tile(has, len(names)),
    }
    value, lo, hi = patient_bootstrap_many(counts, means, level=level, **options)
    _, below, above = patient_bootstrap_many(counts, means, level=ONE_ERROR, **options)
    each = by_seed(all_patients)[0]
    between = each.std(axis=1, ddof=1).ravel() / np.sqrt(len(seeds)) if len(seeds) > 1 else 0.0
    columns = np.stack([value, lo, hi, np.hypot((above - below) / 2, between)], axis=1)
    rows: list[tuple[Any, ...]] = []
    for c, name in enumerate(names):
        for s, member in enumerate(seeds):
            rows += [(name, str(member), *label, each[c, s, m], *3 * [np.nan]) for m, label in enumerate(labels[:-1])]
        rows += [(name, MEAN, *label, *columns[c * len(labels) + m]) for m, label in enumerate(labels)]
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def _counts(tables: Tables, classes: Sequence[str]) -> Array:
    """Count beats by patient, candidate, seed, truth and prediction: (n_patients, C, S, K, K)."""
    first = next(iter(next(iter(tables.values())).values()))
    seeds = [list(by_seed) for by_seed in tables.values()]
    if any(listed != seeds[0] for listed in seeds):
        raise ValueError(
            f"candidates with the seeds {dict(zip(tables, seeds, strict=True))}; expected the same for all"
        )
    index = {name: k for k, name in enumerate(classes)}
    truth = first["label"].map(index).to_numpy(dtype=np.int64)
    patients = patient_keys(first).astype(object)
    cells = np.zeros((len(first), len(tables), len(seeds[0]), len(classes), len(classes)), dtype=np.uint8)
    for c, (name, by_seed) in enumerate(tables.items()):
        for s, (seed, table) in enumerate(by_seed.items()):
            if not table[["beat_id", "label"]].equals(first[["beat_id", "label"]]):
                raise ValueError(
                    f"candidate {name}, seed {seed}: {len(table)} beats; expected the {len(first)} of the first"
                )
            cells[np.arange(len(first)), c, s, truth, table["pred"].map(index).to_numpy(dtype=np.int64)] = 1
    return sum_by_patient(cells, patients)[0]


def _scores(sums: Array) -> Array:
    """Return macro-F1, accuracy and the classes' F1 of counts (n, C, S, K, K): (n, C, S, K + 2)."""
    k = sums.shape[-1]
    confusion = np.pad(sums.reshape(-1, k, k), ((0, 0), (0, 1), (0, 1)))  # nothing here is made up or missed
    overall = overall_scores(confusion, np.zeros((len(confusion), 2)), k)
    places = [OVERALL_METRICS.index(name) for name in ("macro_f1", "accuracy")]
    f1 = class_scores(confusion, k)[:, :, CLASS_METRICS.index("f1")]
    return np.concatenate([overall[:, places], f1], axis=1).reshape(*sums.shape[:3], k + 2)


def choose(scores: pd.DataFrame) -> Choice:
    """Return the first candidate that is not surely worse than the best.

    The rule of one standard error (Breiman, Friedman, Olshen & Stone 1984, section 3.4.3; Hastie, Tibshirani & Friedman
    2009, section 7.10): of the candidates whose score is at most one standard error below the highest, the first. So
    candidates should be listed in order of preference, usually the simplest first. The highest of several noisy scores
    is too high by chance, the more so the more there are (Cawley & Talbot 2010); with tens of patients, most
    differences are chance. The standard error is that of the difference over the same patients and seeds. That of a
    single score mostly shows how much patients differ, which is the same for all candidates.

    Parameters
    ----------
    scores
        From `candidate_scores`, or `beatlens.selection.diagnoses.diagnosis_scores`, candidates in the order of the
        configuration. They are compared by the metric of which it has the distance to the best.
    """
    means, to_best = scores[scores["seed"] == MEAN], distance_metric(scores)
    best = means[means["metric"] == to_best.removesuffix(_TO_BEST)].set_index("candidate")["value"].idxmax()
    behind = means[means["metric"] == to_best].set_index("candidate")
    near = behind.index[-behind["value"] <= behind["standard_error"]]
    return Choice(str(near[0]), str(best))


def distance_metric(scores: pd.DataFrame) -> str:
    """Return the metric of a table of scores by which its candidates are compared: the distance to the best."""
    return str(next(metric for metric in scores["metric"] if metric in WORDS))


def overlay_text(choice: Choice, scores: pd.DataFrame, change: Mapping[str, Any], run: str, level: float) -> str:
    """Return the choice as an overlay, with a comment that says what it rests on.

    Parameters
    ----------
    choice, scores
        From `choose`, and the scores that it was given.
    change
        What the chosen candidate changes.
    run
        Name of the run.
    level
        Coverage of the intervals.
    """
    means = scores[(scores["seed"] == MEAN) & (scores["class"] == "all")].set_index(["candidate", "metric"])
    to_best = distance_metric(scores)
    lines = [
        f"# Chosen by `snakemake select`, run {run}: {choice.chosen}.",
        f"# {WORDS[to_best]} over left-out patients, with {100 * level:g} % intervals:",
    ]
    for name in scores["candidate"].unique():
        score, behind = means.loc[(name, to_best.removesuffix(_TO_BEST))], means.loc[(name, to_best)]
        text = f"#   {name}: {score['value']:.3f} ({score['lo']:.3f} to {score['hi']:.3f})"
        if name != choice.best:
            text += (
                f", {-behind['value']:.3f} below {choice.best} with a standard error of {behind['standard_error']:.3f}"
            )
        lines.append(text)
    return "\n".join([*lines, yaml.safe_dump(dict(change), sort_keys=False, allow_unicode=True)])
