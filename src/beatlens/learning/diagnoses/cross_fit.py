"""Cross-fitting: what networks say of patients they haven't seen, and what is fitted on that.

A fold is predicted by a network of the other folds. What turns its logits into diagnoses (calibration, thresholds,
conformal limits, review) is fitted on the other folds too: each of them is predicted by a network that was made without
it and without the fold. So nothing that a record of the fold gets rests on its patient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.core.leads import LEAD_SUBSETS
from beatlens.core.seeds import derive_seed
from beatlens.inputs.diagnoses.feature_file import read_features
from beatlens.inputs.diagnoses.record_features import RecordFeatures, record_logits
from beatlens.learning.diagnoses.encoder import GivenEncoder
from beatlens.learning.diagnoses.settings import DiagnosisSettings
from beatlens.learning.diagnoses.training import Trained, beat_extent, network_config, train_diagnoses
from beatlens.models.diagnosis import DiagnosisConfig
from beatlens.shards.patients import patient_key

if TYPE_CHECKING:
    import pandas as pd

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DiagnosisJob:
    """Records, their labels, and how networks are trained on them.

    Attributes
    ----------
    features
        n records.
    fold
        (n,) fold of each, -1 for none.
    labels
        (n, K): 1, 0, or -1 throughout for a record whose diagnoses aren't known.
    patients
        (n,) over all corpora.
    config, settings, seed
        Sizes, the section ``diagnoses``, and the run's seed.
    encoder
        Shared with a network of beats, or None.
    """

    features: RecordFeatures
    fold: IntArray
    labels: IntArray
    patients: npt.NDArray[np.str_]
    config: DiagnosisConfig
    settings: DiagnosisSettings
    seed: int
    encoder: GivenEncoder | None = None

    @property
    def folds(self) -> list[int]:
        """Folds that hold records."""
        return sorted(set(self.fold[self.fold >= 0].tolist()))

    @property
    def teaching(self) -> npt.NDArray[np.bool_]:
        """(n,) training records with known diagnoses and beats."""
        return np.asarray((self.fold >= 0) & (self.labels >= 0).all(axis=1) & self.features.answerable)

    def train(self, without: Sequence[int] = ()) -> Trained:
        """Train a network on all training records but those of some folds.

        Raises
        ------
        ValueError
            Where a patient would be on both sides.
        """
        left = np.isin(self.fold, without)
        chosen = np.flatnonzero(self.teaching & ~left)
        shared = set(self.patients[chosen]) & set(self.patients[left])
        if shared:
            raise ValueError(f"{len(shared)} patients are in a fold and outside it: {', '.join(sorted(shared)[:5])}")
        seed = derive_seed(self.seed, "diagnoses", *map(str, without))
        taught, labels = self.features.rows(chosen), self.labels[chosen]
        return train_diagnoses(taught, labels, self.config, self.settings, seed, self.encoder)


def job_of(
    table: pd.DataFrame, features: RecordFeatures, config: DiagnosisConfig, settings: DiagnosisSettings, seed: int
) -> DiagnosisJob:
    """Put a job together from the table of labels, whose rows are those of the features."""
    patients = [patient_key(c, p) for c, p in zip(table["corpus"], table["patient"], strict=True)]
    return DiagnosisJob(
        features=features,
        fold=table["fold"].to_numpy(dtype=np.int64),
        labels=table[[f"label_{name}" for name in classes_of(table)]].to_numpy(dtype=np.int64),
        patients=np.array(patients, dtype=np.str_),
        config=config,
        settings=settings,
        seed=seed,
    )


def read_job(
    table: pd.DataFrame, features: Sequence[Path], settings: Mapping[str, Any], encoder: Path | None
) -> DiagnosisJob:
    """Read the measured records of a table of labels.

    Parameters
    ----------
    table
        Of labels.
    features
        Measured records.
    settings
        The sections that training needs.
    encoder
        Folder of the bundle whose encoder is shared, or None.

    Raises
    ------
    ValueError
        Where that learnt from a patient of the table, or from beats that were made otherwise.
    """
    section = DiagnosisSettings.read(settings["diagnoses"])
    given = None if encoder is None else GivenEncoder.read(encoder, settings)
    config = network_config(section, len(classes_of(table)), beat_extent(settings), given)
    keys = list(zip(table["corpus"], table["record"], strict=True))
    job = job_of(table, read_features(features, keys), config, section, settings["seed"])
    if given is not None:
        given.check_patients(job.patients.tolist())
    return replace(job, encoder=given)


def classes_of(table: pd.DataFrame) -> tuple[str, ...]:
    """Return the diagnoses of a table of labels."""
    return tuple(name.removeprefix("label_") for name in table.columns if name.startswith("label_"))


@dataclass(frozen=True)
class FoldOutputs:
    """Logits of networks that haven't seen the patients; rows are those of the table of labels.

    Attributes
    ----------
    rows
        (m,) records of the fold.
    logits
        (m, K).
    lead_logits
        (S, m, K) the same of fewer leads (`beatlens.core.leads.LEAD_SUBSETS`).
    calibration_rows, calibration_logits
        (c,), (c, K): training records of the other folds, by networks without the fold and without theirs.
    """

    rows: IntArray
    logits: FloatArray
    lead_logits: FloatArray
    calibration_rows: IntArray
    calibration_logits: FloatArray

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the fields by name."""
        return dict(vars(self))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> FoldOutputs:
        """Read what `to_arrays` gave."""
        return cls(**arrays)


def predict_fold(job: DiagnosisJob, fold: int) -> tuple[Trained, FoldOutputs]:
    """Train without a fold and predict it; train without it and each other fold, and predict that.

    Returns the network without the fold, and what is said of patients not seen.
    """
    rows = np.flatnonzero(job.fold == fold)
    left_out = job.features.rows(rows)
    trained = job.train([fold])
    network = trained.network
    inner_rows, inner_logits = [], []
    for other in job.folds:
        if other != fold:
            of_other = np.flatnonzero((job.fold == other) & job.teaching)
            if len(of_other):
                inner = job.train(sorted([fold, other])).network
                inner_rows.append(of_other)
                inner_logits.append(record_logits(inner, job.features.rows(of_other)))
    return trained, FoldOutputs(
        rows=rows,
        logits=record_logits(network, left_out),
        lead_logits=np.stack([record_logits(network, left_out.in_leads(kept)) for kept in LEAD_SUBSETS.values()]),
        calibration_rows=np.concatenate(inner_rows),
        calibration_logits=np.concatenate(inner_logits),
    )
