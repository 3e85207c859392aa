"""What networks of diagnoses of given settings say of training patients that they have not seen, and its scores.

The training patients are dealt to folds anew. Each fold is predicted by a network of the others, and, once more for
each other fold, by a network without both. So there are two questions with separate answers. Which settings are best
for all training patients? What does a choice score on patients that had no part in it? For the latter, settings are
chosen anew for each fold by the other folds alone (nested cross-validation; Stone 1974, Cawley & Talbot 2010).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.core.bootstrap import Array, percentile_intervals
from beatlens.core.seeds import derive_seed
from beatlens.core.text_tables import read_rows
from beatlens.evaluate.predictions.diagnoses.statistics import ranking, record_weights
from beatlens.inputs.diagnoses.record_features import record_logits
from beatlens.learning.diagnoses.cross_fit import classes_of, read_job
from beatlens.learning.diagnoses.record_labels import NO_FOLD, check_folds, deal_folds
from beatlens.selection.choice import AUROC_TO_BEST, MEAN, ONE_ERROR, SCORE_COLUMNS, Tables, choose
from beatlens.shards.patients import patient_keys
from beatlens.shards.splits import TABLE_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

RECORD_COLUMNS = ("corpus", "record", "patient", "fold", "outer")
"""Columns of the table of predictions before ``label_<id>`` and ``logit_<id>``: the fold of a record, and the fold that
its network lacks as well; the same where it lacks no other."""
NESTED = "(nested)"
"""Stands in the column candidate for the rule itself: what was chosen for each fold by the other folds."""


def learning_records(labels: pd.DataFrame, table: Path | None) -> pd.DataFrame:
    """Return the rows of the training records to choose by.

    Parameters
    ----------
    labels
        Table of labels and folds of the run.
    table
        Split table: the records that it puts in ``train`` are taken alone. None for all training records.
    """
    chosen = labels["fold"].to_numpy() != NO_FOLD
    if table is not None:
        rows = [row for _, row in read_rows(table, TABLE_COLUMNS, exact=False, comments=True)]
        kept = {(row["corpus"], row["record"]) for row in rows if row["split"] == "train"}
        keys = zip(labels["corpus"], labels["record"], strict=True)
        chosen &= np.array([key in kept for key in keys], dtype=bool)
    return labels[chosen].reset_index(drop=True)


def cross_fitted(
    labels: pd.DataFrame, features: Sequence[Path], settings: Mapping[str, Any], encoder: Path | None
) -> pd.DataFrame:
    """Predict each fold by networks without it, and without it and one more.

    Parameters
    ----------
    labels
        From `learning_records`.
    features
        Measured records; those of other records aren't looked at.
    settings
        The sections ``diagnoses``, ``signal`` and ``beats``, ``seed`` (of networks and of dealing), ``select.folds``.
    encoder
        Folder of the bundle whose encoder is shared, or None.

    Returns
    -------
    Table of `RECORD_COLUMNS`, labels and logits: records with known diagnoses and beats alone

    Raises
    ------
    ValueError
        Where a diagnosis lies in too few folds to be learnt without two of them.
    """
    import pandas as pd

    classes, job = classes_of(labels), read_job(labels, features, settings, encoder)
    dealt = replace(job.settings, folds=settings["select"]["folds"], folds_by="patient")
    home = deal_folds(labels.assign(strat_fold=""), job.patients, job.labels, dealt, job.seed)
    check_folds(home, job.labels, job.patients, classes)
    job = replace(job, fold=home)
    parts = []
    for left_out in [*((fold,) for fold in job.folds), *combinations(job.folds, 2)]:
        network = job.train(left_out).network
        for fold in left_out:
            rows = np.flatnonzero((home == fold) & job.teaching)
            logits = record_logits(network, job.features.rows(rows))
            outer = sum(left_out) - fold if len(left_out) > 1 else fold
            columns = {f"logit_{name}": logits[:, k] for k, name in enumerate(classes)}
            parts.append(labels.iloc[rows].assign(fold=fold, outer=outer, **columns))
    kept = [*RECORD_COLUMNS, *(f"{kind}_{name}" for kind in ("label", "logit") for name in classes)]
    return pd.concat(parts)[kept].sort_values(["corpus", "record", "outer"], ignore_index=True)


def diagnosis_scores(tables: Tables, *, draws: int, level: float, seed: int) -> pd.DataFrame:
    """Score candidates on the same left-out patients by AUROC, which needs no thresholds.

    Parameters
    ----------
    tables
        Predictions of `cross_fitted` by candidate and seed, a row a record; all of the same records.
    draws, level, seed
        Of the patient bootstrap; one draw of patients serves all candidates and seeds, so that differences are paired.

    Returns
    -------
    Table as from `beatlens.selection.choice.candidate_scores`: macro AUROC, that of each diagnosis, `AUROC_TO_BEST`
    """
    import pandas as pd

    names, seeds = list(tables), list(next(iter(tables.values())))
    classes = classes_of(tables[names[0]][seeds[0]])
    areas, has = _areas(tables, classes, draws, seed)
    macro = np.nanmean(areas, axis=2, keepdims=True)
    best = int(macro[..., 0].mean(axis=1)[:, 0].argmax())
    each = np.concatenate([macro, areas, macro - macro[best]], axis=2)  # (C, S, 1 + K + 1, 1 + draws)
    means = each.mean(axis=1)
    enough = np.array([True, *has, True])
    labels = [("all", "macro_auroc"), *((name, "auroc") for name in classes), ("all", AUROC_TO_BEST)]
    rows: list[tuple[Any, ...]] = []
    for c, name in enumerate(names):
        for s, member in enumerate(seeds):
            one = [(name, str(member), *label, each[c, s, m, 0], *3 * [np.nan]) for m, label in enumerate(labels)]
            rows += one[:-1]
        value, samples = means[c, :, 0], means[c, :, 1:].T
        _, lo, hi = percentile_intervals(value, samples, level, enough)
        _, below, above = percentile_intervals(value, samples, ONE_ERROR, enough)
        spread = each[c, :, :, 0].std(axis=0, ddof=1) / np.sqrt(len(seeds)) if len(seeds) > 1 else 0.0
        error = np.hypot((above - below) / 2, spread)
        rows += [(name, MEAN, *label, value[m], lo[m], hi[m], error[m]) for m, label in enumerate(labels)]
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def _areas(tables: Tables, classes: Sequence[str], draws: int, seed: int) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return AUROC (C, S, K, 1 + draws), and which diagnoses two patients have, and two lack (K,).

    A diagnosis that a resample has not, or nothing but, is NaN there.
    """
    first = next(iter(next(iter(tables.values())).values()))
    patients = np.unique(patient_keys(first), return_inverse=True)[1].astype(np.int64)
    truth = first[[f"label_{name}" for name in classes]].to_numpy() == 1
    weights = record_weights(patients, draws, derive_seed(seed, "select diagnoses"))
    result = np.empty((len(tables), len(next(iter(tables.values()))), len(classes), 1 + draws))
    for c, (name, by_seed) in enumerate(tables.items()):
        for s, (member, table) in enumerate(by_seed.items()):
            if not table[["corpus", "record"]].equals(first[["corpus", "record"]]):
                raise ValueError(
                    f"candidate {name}, seed {member}: {len(table)} records; expected the {len(first)} of the first"
                )
            for k, diagnosis in enumerate(classes):
                result[c, s, k] = ranking(table[f"logit_{diagnosis}"].to_numpy(float), truth[:, k], weights)[0]
    of_class = [min(len(set(patients[truth[:, k] == side])) for side in (True, False)) for k in range(len(classes))]
    return result, np.array(of_class) > 1


