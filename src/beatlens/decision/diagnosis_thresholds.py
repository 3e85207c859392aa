"""Above which probability a record has a diagnosis: a threshold each, chosen on patients not seen in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from beatlens.decision.challenge_score import ChallengeWeights, challenge_score

Array = npt.NDArray[np.float64]

POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)
FACTORS = np.geomspace(0.02, 5.0, 81)
"""Thresholds that are tried for the Challenge score are factor * prevalence ** power, at most 1."""


def fit_thresholds(
    probabilities: Array,
    labels: npt.NDArray[Any],
    classes: Sequence[str],
    weights: ChallengeWeights | None,
) -> Array:
    """Choose the thresholds that score best on these records.

    Diagnoses that the Challenge scores are chosen together by its score, from those that follow from how frequent each
    is: a factor times the prevalence to a power, from one threshold for all (power 0) to a multiple of each one's
    prevalence (power 1). These two numbers carry over to new patients; a free threshold of each diagnosis fits a small
    training set better and new patients no better. Any other diagnosis has the threshold of its best F1.

    Parameters
    ----------
    probabilities
        (n, K) calibrated, of records that took no part in training.
    labels
        (n, K): 1 present, 0 absent, -1 unknown.
    classes
        K ids.
    weights
        Of the Challenge score; None for F1 throughout. It is F1 too where sinus rhythm is not among the classes.

    Returns
    -------
    (K,)
    """
    values = np.asarray(probabilities, dtype=np.float64)
    among = None if weights is None else weights.among(classes)
    result = np.array([_best_f1(values[:, k], labels[:, k]) for k in range(len(classes))])
    if among is None:
        return result
    places = [list(classes).index(name) for name in among.diagnoses]
    result[places] = _best_challenge_score(values[:, places], labels[:, places], among)
    return result


def _best_f1(values: Array, labels: npt.NDArray[Any]) -> float:
    """Return the threshold of the best F1, the middle one of equals; .5 without a record that has the diagnosis."""
    kept, true = values[labels >= 0], labels[labels >= 0] == 1
    if not true.any():
        return 0.5
    found = np.unique(kept)
    steps = np.concatenate([found[:1], (found[1:] + found[:-1]) / 2])
    given = kept >= steps[:, None]
    score = 2 * (given & true).sum(axis=1) / (given.sum(axis=1) + true.sum())
    return _middle(steps, score)


def _best_challenge_score(values: Array, labels: npt.NDArray[Any], weights: ChallengeWeights) -> Array:
    known = np.maximum((labels >= 0).sum(axis=0), 1)
    prevalence = np.maximum((labels == 1).sum(axis=0), 1) / known
    tried = [np.minimum(FACTORS[:, None] * prevalence**power, 1.0) for power in POWERS]
    scores = [
        np.array([challenge_score(weights.terms(labels, values >= limits).sum(axis=0)) for limits in each])
        for each in tried
    ]
    best = int(np.argmax([each.max() for each in scores]))
    factor = _middle(FACTORS, scores[best])
    limits: Array = np.minimum(factor * prevalence ** POWERS[best], 1.0)
    return limits


def _middle(steps: Array, score: Array) -> float:
    """Return the middle one of the thresholds with the best score."""
    best = np.flatnonzero(score >= score.max() - 1e-12)
    return float(steps[best[len(best) // 2]])
