"""The table ``predictions/diagnoses.parquet``: what is said of each record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.decision.diagnoses import DiagnosisDecision, joined

if TYPE_CHECKING:
    import pandas as pd

NO_BEATS, NO_LEADS = "no_beats", "no_known_lead"


def answer_rows(
    table: pd.DataFrame,
    logits: npt.NDArray[np.float32],
    n_beats: npt.NDArray[np.int64],
    decision: DiagnosisDecision,
    classes: Sequence[str],
) -> pd.DataFrame:
    """Return rows of the table of labels with what a network and a decision say of the records.

    Parameters
    ----------
    table
        n rows of the table of labels.
    logits
        (n, K); NaN where a record has no beats or none of the leads: it goes to review, with that reason.
    n_beats
        (n,).
    decision, classes
        What turns logits into answers; K ids.
    """
    import pandas as pd

    answered: npt.NDArray[np.bool_] = np.asarray(np.isfinite(logits).all(axis=1))
    p = decision.probabilities(np.nan_to_num(logits))
    reason = decision.reasons(p)
    reason[~answered] = np.where(n_beats[~answered] == 0, NO_BEATS, NO_LEADS)
    shown = [name for name in table.columns if name != "role"]
    result = table[[name for name in shown if not name.startswith("label_")]].reset_index(drop=True)
    result["n_beats"] = n_beats
    columns = {}
    for k, name in enumerate(classes):
        columns[f"label_{name}"] = table[f"label_{name}"].to_numpy() if f"label_{name}" in table else -1
        columns[f"p_{name}"] = np.where(answered, p[:, k], np.nan)
    result = pd.concat([result, pd.DataFrame(columns, index=result.index)], axis=1)
    result["pred"] = joined(decision.predicted(p) & answered[:, None], classes)
    result["conformal_set"] = joined(decision.in_set(p) | ~answered[:, None], classes)
    result["review"] = reason != ""
    result["reason"] = reason
    return result
