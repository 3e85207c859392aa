"""Above which probability a record has a diagnosis: a threshold each, chosen on patients not seen in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from beatlens.decision.challenge_score import ChallengeWeights, challenge_score

Array = npt.NDArray[np.float64]

STEPS = 201
"""Most thresholds of a diagnosis that are tried, at even ranks of the records."""
SWEEPS = 10
"""Most rounds over the diagnoses; the score rises in each, and two or three are usually enough."""


def fit_thresholds(
    probabilities: Array,
    labels: npt.NDArray[Any],
    classes: Sequence[str],
    weights: ChallengeWeights | None,
) -> Array:
    """Choose the thresholds that score best on these records.

    Diagnoses that the Challenge scores are chosen together by the Challenge score, one at a time in turn until none can
    be bettered, from the best threshold that all share. Any other has the threshold of its best F1. Thresholds lie
    halfway between neighbouring probabilities.

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


def _steps(values: Array) -> Array:
    """Return thresholds that tell the values apart, one below all and one above all among them; ascending."""
    found = np.unique(values)
    steps = np.concatenate([[0.0], (found[1:] + found[:-1]) / 2, [1.0 + 1e-9]])
    chosen: Array = steps[np.unique(np.linspace(0, len(steps) - 1, STEPS).astype(int))]
    return chosen


def _best_f1(values: Array, labels: npt.NDArray[Any]) -> float:
    """Return the threshold of the best F1, the middle one of equals; .5 without a record that has the diagnosis."""
    kept, true = values[labels >= 0], labels[labels >= 0] == 1
    if not true.any():
        return 0.5
    steps = _steps(kept)
    given = kept >= steps[:, None]
    score = 2 * (given & true).sum(axis=1) / (given.sum(axis=1) + true.sum())
    return float(_middle(steps, score))


def _best_challenge_score(values: Array, labels: npt.NDArray[Any], weights: ChallengeWeights) -> Array:
    def score(limits: Array) -> float:
        return float(challenge_score(weights.terms(labels, values >= limits).sum(axis=0)))

    shared = _steps(values)
    limits = np.full(values.shape[1], _middle(shared, np.array([score(np.full(values.shape[1], t)) for t in shared])))
    reached = score(limits)
    for _ in range(SWEEPS):
        before = reached
        for k in range(len(limits)):
            steps = _steps(values[:, k])
            tried = np.array([score(np.where(np.arange(len(limits)) == k, t, limits)) for t in steps])
            if tried.max() > reached + 1e-12:
                limits[k], reached = _middle(steps, tried), float(tried.max())
        if reached <= before + 1e-12:
            break
    return limits


def _middle(steps: Array, score: Array) -> float:
    """Return the middle one of the thresholds with the best score."""
    best = np.flatnonzero(score >= score.max() - 1e-12)
    return float(steps[best[len(best) // 2]])
