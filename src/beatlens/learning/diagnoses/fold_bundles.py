"""The networks of folds as bundles: what explains records that the last network has seen in training."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from beatlens.decision.challenge_score import ChallengeWeights
from beatlens.decision.settings import ReviewSettings
from beatlens.learning.diagnoses.answers import fit_decision_on
from beatlens.learning.diagnoses.cross_fit import DiagnosisJob, FoldOutputs
from beatlens.prediction.diagnoses.bundle import DiagnosisBundle

if TYPE_CHECKING:
    import pandas as pd


def fold_bundle(
    job: DiagnosisJob,
    fold: int,
    part: FoldOutputs,
    *,
    labels: pd.DataFrame,
    bundle: DiagnosisBundle,
    weights: ChallengeWeights,
    review: ReviewSettings,
) -> DiagnosisBundle:
    """Train the network of a fold again, to the same bits, and give it the decision of that fold.

    Parameters
    ----------
    job
        All training records.
    fold, part
        The fold, and its outputs.
    labels
        The table of labels.
    bundle
        Of all training patients.
    weights, review
        As its decision was fitted with.
    """
    network = job.train([fold]).network
    decision = fit_decision_on(labels, part.calibration_rows, part.calibration_logits, weights, review)
    arrays = {name: value.detach().cpu().numpy().copy() for name, value in network.state_dict().items()}
    return replace(bundle, weights=arrays, decision=decision, origin={**bundle.origin, "without_fold": fold})
