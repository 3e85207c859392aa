"""Bundles of diagnoses: one for each fold, which never saw its patients, and the last one, of all training patients."""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.decision.challenge_score import ChallengeWeights
from beatlens.decision.diagnoses import fit_diagnosis_decision
from beatlens.decision.settings import ReviewSettings
from beatlens.learning.diagnoses.cross_fit import DiagnosisJob, FoldOutputs, predict_fold
from beatlens.learning.diagnoses.training import Trained, beat_extent
from beatlens.prediction.diagnoses.bundle import SECTIONS, DiagnosisBundle

if TYPE_CHECKING:
    import pandas as pd

IntArray = npt.NDArray[np.int64]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BundleMaker:
    """What all bundles of a run share.

    Attributes
    ----------
    job
        All training records.
    labels
        The table of labels.
    names
        Name by id of each diagnosis, in the order of the labels.
    weights
        Of the Challenge score, by which thresholds are chosen.
    settings
        The sections ``review`` and `SECTIONS`, ``corpora``, ``leads`` and ``seed``.
    """

    job: DiagnosisJob
    labels: pd.DataFrame
    names: Mapping[str, str]
    weights: ChallengeWeights
    settings: Mapping[str, Any]

    def last(self, parts: Sequence[FoldOutputs]) -> DiagnosisBundle:
        """Train on all training patients, and fit the decision on what the folds' networks say of patients not seen."""
        rows = np.concatenate([part.rows for part in parts])
        logits = np.concatenate([part.logits for part in parts])
        kept = self.job.teaching[rows]
        return self._bundle(self.job.train(), rows[kept], logits[kept], without=())

    def of_fold(self, fold: int) -> tuple[DiagnosisBundle, FoldOutputs]:
        """Return the bundle that never saw a fold's patients, its decision included, and what is said of them."""
        trained, outputs = predict_fold(self.job, fold)
        return self._bundle(trained, outputs.calibration_rows, outputs.calibration_logits, without=(fold,)), outputs

    def _bundle(
        self, trained: Trained, rows: IntArray, logits: npt.NDArray[np.float32], without: Sequence[int]
    ) -> DiagnosisBundle:
        import torch

        job, settings = self.job, self.settings
        learnt = job.teaching & ~np.isin(job.fold, without)
        teaching = self.labels[learnt]
        decision = fit_diagnosis_decision(
            logits,
            job.labels[rows],
            job.patients[rows],
            classes=list(self.names),
            weights=self.weights,
            settings=ReviewSettings.read(settings["review"]),
        )
        origin = {
            "corpora": [corpus for corpus in settings["corpora"] if corpus["name"] in set(teaching["corpus"])],
            "databases": {name: int(n) for name, n in sorted(teaching["database"].value_counts().items())},
            "records": len(teaching),
            "patients": len(set(job.patients[learnt])),
            "positives": {name: int((teaching[f"label_{name}"] == 1).sum()) for name in self.names},
            "last_loss": trained.loss[-1],
        }
        if job.encoder is not None:
            origin["encoder"] = job.encoder.origin
        logger.info("diagnoses learnt of %d records of %d patients", origin["records"], origin["patients"])
        return DiagnosisBundle(
            classes=dict(self.names),
            leads=tuple(settings["leads"]),
            geometry=beat_extent(settings),
            network=job.config.to_json(),
            weights={name: value.detach().cpu().numpy().copy() for name, value in trained.network.state_dict().items()},
            decision=decision,
            sections={name: settings[name] for name in SECTIONS},
            origin=origin,
            versions={"python": platform.python_version(), "numpy": np.__version__, "torch": str(torch.__version__)},
            seed=settings["seed"],
        )
