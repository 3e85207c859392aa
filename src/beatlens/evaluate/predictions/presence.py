"""Scores of strips and records: whether a class is found where it is present, and nowhere else.

A strip's label and prediction are sets of classes, so each class is scored by itself. Beats in review count as not
found. Every strip that is labelled with a class counts for its sensitivity. All other scores use only strips whose
classes are all known: those with annotated beats, each of a class of the run. (A record that is labelled V as a whole
has normal beats too.) The null finds the class in every strip; the AUROC of chance is .5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.core.bootstrap import Array, Interval, divide, patient_bootstrap_many
from beatlens.core.seeds import derive_seed
from beatlens.evaluate.predictions.classification import SPLITS
from beatlens.evaluate.predictions.probabilities import auroc, histogram_interval
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.shards.patients import patient_keys

if TYPE_CHECKING:
    import pandas as pd

PRESENCE_COLUMNS = ("split", "level", "class", "metric", "value", "lo", "hi", "n")
METRICS = ("sensitivity", "specificity", "precision", "f1", "baseline_f1")


def evaluate_presence(
    tables: dict[str, pd.DataFrame],
    classes: Sequence[str],
    settings: EvaluateSettings,
    seed: int,
) -> pd.DataFrame:
    """Score the labelled strips and records, split by split and class by class.

    Parameters
    ----------
    tables
        Level (``strip``, ``record``) -> table as from `beatlens.prediction.strips.aggregate`.
    classes
        Class ids.
    settings, seed
        Bootstrap; the run's seed.

    Returns
    -------
    Table of `PRESENCE_COLUMNS`: of each class sensitivity, specificity, precision, F1 and AUROC of ``p_<class>``, the
    F1 of finding it everywhere, and ``weak_labels`` (class ``all``), the share whose label is of the record as a whole.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for level, table in tables.items():
        for split in SPLITS:
            part = table[(table["split"] == split) & (table["label_source"] != "")].reset_index(drop=True)
            if len(part):
                where = {"split": split, "level": level}
                scores = _scores(part, classes, settings, derive_seed(seed, "presence", split, level))
                rows += [{**where, **score} for score in scores]
    return pd.DataFrame(rows, columns=list(PRESENCE_COLUMNS))


def _scores(
    part: pd.DataFrame, classes: Sequence[str], settings: EvaluateSettings, seed: int
) -> Iterator[dict[str, Any]]:
    patients, patient = np.unique(patient_keys(part), return_inverse=True)
    there, found = (
        np.array([[name in text.split(";") for name in classes] for text in part[column]], dtype=bool)
        for column in ("label", "pred")
    )
    only_these = np.array([set(filter(None, text.split(";"))) <= set(classes) for text in part["label"]], dtype=bool)
    known = only_these & (part["label_source"] == "beat").to_numpy()
    inside = known[:, None]
    # By patient and class: all hits and misses; hits, misses, false finds and rightly not found where all is known.
    cells = [there & found, there & ~found]
    cells += [cell & inside for cell in (there & found, there & ~found, ~there & found, ~there & ~found)]
    counts = np.zeros((len(patients), len(classes), len(cells)))
    for k, cell in enumerate(cells):
        np.add.at(counts[:, :, k], patient, cell)
    several = patient_bootstrap_many(
        counts,
        _statistics,
        draws=settings.bootstrap,
        level=settings.level,
        seed=seed,
        contributes=_rests_on(counts) > 0,
    )
    n = _rests_on(counts.sum(axis=0, keepdims=True))[0].astype(int)
    for k, name in enumerate(classes):
        for m, metric in enumerate(METRICS):
            place = k * len(METRICS) + m
            yield _row(name, metric, several.at(place), int(n[place]))
        area = _area(part[f"p_{name}"][known], there[known, k], patient[known], settings, seed)
        yield _row(name, "auroc", area, int(known.sum()))
    weak = float((part["label_source"] == "record").mean())
    yield _row("all", "weak_labels", (weak, np.nan, np.nan), len(part))


def _area(
    scores: pd.Series[float],
    there: npt.NDArray[np.bool_],
    patient: npt.NDArray[np.intp],
    settings: EvaluateSettings,
    seed: int,
) -> Interval:
    if not len(scores):
        return Interval(np.nan, np.nan, np.nan)
    _, number = np.unique(patient, return_inverse=True)
    return histogram_interval(
        scores.to_numpy(dtype=np.float64),
        there.astype(np.int64),
        n_groups=2,
        patient=number.astype(np.int64),
        statistic=auroc,
        draws=settings.bootstrap,
        level=settings.level,
        seed=seed,
        of_class=True,
    )


def _row(name: str, metric: str, interval: tuple[float, float, float], n: int) -> dict[str, Any]:
    return {"class": name, "metric": metric, **dict(zip(("value", "lo", "hi"), interval, strict=True)), "n": n}


def _statistics(counts: Array) -> Array:
    every_hit, every_miss, hit, miss, false, right = np.moveaxis(counts, 2, 0)
    values = [
        divide(every_hit, every_hit + every_miss),
        divide(right, right + false),
        divide(hit, hit + false),
        divide(2 * hit, 2 * hit + miss + false),
        divide(2 * (hit + miss), 2 * (hit + miss) + false + right),
    ]
    return np.stack(values, axis=2).reshape(len(counts), -1)


def _rests_on(counts: Array) -> npt.NDArray[np.float64]:
    every_hit, every_miss, hit, miss, false, right = np.moveaxis(counts, 2, 0)
    rests = [every_hit + every_miss, right + false, hit + false, hit + miss + false, hit + miss + false + right]
    return np.stack(rests, axis=2).reshape(len(counts), -1)
