"""From folds and a last training to the bundle of diagnoses."""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from beatlens.decision.challenge_score import ChallengeWeights
from beatlens.decision.settings import ReviewSettings
from beatlens.learning.diagnoses.answers import fit_decision_on
from beatlens.learning.diagnoses.cross_fit import DiagnosisJob, FoldOutputs
from beatlens.learning.diagnoses.training import beat_extent
from beatlens.prediction.diagnoses.bundle import SECTIONS, DiagnosisBundle

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)


def make_diagnosis_bundle(
    job: DiagnosisJob,
    parts: Sequence[FoldOutputs],
    labels: pd.DataFrame,
    names: Mapping[str, str],
    weights: ChallengeWeights,
    settings: Mapping[str, Any],
) -> DiagnosisBundle:
    """Train on all training patients, and fit the decision on what the folds' networks say of patients not seen.

    Parameters
    ----------
    job
        All training records.
    parts
        Outputs of the folds.
    labels
        The table of labels.
    names
        Name by id of each diagnosis, in the order of the labels.
    weights
        By which thresholds are chosen.
    settings
        The sections ``diagnoses``, ``review`` and `SECTIONS`, ``corpora``, ``leads`` and ``seed``.
    """
    import torch

    rows = np.concatenate([part.rows for part in parts])
    logits = np.concatenate([part.logits for part in parts])
    kept = job.teaching[rows]
    decision = fit_decision_on(labels, rows[kept], logits[kept], weights, ReviewSettings.read(settings["review"]))
    trained = job.train()
    teaching = labels[job.teaching]
    origin = {
        "corpora": [corpus for corpus in settings["corpora"] if corpus["name"] in set(teaching["corpus"])],
        "databases": {name: int(n) for name, n in sorted(teaching["database"].value_counts().items())},
        "records": len(teaching),
        "patients": len(set(job.patients[job.teaching])),
        "positives": {name: int((teaching[f"label_{name}"] == 1).sum()) for name in names},
        "last_loss": trained.loss[-1],
    }
    logger.info("diagnoses learnt of %d records of %d patients", origin["records"], origin["patients"])
    return DiagnosisBundle(
        classes=dict(names),
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
