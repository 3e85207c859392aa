"""The detector of atrial fibrillation, fitted on training patients whose annotations mark rhythms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.prediction.rhythms import FibrillationDetector, record_irregularity
from beatlens.shards.patients import patient_keys

if TYPE_CHECKING:
    import pandas as pd

LEAST_S, THRESHOLD = 20.0, 0.8
"""Least length of an episode, about that of the window that tells it, and the probability from which on there is one.
Both were compared by leaving out patients of DS1 of the MIT-BIH database; the F1 of time hardly changes from .7 to .9.
"""


def rhythm_of_beats(beats: pd.DataFrame, rhythms: pd.DataFrame) -> npt.NDArray[np.object_]:
    """Return the annotated rhythm of each beat, "" where none is."""
    result = np.full(len(beats), "", dtype=object)
    time = beats["r_time_s"].to_numpy(dtype=np.float64)
    spans = dict(list(rhythms.groupby(["corpus", "record"], sort=False)))
    for key, rows in beats.groupby(["corpus", "record"], sort=False).indices.items():
        for span in spans[key].itertuples() if key in spans else ():
            result[rows[(time[rows] >= span.start_s) & (time[rows] < span.end_s)]] = span.rhythm
    return result


def fit_fibrillation(beats: pd.DataFrame, rhythms: pd.DataFrame) -> FibrillationDetector:
    """Fit the detector to training patients, each of whom counts the same, and fibrillation as much as the rest.

    Parameters
    ----------
    beats
        Detected beats of training records, in record and time order.
    rhythms
        Their annotated rhythms (`beatlens.shards.shard.RHYTHM_COLUMNS`). Atrial flutter isn't learnt from.

    Raises
    ------
    ValueError
        Where no training record has fibrillation, or none has another rhythm.
    """
    from sklearn.linear_model import LogisticRegression

    features, rhythm = record_irregularity(beats), rhythm_of_beats(beats, rhythms)
    kept = np.isfinite(features).all(axis=1) & (rhythm != "") & (rhythm != "AFL")
    target = rhythm[kept] == "AFIB"
    if not 0 < target.sum() < len(target):
        raise ValueError(
            f"rhythms: {int(target.sum())} of {len(target)} annotated beats of training records are in atrial "
            "fibrillation; expected some that are and some that aren't"
        )
    patients = patient_keys(beats)[kept]
    weight = np.zeros(len(target))
    for kind in (True, False):
        _, which, counts = np.unique(patients[target == kind], return_inverse=True, return_counts=True)
        weight[target == kind] = 1.0 / (counts[which] * len(counts))
    model = LogisticRegression(C=1.0, max_iter=1000).fit(features[kept], target, sample_weight=weight * len(target) / 2)
    return FibrillationDetector(tuple(model.coef_[0]), float(model.intercept_[0]), THRESHOLD, LEAST_S)
