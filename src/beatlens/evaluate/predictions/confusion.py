"""The confusion of every patient, and what follows from counts alone: precision, recall, F1, accuracy, review."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from beatlens.core.bootstrap import Array, divide
from beatlens.evaluate.predictions.outcomes import Outcomes

CLASS_METRICS = ("precision", "recall", "f1", "support")
OVERALL_METRICS = ("accuracy", "macro_f1", "coverage", "review_rate", "baseline_accuracy", "baseline_macro_f1")


def patient_confusion(rows: Outcomes) -> Array:
    """Count beats by patient, truth and prediction.

    Returns
    -------
    (n_patients, n_truths, n_classes + 1) float64; the last prediction is "missed".
    """
    shape = (len(rows.patients), len(rows.truths), len(rows.classes) + 1)
    flat = np.ravel_multi_index((rows.patient, rows.truth, rows.pred), shape) if len(rows) else np.empty(0, np.int64)
    return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape).astype(np.float64)


def patient_review(rows: Outcomes) -> Array:
    """Count detections, and those sent to review: (n_patients, 2) float64."""
    detected = ~rows.missed
    counts = [
        np.bincount(rows.patient[which], minlength=len(rows.patients)) for which in (detected, detected & rows.review)
    ]
    return np.stack(counts, axis=1).astype(np.float64)


def patient_accepted(rows: Outcomes) -> Array:
    """Count each class's detected beats, and those accepted as another class: (n_patients, n_classes, 2) float64."""
    shape = (len(rows.patients), len(rows.truths))
    counts = []
    for which in (~rows.missed, ~rows.missed & ~rows.review & (rows.pred != rows.truth)):
        flat = np.ravel_multi_index((rows.patient[which], rows.truth[which]), shape)
        counts.append(np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape)[:, : len(rows.classes)])
    return np.stack(counts, axis=2).astype(np.float64)


def accepted_wrong(accepted: Array) -> Array:
    """Share of each class's detected beats that are accepted as another: (n, n_classes), of counts as above."""
    return divide(accepted[:, :, 1], accepted[:, :, 0])


def class_scores(confusion: Array, n_classes: int) -> Array:
    """Precision, recall, F1 and support of each class.

    Parameters
    ----------
    confusion
        (n, n_truths, n_classes + 1) counts, truths in the order of `Outcomes.truths`.
    n_classes
        Number of classes.

    Returns
    -------
    (n, n_classes, 4)
        In the order of `CLASS_METRICS`; NaN where a denominator is 0. False detections (truth "none") lower precision,
        missed beats lower recall, and beats of labels outside the classes count nowhere.
    """
    hits, predicted, support = _class_counts(confusion, n_classes)
    return np.stack(
        [divide(hits, predicted), divide(hits, support), divide(2 * hits, predicted + support), support], axis=2
    )


def class_denominators(confusion: Array, n_classes: int) -> Array:
    """Return (n, n_classes, 4) beats that each value of `class_scores` rests on."""
    _, predicted, support = _class_counts(confusion, n_classes)
    return np.stack([predicted, support, support, support], axis=2)


def overall_scores(confusion: Array, review: Array, n_classes: int) -> Array:
    """Scores over all classes, in the order of `OVERALL_METRICS`.

    Accuracy is over beats whose truth is a class, missed ones included as errors; macro F1 is the mean over classes
    that occur; the baseline always predicts the most frequent class.

    Parameters
    ----------
    confusion
        (n, n_truths, n_classes + 1) counts.
    review
        (n, 2) detections, and those sent to review.
    n_classes
        Number of classes.

    Returns
    -------
    (n, 6)
    """
    hits, predicted, support = _class_counts(confusion, n_classes)
    total = support.sum(axis=1)
    present = support > 0
    f1 = np.where(present, divide(2 * hits, predicted + support), 0.0)
    n_present = present.sum(axis=1).astype(np.float64)
    largest = support.max(axis=1) if n_classes else np.zeros(len(support))
    reviewed = divide(review[:, 1], review[:, 0])
    return np.stack(
        [
            divide(hits.sum(axis=1), total),
            divide(f1.sum(axis=1), n_present),
            1 - reviewed,
            reviewed,
            divide(largest, total),
            divide(divide(2 * largest, total + largest), n_present),
        ],
        axis=1,
    )


def overall_denominators(confusion: Array, review: Array, n_classes: int) -> Array:
    """Return (n, 6) beats that each value of `overall_scores` rests on."""
    total = confusion[:, :n_classes].sum(axis=(1, 2))
    return np.stack([total, total, review[:, 0], review[:, 0], total, total], axis=1)


def _class_counts(confusion: Array, n_classes: int) -> tuple[Array, Array, Array]:
    """Return hits, predictions and support of each class, (n, n_classes) each; labels outside the classes left out."""
    inside: npt.NDArray[np.intp] = np.array([*range(n_classes), confusion.shape[1] - 1])
    hits = np.diagonal(confusion[:, :n_classes, :n_classes], axis1=1, axis2=2)
    return hits, confusion[:, inside, :n_classes].sum(axis=1), confusion[:, :n_classes].sum(axis=2)
