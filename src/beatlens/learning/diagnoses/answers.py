"""What a run says of its records: training patients by networks without them, all others by the bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.core.leads import LEAD_SUBSETS
from beatlens.decision.challenge_score import ChallengeWeights
from beatlens.decision.diagnoses import DiagnosisDecision, fit_diagnosis_decision
from beatlens.decision.settings import ReviewSettings
from beatlens.inputs.diagnoses.record_features import RecordFeatures, record_logits
from beatlens.learning.diagnoses.cross_fit import FoldOutputs
from beatlens.prediction.diagnoses.bundle import DiagnosisBundle
from beatlens.prediction.diagnoses.table import answer_rows
from beatlens.shards.patients import patient_key

if TYPE_CHECKING:
    import pandas as pd

    from beatlens.models.diagnosis import DiagnosisNetwork

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Answers:
    """All that the answers of a run rest on.

    Attributes
    ----------
    labels
        Table of labels, a row a record.
    features
        The same records, measured.
    folds
        Outputs of each fold; none with a given bundle.
    bundle
        For records in no fold.
    weights, review
        By which the thresholds of a fold are chosen, and the section ``review``.
    """

    labels: pd.DataFrame
    features: RecordFeatures
    folds: Sequence[FoldOutputs]
    bundle: DiagnosisBundle
    weights: ChallengeWeights
    review: ReviewSettings

    def table(self) -> pd.DataFrame:
        """Return ``predictions/diagnoses.parquet``."""
        return self._put_together([part.logits for part in self.folds], tuple(self.features.leads))

    def with_fewer_leads(self) -> pd.DataFrame:
        """Return the answers from fewer leads, of records that have all twelve: the column ``leads`` says how many."""
        import pandas as pd

        parts = []
        for k, (name, kept) in enumerate(LEAD_SUBSETS.items()):
            rows = self._put_together([part.lead_logits[k] for part in self.folds], kept)
            parts.append(rows.assign(leads=name))
        return pd.concat(parts, ignore_index=True)

    def _put_together(self, logits: Sequence[FloatArray], leads: Sequence[str]) -> pd.DataFrame:
        import pandas as pd

        of_fold = [
            self._rows(part.rows, values, decision)
            for part, values, decision in zip(self.folds, logits, self._decisions, strict=True)
        ]
        others = np.flatnonzero(self.labels["fold"].to_numpy() < 0)
        if len(others):
            shown = self.features.rows(others).in_leads(leads)
            of_fold.append(self._rows(others, record_logits(self._network, shown), self.bundle.decision))
        return pd.concat(of_fold, ignore_index=True).sort_values(["corpus", "record"], ignore_index=True)

    def _rows(self, rows: npt.NDArray[np.int64], logits: FloatArray, decision: DiagnosisDecision) -> pd.DataFrame:
        n_beats = np.bincount(self.features.record.numpy(), minlength=len(self.features))[rows]
        return answer_rows(self.labels.iloc[rows], logits, n_beats, decision, list(self.bundle.classes))

    @cached_property
    def _network(self) -> DiagnosisNetwork:
        return self.bundle.load_network()

    @cached_property
    def _decisions(self) -> list[DiagnosisDecision]:
        return [self._decision(part.calibration_rows, part.calibration_logits) for part in self.folds]

    def _decision(self, rows: npt.NDArray[np.int64], logits: FloatArray) -> DiagnosisDecision:
        return fit_decision_on(self.labels, rows, logits, self.weights, self.review)


def fit_decision_on(
    labels: pd.DataFrame,
    rows: npt.NDArray[np.int64],
    logits: FloatArray,
    weights: ChallengeWeights,
    review: ReviewSettings,
) -> DiagnosisDecision:
    """Fit a decision on logits (n, K) for rows (n,) of the table of labels, by networks without these patients."""
    chosen = labels.iloc[rows]
    columns = [name for name in labels.columns if name.startswith("label_")]
    patients = [patient_key(c, p) for c, p in zip(chosen["corpus"], chosen["patient"], strict=True)]
    return fit_diagnosis_decision(
        logits,
        chosen[columns].to_numpy(dtype=np.int64),
        np.array(patients, dtype=np.str_),
        classes=[name.removeprefix("label_") for name in columns],
        weights=weights,
        settings=review,
    )
