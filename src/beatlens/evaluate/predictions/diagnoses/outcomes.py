"""Predicted diagnoses beside the true ones: one row a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.shards.patients import patient_keys

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("corpus", "record", "patient", "database", "split", "fold", "pred", "conformal_set", "review", "reason")


@dataclass(frozen=True)
class DiagnosisOutcomes:
    """Labelled records, each predicted by networks that never saw its patient.

    Attributes
    ----------
    classes
        K ids.
    patient
        (n,) number of the patient.
    labels
        (n, K): 1 present, 0 absent, -1 unknown.
    probability
        (n, K) float64; NaN throughout for a record without an answer, such as one without beats.
    predicted, in_set
        (n, K) diagnoses given, and in the conformal set.
    review
        (n,) whether the record went to review.
    """

    classes: tuple[str, ...]
    patient: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    probability: npt.NDArray[np.float64]
    predicted: npt.NDArray[np.bool_]
    in_set: npt.NDArray[np.bool_]
    review: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def answered(self) -> npt.NDArray[np.bool_]:
        """(n,) records that have probabilities."""
        return np.asarray(np.isfinite(self.probability).all(axis=1))

    def among(self, classes: Sequence[str]) -> DiagnosisOutcomes:
        """Return the same records with some of the diagnoses."""
        places = [self.classes.index(name) for name in classes]
        return DiagnosisOutcomes(
            tuple(classes),
            self.patient,
            self.labels[:, places],
            self.probability[:, places],
            self.predicted[:, places],
            self.in_set[:, places],
            self.review,
        )


def diagnosis_classes(table: pd.DataFrame) -> tuple[str, ...]:
    """Return the diagnoses of a table of predictions, by its columns ``label_<id>``."""
    return tuple(name.removeprefix("label_") for name in table.columns if name.startswith("label_"))


def scored_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that can be scored: a known label, and an answer by networks that never saw the patient.

    Raises
    ------
    ValueError
        Where the table lacks a column, holds a record twice or a patient in two folds, or a prediction names a
        diagnosis that has no column.
    """
    classes = diagnosis_classes(table)
    absent = [name for name in (*REQUIRED, *(f"p_{name}" for name in classes)) if name not in table]
    if absent or not classes:
        raise ValueError(f"predictions of diagnoses without columns {absent or ['label_<id>']}")
    twice = table[table.duplicated(["corpus", "record"])]
    if len(twice):
        raise ValueError(f"predictions of diagnoses: {twice['record'].iloc[0]} comes twice; expected a row a record")
    known = (table[[f"label_{name}" for name in classes]] >= 0).any(axis=1)
    rows = table[known & ((table["fold"] >= 0) | (table["split"] == "test"))].reset_index(drop=True)
    folds = rows.groupby(["corpus", "patient"])["fold"].nunique()
    if (folds > 1).any():
        corpus, patient = folds.idxmax()
        raise ValueError(f"predictions of diagnoses: {corpus}, patient {patient} is in two folds; expected one")
    given = {name for text in (*rows["pred"], *rows["conformal_set"]) for name in text.split(";") if name}
    if given - set(classes):
        raise ValueError(f"predictions of diagnoses: {sorted(given - set(classes))}; expected some of {list(classes)}")
    return rows


def outcomes(rows: pd.DataFrame) -> DiagnosisOutcomes:
    """Turn rows of `scored_rows` into arrays."""
    classes = diagnosis_classes(rows)
    predicted, in_set = (
        np.array([[name in text.split(";") for name in classes] for text in rows[column]], dtype=bool).reshape(
            len(rows), len(classes)
        )
        for column in ("pred", "conformal_set")
    )
    _, patient = np.unique(patient_keys(rows), return_inverse=True)
    return DiagnosisOutcomes(
        classes,
        patient.astype(np.int64),
        rows[[f"label_{name}" for name in classes]].to_numpy(dtype=np.int64),
        rows[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64),
        predicted,
        in_set,
        rows["review"].to_numpy(dtype=bool),
    )
