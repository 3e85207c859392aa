"""Labels of records: which diagnoses each has, which can be learnt, and which records lie in which fold."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.core.seeds import derive_seed
from beatlens.corpora.diagnosis_table import DiagnosisTable
from beatlens.learning.diagnoses.settings import DiagnosisSettings
from beatlens.shards.patients import patient_key

if TYPE_CHECKING:
    import pandas as pd

IntArray = npt.NDArray[np.int64]
UNKNOWN = -1
NO_FOLD = -1
logger = logging.getLogger(__name__)


def label_records(
    records: pd.DataFrame, tables: Mapping[str, DiagnosisTable], settings: DiagnosisSettings, seed: int
) -> pd.DataFrame:
    """Return a row a record: who it is, its fold, and for each diagnosis 1 (has it), 0 (lacks it) or -1 (unknown).

    Parameters
    ----------
    records
        Rows of the shards' tables ``records.parquet``.
    tables
        Diagnosis table by corpus; the labels of a corpus without one are unknown.
    settings, seed
        Section ``diagnoses``, and the seed that deals patients to folds.

    Raises
    ------
    ValueError
        Where nothing can be learnt: no record has a known label, a diagnosis is had by no training patient or by all,
        or by too few patients for folds; or the patients, or databases, are fewer than the folds.
    """
    chosen = _chosen(records)
    known = _known(chosen, tables)
    train = (chosen["role"] == "train").to_numpy() & np.array([found is not None for found in known], dtype=bool)
    classes = learnt_classes(
        [f for f, one in zip(known, train, strict=True) if one and f is not None], tables, settings
    )
    labels = _labels(known, classes)
    patients = np.array([patient_key(c, p) for c, p in zip(chosen["corpus"], chosen["patient"], strict=True)])
    role = chosen["role"].to_numpy()
    fold = np.full(len(chosen), NO_FOLD)
    of_training = role == "train"
    overlap = sorted(set(patients[of_training]) & set(patients[role == "test"]))
    if overlap:
        raise ValueError(
            f"{len(overlap)} patients both train and test: {', '.join(overlap[:5])}; expected one role a patient"
        )
    fold[of_training] = deal_folds(chosen[of_training], patients[of_training], labels[of_training], settings, seed)
    check_folds(fold[of_training], labels[of_training], patients[of_training], classes)
    return _table(chosen, fold, labels, classes)


def label_to_predict(
    records: pd.DataFrame, tables: Mapping[str, DiagnosisTable], classes: Sequence[str]
) -> pd.DataFrame:
    """Return the same table for a bundle's diagnoses: nothing is learnt, so no record is in a fold."""
    chosen = _chosen(records)
    return _table(chosen, np.full(len(chosen), NO_FOLD), _labels(_known(chosen, tables), classes), classes)


def _chosen(records: pd.DataFrame) -> pd.DataFrame:
    return records[records["role"] != "noise"].sort_values(["corpus", "record"], ignore_index=True)


def _known(records: pd.DataFrame, tables: Mapping[str, DiagnosisTable]) -> list[frozenset[str] | None]:
    """Return the diagnoses of each record; None where it has no code, or none that its corpus's table has."""
    known: list[frozenset[str] | None] = []
    unknown_codes = set()
    for corpus, dx in zip(records["corpus"], records["dx"], strict=True):
        table, codes = tables.get(corpus), [code for code in dx.split(";") if code]
        found, strange = table.of_codes(codes) if table else (frozenset(), tuple(codes))
        unknown_codes |= {f"{corpus}: {code}" for code in strange if table}
        known.append(found if len(strange) < len(set(codes)) else None)
    if unknown_codes:
        logger.warning("%d codes that no diagnosis table has: %s", len(unknown_codes), ", ".join(sorted(unknown_codes)))
    return known


def _labels(known: Sequence[frozenset[str] | None], classes: Sequence[str]) -> IntArray:
    rows = [[UNKNOWN] * len(classes) if found is None else [int(name in found) for name in classes] for found in known]
    return np.array(rows, dtype=np.int64).reshape(len(known), len(classes))


def _table(records: pd.DataFrame, fold: IntArray, labels: IntArray, classes: Sequence[str]) -> pd.DataFrame:
    split = {"train": "train", "test": "test", "predict": "none"}
    columns = {name: records[name] for name in ("corpus", "record", "patient", "database", "role")}
    columns |= {"split": records["role"].map(split), "fold": fold, "duration_s": records["duration_s"]}
    return records.iloc[:, :0].assign(**columns, **{f"label_{name}": labels[:, k] for k, name in enumerate(classes)})


