"""Scores of diagnoses as functions of how often each record counts, so that a resample of patients is a row of weights.

Row 0 of the weights counts each record once and gives the score itself; the others give its interval.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from beatlens.core.bootstrap import Array, divide
from beatlens.decision.challenge_score import ChallengeWeights, challenge_score
from beatlens.evaluate.predictions.diagnoses.outcomes import DiagnosisOutcomes
from beatlens.evaluate.predictions.probabilities import auroc

_BLOCK = 4_000_000
"""Weights held at a time, so that memory stays bounded for large corpora."""


def record_weights(patient: npt.NDArray[np.int64], draws: int, seed: int) -> npt.NDArray[np.int16]:
    """Return how often each record counts, as it is and in resamples of its patients: (1 + draws, n)."""
    n_patients = int(patient.max()) + 1
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n_patients, np.full(n_patients, 1 / n_patients), size=draws).astype(np.int16)
    return np.concatenate([np.ones((1, n_patients), dtype=np.int16), drawn])[:, patient]


def average_precision(histogram: Array) -> Array:
    """Area under the precision-recall curve as a sum of steps, ties as one step (Davis and Goadrich 2006).

    Parameters
    ----------
    histogram
        (n, 2, n_bins) counts of negatives and positives, in ascending order of score.

    Returns
    -------
    (n,), NaN where there are no positives.
    """
    found = np.cumsum(histogram[:, 1, ::-1], axis=1)
    given = np.cumsum(histogram.sum(axis=1)[:, ::-1], axis=1)
    precision = np.nan_to_num(divide(found, given))
    return divide((precision * histogram[:, 1, ::-1]).sum(axis=1), found[:, -1])


def ranking(scores: Array, positive: npt.NDArray[np.bool_], weights: npt.NDArray[np.int16]) -> tuple[Array, Array]:
    """Return AUROC and average precision, (m,) each, of n scores under weights (m, n)."""
    if not len(scores):
        nothing = np.full(len(weights), np.nan)
        return nothing, nothing.copy()
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
    parts = []
    step = max(1, _BLOCK // len(scores))
    for first in range(0, len(weights), step):
        sorted_weights = weights[first : first + step, order].astype(np.float64)
        groups = [np.add.reduceat(sorted_weights * of[order], starts, axis=1) for of in (~positive, positive)]
        histogram = np.stack(groups, axis=1)
        parts.append((auroc(histogram), average_precision(histogram)))
    areas, precisions = zip(*parts, strict=True)
    return np.concatenate(areas), np.concatenate(precisions)


def class_statistics(rows: DiagnosisOutcomes, k: int, weights: npt.NDArray[np.int16], bins: int) -> dict[str, Array]:
    """Return the scores of diagnosis k under weights (m, n): name -> (m,).

    A record without an answer counts as one that is given no diagnosis. It takes no part in ``auroc``, ``auprc`` and
    ``ece``, which rest on probabilities.
    """
    known = rows.labels[:, k] >= 0
    true, given, inside = rows.labels[known, k] == 1, rows.predicted[known, k], rows.in_set[known, k]
    counts = weights[:, known]
    cells = np.column_stack([true & given, true, given, np.ones(len(true)), true & inside])
    hit, positives, called, total, covered = (counts @ cells).T
    answered = rows.answered[known]
    scores = rows.probability[known, k][answered]
    area, precision = ranking(scores, true[answered], counts[:, answered])
    return {
        "auroc": area,
        "auprc": precision,
        "f1": divide(2 * hit, called + positives),
        "sensitivity": divide(hit, positives),
        "specificity": divide(total - called - positives + hit, total - positives),
        "precision": divide(hit, called),
        "ece": _calibration_error(scores, true[answered], counts[:, answered], bins),
        "conformal_coverage": divide(covered, positives),
        "prevalence": divide(positives, total),
        "rate_given": divide(called, total),
    }


def _calibration_error(scores: Array, true: npt.NDArray[np.bool_], counts: npt.NDArray[np.int16], bins: int) -> Array:
    """Return the mean gap between probability and share of records with the diagnosis, over bins of equal width."""
    place = np.clip(np.ceil(scores * bins).astype(np.int64) - 1, 0, bins - 1)
    gap = np.zeros((len(scores), bins))
    gap[np.arange(len(scores)), place] = scores - true
    return divide(np.abs(counts @ gap).sum(axis=1), counts.sum(axis=1).astype(np.float64))


def record_statistics(
    rows: DiagnosisOutcomes, weights: npt.NDArray[np.int16], challenge: ChallengeWeights | None
) -> dict[str, Array]:
    """Return the scores of records as a whole under weights (m, n): name -> (m,).

    ``exact_match`` is the share of records whose diagnoses are all told rightly, ``exact_match_accepted`` that among
    records that don't go to review.
    """
    exact = ((rows.predicted == (rows.labels == 1)) | (rows.labels < 0)).all(axis=1)
    accepted = ~rows.review
    cells = np.column_stack(
        [exact, exact & accepted, accepted, rows.in_set.sum(axis=1), ~rows.in_set.any(axis=1), np.ones(len(rows))]
    )
    right, right_accepted, kept, size, empty, total = (weights @ cells).T
    result = {
        "exact_match": divide(right, total),
        "exact_match_accepted": divide(right_accepted, kept),
        "review_rate": divide(total - kept, total),
        "conformal_set_size": divide(size, total),
        "conformal_empty": divide(empty, total),
    }
    among = None if challenge is None else challenge.among(rows.classes)
    if among is not None:
        scored = rows.among(among.diagnoses)
        result["challenge_score"] = challenge_score(weights @ among.terms(scored.labels, scored.predicted))
    return result
