"""What a run says of its records: training patients by networks without them, all others by the bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.core.leads import LEAD_SUBSETS
from beatlens.decision.diagnoses import DiagnosisDecision
from beatlens.inputs.diagnoses.record_features import RecordFeatures, record_logits
from beatlens.learning.diagnoses.cross_fit import FoldOutputs
from beatlens.prediction.diagnoses.bundle import DiagnosisBundle
from beatlens.prediction.diagnoses.table import answer_rows

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
        Outputs of each fold, and the bundle that never saw its patients; none where nothing was learnt.
    bundle
        For records in no fold.
    """

    labels: pd.DataFrame
    features: RecordFeatures
    folds: Sequence[tuple[FoldOutputs, DiagnosisBundle]]
    bundle: DiagnosisBundle

    def table(self) -> pd.DataFrame:
        """Return ``predictions/diagnoses.parquet``."""
        return self._put_together([part.logits for part, _ in self.folds], tuple(self.features.leads))

    def with_fewer_leads(self) -> pd.DataFrame:
        """Return the answers from fewer leads, of records that have all twelve: the column ``leads`` says how many."""
        import pandas as pd

        parts = []
        for k, (name, kept) in enumerate(LEAD_SUBSETS.items()):
            rows = self._put_together([part.lead_logits[k] for part, _ in self.folds], kept)
            parts.append(rows.assign(leads=name))
        return pd.concat(parts, ignore_index=True)

    def _put_together(self, logits: Sequence[FloatArray], leads: Sequence[str]) -> pd.DataFrame:
        import pandas as pd

        of_fold = [
            self._rows(part.rows, values, bundle.decision)
            for (part, bundle), values in zip(self.folds, logits, strict=True)
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
