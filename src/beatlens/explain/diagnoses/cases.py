"""Which diagnoses are explained: a few records of each diagnosis and outcome."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from beatlens.core.seeds import derive_seed
from beatlens.corpora.diagnosis_table import DiagnosisTable
from beatlens.explain.diagnoses.settings import DiagnosisExplanationSettings, Outcome
from beatlens.shards.patients import patient_key

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

TARGET = "diagnosis"
"""What attributions call their target."""
CASE_COLUMNS = (
    "case",
    "corpus",
    "record",
    "patient",
    "database",
    "fold",
    "diagnosis",
    "name",
    "duration_s",
    "outcome",
    "probability",
    "relaxed",
)


@dataclass(frozen=True)
class DiagnosisCase:
    """A row of the case table (`CASE_COLUMNS`).

    Attributes
    ----------
    case
        Its id, a file's name.
    corpus, record, patient, database
        Of the record.
    fold
        The fold whose network is explained, which never saw the patient; -1 for the bundle's.
    diagnosis, name
        Id and name.
    duration_s
        Of the record.
    outcome
        ``correct``, ``wrong``, ``review`` or ``unlabelled``.
    probability
        Of the diagnosis, calibrated.
    relaxed
        Whether it is below what was asked for.
    """

    case: str
    corpus: str
    record: str
    patient: str
    database: str
    fold: int
    diagnosis: str
    name: str
    duration_s: float
    outcome: str
    probability: float
    relaxed: bool

    @property
    def beat_id(self) -> str:
        """No beat: the whole record is explained."""
        return ""

    @property
    def target(self) -> str:
        """`TARGET`."""
        return TARGET

    @property
    def case_class(self) -> str:
        """The diagnosis."""
        return self.diagnosis


def case_rows(cases: pd.DataFrame) -> list[DiagnosisCase]:
    """Return the rows of a case table."""
    return [DiagnosisCase(*row) for row in cases[list(CASE_COLUMNS)].itertuples(index=False, name=None)]


def codes_of(tables: Sequence[DiagnosisTable], diagnoses: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return of each diagnosis its id and the codes that stand for it in diagnosis tables."""
    codes = {key: {key} for key in diagnoses}
    for table in tables:
        for code, key in table.codes.items():
            if key in codes:
                codes[key].add(code)
    return {key: frozenset(found) for key, found in codes.items()}


def asked_diagnoses(
    asked: Sequence[str], names: Mapping[str, str], codes: Mapping[str, frozenset[str]]
) -> tuple[str, ...]:
    """Return the ids of diagnoses that are asked for by id, name or code, in the model's order.

    Parameters
    ----------
    asked
        None for all.
    names
        Name by id of the diagnoses that the model has.
    codes
        Of each: its id and its codes.

    Raises
    ------
    ValueError
        For one that the model hasn't got.
    """
    words = {word.casefold(): key for key, name in names.items() for word in (name, *codes[key])}
    unknown = [word for word in asked if word.casefold() not in words]
    if unknown:
        raise ValueError(
            f"diagnosis_explanations.diagnoses: {unknown[0]!r}; expected ids, names or codes of {', '.join(names)}"
        )
    wanted = {words[word.casefold()] for word in asked} if asked else set(names)
    return tuple(key for key in names if key in wanted)


def select_cases(
    predictions: pd.DataFrame,
    diagnoses: Sequence[str],
    names: Mapping[str, str],
    *,
    settings: DiagnosisExplanationSettings,
    seed: int,
) -> pd.DataFrame:
    """Choose records that are predicted to have a diagnosis.

    Every diagnosis and outcome gets its first record, then its second, and so on up to `per_diagnosis` and `max_cases`.
    Patients and databases chosen least often come first; chance decides among equals.

    Parameters
    ----------
    predictions
        A row a record (predictions/diagnoses.parquet), by networks that never saw the patient.
    diagnoses
        Ids, in order.
    names
        Name by id.
    settings
        Section ``diagnosis_explanations``.
    seed
        The run's.

    Returns
    -------
    Table of `CASE_COLUMNS`; legal without a row
    """
    import pandas as pd

    usable = predictions[(predictions["n_beats"] > 0) & (predictions["duration_s"] <= settings.max_duration_s)]
    predicted = usable["pred"].str.split(";")
    rng = np.random.default_rng(derive_seed(seed, "diagnosis cases"))
    groups: dict[tuple[str, Outcome], pd.DataFrame] = {}
    for diagnosis in diagnoses:
        table = usable[np.array([diagnosis in found for found in predicted], dtype=bool)]
        table = table.assign(outcome=_outcomes(table, diagnosis), probability=table[f"p_{diagnosis}"])
        for outcome in settings.outcomes:
            group = table[table["outcome"] == outcome]
            groups[diagnosis, outcome] = group.iloc[rng.permutation(len(group))]
    chosen: list[DiagnosisCase] = []
    used: dict[str, int] = {}
    for rank in range(settings.per_diagnosis):
        for (diagnosis, _), group in groups.items():
            here = {(case.corpus, case.record) for case in chosen if case.diagnosis == diagnosis}
            keys = zip(group["corpus"], group["record"], strict=True)
            left = group[np.array([key not in here for key in keys], dtype=bool)]
            if left.empty or len(chosen) >= settings.max_cases:
                continue
            chosen.append(_pick(left, diagnosis, names[diagnosis], rank=rank, used=used, settings=settings))
    empty = [f"{diagnosis} {outcome}" for (diagnosis, outcome), group in groups.items() if group.empty]
    if empty:
        logger.info("no record to explain in %d of %d groups, such as %s", len(empty), len(groups), empty[0])
    order = {diagnosis: place for place, diagnosis in enumerate(diagnoses)}
    rows = sorted(chosen, key=lambda case: (order[case.diagnosis], case.case))
    return pd.DataFrame([[getattr(row, name) for name in CASE_COLUMNS] for row in rows], columns=list(CASE_COLUMNS))


def _outcomes(table: pd.DataFrame, diagnosis: str) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    label = table[f"label_{diagnosis}"].to_numpy()
    known = np.where(label == 1, "correct", np.where(label == 0, "wrong", "unlabelled"))
    return np.where(table["review"].to_numpy(dtype=bool), "review", known).astype(object)


def _pick(
    group: pd.DataFrame,
    diagnosis: str,
    name: str,
    *,
    rank: int,
    used: dict[str, int],
    settings: DiagnosisExplanationSettings,
) -> DiagnosisCase:
    """Take a record of the patient, then of the database, chosen least often; `used` is updated."""
    enough = group[group["probability"] >= settings.min_probability]
    if relaxed := enough.empty:
        enough = group.sort_values("probability", ascending=False, kind="stable").head(1)
    keys = [
        (patient_key(row.corpus, row.patient), f"{diagnosis} in {row.corpus} {row.database}")
        for row in enough.itertuples(index=False)
    ]
    counts = [tuple(used.get(key, 0) for key in pair) for pair in keys]
    place = counts.index(min(counts))
    for key in keys[place]:
        used[key] = used.get(key, 0) + 1
    row = enough.iloc[place]
    return DiagnosisCase(
        case=f"{diagnosis}-{row['outcome']}-{rank + 1:02d}",
        corpus=str(row["corpus"]),
        record=str(row["record"]),
        patient=str(row["patient"]),
        database=str(row["database"]),
        fold=int(row["fold"]),
        diagnosis=diagnosis,
        name=name,
        duration_s=float(row["duration_s"]),
        outcome=str(row["outcome"]),
        probability=float(row["probability"]),
        relaxed=bool(relaxed),
    )