def last_word(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table of predictions by networks that lack the record's fold and no other."""
    return table[table["outer"] == table["fold"]].reset_index(drop=True)


def nested_choice(
    tables: Tables, *, draws: int, level: float, seed: int
) -> tuple[pd.DataFrame, Mapping[int, list[str]]]:
    """Choose settings for each fold by the other folds alone, and score what is said of it.

    Returns
    -------
    scores
        Rows of the candidate `NESTED`, as from `diagnosis_scores`.
    chosen
        Seed -> the candidate chosen for each fold.
    """
    import pandas as pd

    seeds = list(next(iter(tables.values())))
    chosen: dict[int, list[str]] = {}
    predicted: dict[int, pd.DataFrame] = {}
    for member in seeds:
        parts, chosen[member] = [], []
        for fold in sorted(set(next(iter(tables.values()))[member]["fold"])):
            others = {name: {member: _by_others(by_seed[member], fold)} for name, by_seed in tables.items()}
            choice = choose(diagnosis_scores(others, draws=draws, level=level, seed=seed)).chosen
            chosen[member].append(choice)
            said = last_word(tables[choice][member])
            parts.append(said[said["fold"] == fold])
        predicted[member] = pd.concat(parts).sort_values(["corpus", "record"], ignore_index=True)
    scores = diagnosis_scores({NESTED: predicted}, draws=draws, level=level, seed=seed)
    return scores[scores["metric"] != AUROC_TO_BEST], chosen


def _by_others(table: pd.DataFrame, fold: int) -> pd.DataFrame:
    """Return what is said of other folds by networks that lack this one as well."""
    return table[(table["outer"] == fold) & (table["fold"] != fold)].reset_index(drop=True)


def nested_text(scores: pd.DataFrame, counts: Mapping[str, int]) -> str:
    """Return, as a comment, what the rule itself scores on patients that had no part in its choice.

    Parameters
    ----------
    scores
        From `nested_choice`.
    counts
        How often each candidate was chosen for a fold.
    """
    row = scores[(scores["seed"] == MEAN) & (scores["metric"] == "macro_auroc")].iloc[0]
    times = ", ".join(f"{name} {count}" for name, count in counts.items())
    return (
        f"# Macro AUROC where each fold is predicted with what the other folds alone choose: {row['value']:.3f} "
        f"({row['lo']:.3f} to {row['hi']:.3f}).\n# Chosen there, in folds of all seeds: {times}.\n"
    )
