"""Who is in which split. Patients are dealt, never beats or records, so no patient is in two splits.

``table`` takes the splits from a CSV (MIT-BIH's DS1 and DS2); ``stratified`` deals the patients of labelled training
records so that every class has patients in every split.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.core.seeds import derive_seed
from beatlens.core.text_tables import read_rows
from beatlens.shards.patients import patient_key, person
from beatlens.shards.settings import SplitFractions, SplitSettings

if TYPE_CHECKING:
    import pandas as pd

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

DEALT_SPLITS = tuple(field.name for field in fields(SplitFractions))
"""Splits of which no two may share a patient."""
SPLITS = (*DEALT_SPLITS, "paced", "none")
TABLE_COLUMNS = ("corpus", "record", "split")
logger = logging.getLogger(__name__)


def assign_splits(
    records: pd.DataFrame, settings: SplitSettings, classes: Sequence[str], table: Path | None = None
) -> list[str]:
    """Return the split of each record.

    Parameters
    ----------
    records
        One row a record: corpus, record, patient, role, labelled (bool) and ``n_<class>`` for each class.
    settings
        Section ``split`` of the configuration.
    classes
        Classes that every split should have patients of.
    table
        The CSV, in place of ``settings.table``.

    Returns
    -------
    One of `SPLITS` a row. Records of role test are ``test``; of role predict or noise, and records without beat
    annotations, are ``none``. No patient is in two of `DEALT_SPLITS` (`assert_disjoint`), except where the table
    declares the overlap.

    Raises
    ------
    ValueError
        Where the table is malformed, or a patient is in two splits.
    """
    fixed = [_fixed_split(role, labelled) for role, labelled in zip(records["role"], records["labelled"], strict=True)]
    declared: set[tuple[str, str]] = set()
    if settings.scheme == "table":
        path = Path(table or settings.table or "")
        result, declared = _from_table(records, fixed, path), declared_overlaps(path, records)
    else:
        free = np.array([split == "" for split in fixed], dtype=bool)
        dealt = _deal_records(records[free], settings.fractions, classes, settings.seed)
        result = list(fixed)
        for position, split in zip(np.flatnonzero(free), dealt, strict=True):
            result[position] = split
    assert_disjoint(records["corpus"], records["patient"], records["record"], result, declared)
    _warn_missing(records, result, classes)
    return result


def _fixed_split(role: str, labelled: bool) -> str:
    if role not in {"train", "test"} or not labelled:
        return "none"
    return "test" if role == "test" else ""


def _from_table(records: pd.DataFrame, fixed: list[str], path: Path) -> list[str]:
    of_key: dict[tuple[str, str], str] = {}
    for line, row in read_rows(path, TABLE_COLUMNS, exact=False, comments=True):
        listed = (row["corpus"], row["record"])
        if row["split"] not in SPLITS:
            raise ValueError(f"{path} line {line}: split {row['split']!r}; expected one of {list(SPLITS)}")
        if listed in of_key:
            raise ValueError(f"{path} line {line}: {'/'.join(listed)} is listed twice; expected each record once")
        of_key[listed] = row["split"]
    result, unlisted = [], []
    for corpus, record, split in zip(records["corpus"], records["record"], fixed, strict=True):
        key = (corpus, record)
        if split == "" and key not in of_key:
            unlisted.append(f"{corpus}/{record}")
        result.append(of_key.get(key, split or "none") if split != "none" else "none")
    if unlisted:
        logger.warning("%d records aren't in %s and get split none: %s", len(unlisted), path, ", ".join(unlisted[:10]))
    return result


def declared_overlaps(path: Path, records: pd.DataFrame) -> set[tuple[str, str]]:
    """Return the (corpus, patient) whose records a split table declares to be in several splits.

    Parameters
    ----------
    path
        The split table, with or without the column declared_overlap.
    records
        One row a record: corpus, record, patient.
    """
    table = read_rows(path, TABLE_COLUMNS, exact=False, comments=True)
    keys = {(row["corpus"], row["record"]) for _, row in table if row.get("declared_overlap")}
    columns = [records[name].tolist() for name in ("corpus", "record", "patient")]
    return {(corpus, patient) for corpus, record, patient in zip(*columns, strict=True) if (corpus, record) in keys}


def assert_disjoint(
    corpus: Sequence[str],
    patient: Sequence[str],
    record: Sequence[str],
    split: Sequence[str],
    declared: Collection[tuple[str, str]] = (),
) -> None:
    """Raise where a patient is in two of `DEALT_SPLITS`.

    Parameters
    ----------
    corpus, patient, record, split
        One entry a record.
    declared
        (corpus, patient) whose overlap is known and declared in the split table; it is logged.

    Raises
    ------
    ValueError
        Naming the patients, their records and splits.
    """
    places: dict[str, dict[str, list[str]]] = {}
    for one, who, name, where in zip(corpus, patient, record, split, strict=True):
        if where in DEALT_SPLITS:
            places.setdefault(patient_key(one, who), {}).setdefault(where, []).append(name)
    shared = {key: found for key, found in places.items() if len(found) > 1}
    known = {patient_key(*key) for key in declared}
    for key in sorted(set(shared) & known):
        logger.warning("patient %s is in several splits, as the split table declares: %s", key, shared[key])
    leaks = {key: found for key, found in sorted(shared.items()) if key not in known}
    if leaks:
        raise ValueError(
            f"{len(leaks)} patients are in more than one split: {dict(list(leaks.items())[:5])}; "
            "expected each in one, or the overlap declared in the split table"
        )


def _warn_missing(records: pd.DataFrame, split: Sequence[str], classes: Sequence[str]) -> None:
    where = np.array(split)
    if not np.isin(where, DEALT_SPLITS).any():
        return  # nothing is trained or scored: records to predict only
    for name in DEALT_SPLITS:
        rows = records[where == name]
        missing = [label for label in classes if not len(rows) or not rows[f"n_{label}"].sum()]
        if missing:
            logger.warning("split %s has no beats of %s", name, ", ".join(missing))


def _deal_records(records: pd.DataFrame, fractions: SplitFractions, classes: Sequence[str], seed: int) -> list[str]:
    """Return the split of each record by dealing its patients."""
    keys = [person(*key) for key in zip(records["corpus"], records["patient"], strict=True)]
    patients = sorted(set(keys))
    row_of = {key: k for k, key in enumerate(patients)}
    has = np.zeros((len(patients), len(classes)), dtype=bool)
    for k, label in enumerate(classes):
        for key, count in zip(keys, records[f"n_{label}"], strict=True):
            has[row_of[key], k] |= count > 0
    draws = np.array([derive_seed(seed, "split", *key) / 2**63 for key in patients])
    splits = deal_patients(has, draws, [getattr(fractions, name) for name in DEALT_SPLITS])
    return [DEALT_SPLITS[splits[row_of[key]]] for key in keys]


def deal_patients(has: BoolArray, draws: npt.NDArray[np.float64], fractions: Sequence[float]) -> IntArray:
    """Deal patients to splits so that each split gets its share of the patients of each class.

    First, each patient goes to the split into whose share of [0, 1) its draw falls. Then repairs follow, rarest class
    first: a split with too few patients of a class gets one from a split with more than its share, and of these the one
    whose leaving costs the least.

    A patient's draw depends on the seed and the patient's id alone. So a new patient or record moves others only where
    it changes a repair. A new record of a known patient moves nobody, unless it brings the patient a new class.

    Parameters
    ----------
    has
        (n_patients, n_classes) whether the patient has beats of the class.
    draws
        (n_patients,) uniform on [0, 1), one a patient.
    fractions
        (n_splits,) share of each split, sum 1.

    Returns
    -------
    (n_patients,) index of the split
    """
    shares = np.asarray(fractions, dtype=np.float64)
    edges = np.cumsum(shares)[:-1]
    split: IntArray = np.searchsorted(edges, draws, side="right").astype(np.int64)
    groups = np.concatenate([has, np.ones((len(draws), 1), dtype=bool)], axis=1)  # the last group: all patients
    sizes = groups.sum(axis=0)
    target = np.stack([_apportion(int(size), shares) for size in sizes], axis=1)
    slack = target // 5  # a fifth may lack: fewer moves, and a small group is exact
    least, most = target - slack, target + np.maximum(slack, 1)
    count = np.stack([np.bincount(split[member], minlength=len(shares)) for member in groups.T], axis=1)
    settled: list[int] = []
    for group in np.argsort(sizes, kind="stable"):
        settled.append(int(group))
        for receiver in np.argsort(count[:, group] - target[:, group], kind="stable"):
            while count[receiver, group] < target[receiver, group]:
                donors = count[:, group] > most[:, group]
                if count[receiver, group] < least[receiver, group] and not donors.any():
                    donors = count[:, group] > target[:, group]
                candidates = np.flatnonzero(groups[:, group] & donors[split])
                if not len(candidates):
                    break
                of = split[candidates]
                member = groups[candidates]
                # First, how many settled groups the leaving would break; then how far it takes all groups from their
                # targets.
                broken = (member & (count[of] <= least[of]))[:, settled[:-1]].sum(axis=1)
                drift = (member * ((target - count)[of] - (target - count)[receiver]) / np.maximum(sizes, 1)).sum(
                    axis=1
                )
                best = candidates[np.lexsort((draws[candidates], drift, broken))[0]]
                if broken.min() > 0:
                    break
                count[split[best]] -= groups[best]
                count[receiver] += groups[best]
                split[best] = receiver
    return split


def _apportion(size: int, shares: npt.NDArray[np.float64]) -> IntArray:
    """Split a number of patients by shares: one for each split, largest share first, then by largest deficit."""
    result = np.zeros(len(shares), dtype=np.int64)
    order = [int(k) for k in np.argsort(-shares, kind="stable") if shares[k] > 0]
    result[order[:size]] = 1
    rest = size - int(result.sum())
    ideal = np.maximum(shares * size - result, 0)
    if rest:
        ideal *= rest / ideal.sum()
        result += np.floor(ideal).astype(np.int64)
        leftover = size - int(result.sum())
        result[np.argsort(-(ideal - np.floor(ideal)), kind="stable")[:leftover]] += 1
    return result