def learnt_classes(
    known: Sequence[frozenset[str]], tables: Mapping[str, DiagnosisTable], settings: DiagnosisSettings
) -> tuple[str, ...]:
    """Return the diagnoses to learn, given those of each training record, in the order of the tables."""
    if not known:
        raise ValueError(
            "diagnoses: no training record has a code that its corpus's diagnosis table knows; expected corpora of "
            "the role train with labels of records and the key diagnoses"
        )
    listed = dict.fromkeys(name for table in tables.values() for name in table.scored)
    count = {name: sum(name in found for found in known) for name in {*listed, *settings.classes}}
    for name in settings.classes:
        if not any(name in table.names for table in tables.values()):
            raise ValueError(f"diagnoses.classes: {name!r}; expected ids of the diagnosis tables: {', '.join(listed)}")
        if count[name] < 2:
            raise ValueError(f"diagnoses.classes: {name} is had by {count[name]} training records; expected 2 or more")
    classes = settings.classes or tuple(name for name in listed if count[name] >= settings.min_positives)
    if not classes:
        most = max(count, key=lambda name: count[name])
        raise ValueError(
            f"diagnoses.min_positives: {settings.min_positives}, but the most frequent diagnosis, {most}, is had by "
            f"{count[most]} training records; expected a smaller number, or more records"
        )
    for name in classes:
        if count[name] == len(known):
            raise ValueError(f"diagnoses: all {len(known)} training records have {name}; expected some without it")
    return classes


def deal_folds(
    records: pd.DataFrame,
    patients: npt.NDArray[np.str_],
    labels: IntArray,
    settings: DiagnosisSettings,
    seed: int,
) -> IntArray:
    """Return the fold of each training record; whole patients are dealt.

    Raises
    ------
    ValueError
        Where there are fewer patients, or databases, than folds.
    """
    names = sorted(set(patients))
    rows = {name: np.flatnonzero(patients == name) for name in names}
    if settings.folds_by == "database":
        databases = sorted(set(records["database"]))
        if len(databases) != settings.folds:
            raise ValueError(
                f"diagnoses.folds: {settings.folds}, but the databases are {', '.join(databases)}; expected "
                f"{max(len(databases), 3)}, one a database"
            )
        home = {name: databases.index(records["database"].iloc[rows[name][0]]) for name in names}
        return np.array([home[name] for name in patients], dtype=np.int64)
    if len(names) < settings.folds:
        raise ValueError(
            f"diagnoses.folds: {settings.folds}, but there are {len(names)} training patients; expected more"
        )
    given = records["strat_fold"].to_numpy(dtype=object)
    fixed = settings.folds_by == "corpus"
    home = {name: int(given[rows[name][0]]) % settings.folds for name in names if fixed and given[rows[name][0]] != ""}
    home |= _dealt(names, rows, labels, home, settings.folds, seed)
    return np.array([home[name] for name in patients])


def _dealt(
    names: Sequence[str],
    rows: Mapping[str, IntArray],
    labels: IntArray,
    home: Mapping[str, int],
    folds: int,
    seed: int,
) -> dict[str, int]:
    """Deal the patients that have no fold, those of the rarest diagnosis first, each to the smallest fold."""
    has = {name: labels[rows[name]].max(axis=0) > 0 for name in names if name not in home}
    count = np.sum(list(has.values()), axis=0) if has else np.zeros(labels.shape[1])
    rarest = {
        name: min(np.flatnonzero(found), key=lambda k: (count[k], k), default=labels.shape[1])
        for name, found in has.items()
    }
    order = sorted(has, key=lambda name: (count[rarest[name]] if rarest[name] < len(count) else np.inf, rarest[name],
                                          derive_seed(seed, "fold", name)))  # fmt: skip
    of_group = np.zeros((labels.shape[1] + 1, folds), dtype=np.int64)
    size = np.bincount(list(home.values()), minlength=folds) if home else np.zeros(folds, dtype=np.int64)
    result: dict[str, int] = {}
    for name in order:
        group = rarest[name]
        tie = [derive_seed(seed, "tie", int(group), k) for k in range(folds)]
        fold = min(range(folds), key=lambda k: (of_group[group, k], size[k], tie[k]))
        result[name] = fold
        of_group[group, fold] += 1
        size[fold] += 1
    return result


def check_folds(fold: IntArray, labels: IntArray, patients: npt.NDArray[np.str_], classes: Sequence[str]) -> None:
    """Raise ValueError where a patient is in two folds, or a diagnosis can't be learnt without two of the folds."""
    homes: dict[str, int] = {}
    for name, where in zip(patients, fold.tolist(), strict=True):
        if homes.setdefault(name, where) != where:
            raise ValueError(f"{name} is in folds {homes[name]} and {where}; expected a patient in one fold")
    for k, name in enumerate(classes):
        having = set(fold[labels[:, k] == 1].tolist())
        if len(having) < 3:  # without one fold, and one more for what is calibrated
            raise ValueError(
                f"diagnoses: the training records with {name} lie in {len(having)} folds; expected three or more, so "
                "that networks without two of them have seen it: more patients, or diagnoses.classes without it"
            )
