"""Predictions beside their truth: one row a beat, with missed beats and false detections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.shards.patients import patient_keys

if TYPE_CHECKING:
    import pandas as pd

NONE = "none"
"""Truth of a detection that matches no annotated beat."""
MISSED = "missed"
"""Prediction for an annotated beat that no detection matches."""

REQUIRED = ("beat_id", "corpus", "record", "patient", "split", "label", "pred", "review")


@dataclass(frozen=True)
class Outcomes:
    """Labelled beats of one split.

    Attributes
    ----------
    classes
        Class ids, in the configured order.
    truths
        Values of the truth: the classes, then labels outside them in sorted order, then `NONE`.
    patients
        Patient ids, sorted; ``corpus/patient`` where two corpora have the same id.
    patient
        (n,) index into `patients`.
    truth
        (n,) index into `truths`.
    pred
        (n,) index into `classes`; ``len(classes)`` where missed.
    review
        (n,) whether the beat went to review; False where missed.
    probability
        (n, n_classes) float64; NaN where missed.
    """

    classes: tuple[str, ...]
    truths: tuple[str, ...]
    patients: tuple[str, ...]
    patient: npt.NDArray[np.int64]
    truth: npt.NDArray[np.int64]
    pred: npt.NDArray[np.int64]
    review: npt.NDArray[np.bool_]
    probability: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def missed(self) -> npt.NDArray[np.bool_]:
        """(n,) annotated beats without a detection."""
        return np.equal(self.pred, len(self.classes))

    @property
    def scored(self) -> npt.NDArray[np.bool_]:
        """(n,) beats with a probability and a truth among the classes."""
        return ~self.missed & (self.truth < len(self.classes))

    def subset(self, rows: npt.NDArray[np.bool_]) -> Outcomes:
        """Keep some rows and only the patients that they come from."""
        used, patient = np.unique(self.patient[rows], return_inverse=True)
        return Outcomes(
            self.classes,
            self.truths,
            tuple(self.patients[k] for k in used),
            patient.astype(np.int64),
            self.truth[rows],
            self.pred[rows],
            self.review[rows],
            self.probability[rows],
        )


def join_missed(beats: pd.DataFrame, annotated: pd.DataFrame) -> pd.DataFrame:
    """Return the labelled detected beats, and below them the annotated beats that no detection matched.

    Parameters
    ----------
    beats, annotated
        Predictions at detected and at annotated R peaks.

    Raises
    ------
    ValueError
        Where a table lacks a column or repeats a beat id.
    """
    import pandas as pd

    check_predictions(beats, "predictions at detected beats")
    detected = beats[beats["label"] != ""]
    if not len(annotated):
        return detected.reset_index(drop=True)
    check_predictions(annotated, "predictions at annotated beats")
    if "matched" not in annotated:
        raise ValueError("predictions at annotated beats without a column 'matched'; it says which beats were missed")
    missed = annotated[~annotated["matched"].astype(bool) & (annotated["label"] != "")].copy()
    if not len(missed):
        return detected.reset_index(drop=True)
    missed["pred"] = MISSED
    missed["review"] = False
    missed[[name for name in missed if name.startswith("p_")]] = np.nan
    return pd.concat([detected, missed], ignore_index=True) if len(detected) else missed.reset_index(drop=True)


def outcomes(table: pd.DataFrame, classes: Sequence[str]) -> Outcomes:
    """Turn a table of predictions (`join_missed`, or those at annotated beats) into index arrays.

    Labels outside `classes` have a row in the confusion but enter no score, since a model can't predict a class that it
    wasn't taught.

    Raises
    ------
    ValueError
        Where a prediction is neither a class nor `MISSED`, or a probability column is missing.
    """
    order = tuple(classes)
    table = table[table["label"] != ""]
    unknown = sorted(set(table["pred"]) - {*order, MISSED})
    if unknown:
        raise ValueError(f"predicted classes {unknown}; expected one of {list(order)}")
    absent = [name for name in order if f"p_{name}" not in table]
    if absent:
        raise ValueError(f"predictions without the probability of {absent}; expected columns p_<class>")
    others = sorted(set(table["label"]) - {*order, NONE})
    truths = (*order, *others, NONE)
    patients, patient = np.unique(patient_keys(table), return_inverse=True)
    return Outcomes(
        order,
        truths,
        _short_names(patients.tolist()),
        patient.astype(np.int64),
        table["label"].map({name: k for k, name in enumerate(truths)}).to_numpy(dtype=np.int64),
        table["pred"].map({name: k for k, name in enumerate((*order, MISSED))}).to_numpy(dtype=np.int64),
        table["review"].to_numpy(dtype=bool),
        table[[f"p_{name}" for name in order]].to_numpy(dtype=np.float64),
    )


def _short_names(keys: Sequence[str]) -> tuple[str, ...]:
    """Drop the corpus from ``corpus/patient`` where the patient id alone is unique."""
    ids = [key.partition("/")[2] for key in keys]
    uses = Counter(ids)
    return tuple(name if uses[name] == 1 else key for key, name in zip(keys, ids, strict=True))


def check_predictions(table: pd.DataFrame, what: str) -> None:
    """Raise where a table of predictions lacks a column or holds a beat twice."""
    absent = [name for name in REQUIRED if name not in table]
    if absent:
        raise ValueError(f"{what} without columns {absent}; found {list(table.columns)}")
    twice = table["beat_id"][table["beat_id"].duplicated()]
    if len(twice):
        raise ValueError(f"{what}: {len(twice)} repeated beat ids, such as {twice.iloc[0]!r}; expected each once")


def check_splits(records: pd.DataFrame, *tables: pd.DataFrame) -> None:
    """Raise where the predictions' patient or split of a record differs from that in the table of records.

    Raises
    ------
    ValueError
        Naming the record: a wrong split would score training beats as unseen ones.
    """
    known = {(row.corpus, row.record): (row.patient, row.split) for row in records.itertuples(index=False)}
    for table in tables:
        found = table[["corpus", "record", "patient", "split"]].drop_duplicates()
        for row in found.itertuples(index=False):
            expected = known.get((row.corpus, row.record))
            if expected != (row.patient, row.split):
                raise ValueError(
                    f"predictions put {row.corpus}/{row.record} at patient {row.patient!r}, split {row.split!r}; "
                    f"the table of records says {expected}"
                )
