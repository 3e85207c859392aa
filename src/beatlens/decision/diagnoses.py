"""From a network's outputs for a record to its diagnoses: calibration, thresholds, sets, review.

A record may have any number of diagnoses, so each has a probability of its own. Everything here is fitted on records of
patients that the network has not seen, and is plain numbers, so that inference needs no library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from beatlens.decision.calibration import sigmoid
from beatlens.decision.challenge_score import ChallengeWeights
from beatlens.decision.conformal import class_limit
from beatlens.decision.diagnosis_thresholds import fit_thresholds
from beatlens.decision.review import confidence_threshold
from beatlens.decision.settings import ReviewSettings

Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class DiagnosisDecision:
    """What turns logits of K diagnoses into an answer for a record.

    Attributes
    ----------
    slope, offsets
        Probabilities are sigmoid(slope * logit + offset), one offset a diagnosis (Platt 1999, one slope for all).
    thresholds
        A record is given a diagnosis whose probability is at least this.
    alpha, minimum
        A diagnosis is in the record's conformal set where its probability is at least its minimum. At most a share
        alpha of the records that have it may miss it there, class by class as for beats. 0 where too few have it.
    confidence
        A record goes to review below this confidence.
    """

    slope: float
    offsets: tuple[float, ...]
    thresholds: tuple[float, ...]
    alpha: float
    minimum: tuple[float, ...]
    confidence: float

    def __post_init__(self) -> None:
        for name in ("offsets", "thresholds", "minimum"):
            object.__setattr__(self, name, tuple(float(value) for value in getattr(self, name)))
        if not len(self.offsets) == len(self.thresholds) == len(self.minimum):
            sizes = [len(values) for values in (self.offsets, self.thresholds, self.minimum)]
            raise ValueError(f"decision on diagnoses: {sizes} offsets, thresholds and minima; expected one a diagnosis")
        numbers = [self.slope, *self.offsets, *self.thresholds, self.alpha, *self.minimum, self.confidence]
        if not np.isfinite(numbers).all() or not self.slope > 0 or not 0 < self.alpha < 1:
            raise ValueError(
                f"decision on diagnoses: slope {self.slope}, alpha {self.alpha}, numbers {numbers}; expected finite "
                "ones, a slope above 0 and alpha in (0, 1)"
            )

    def probabilities(self, logits: npt.NDArray[Any]) -> Array:
        """Turn logits (n, K) into probabilities (n, K), float64; they need not sum to 1."""
        return sigmoid(self.slope * np.asarray(logits, dtype=np.float64) + np.array(self.offsets))

    def predicted(self, probabilities: Array) -> BoolArray:
        """Tell which diagnoses each record is given: (n, K)."""
        result: BoolArray = probabilities >= np.array(self.thresholds)
        return result

    def in_set(self, probabilities: Array) -> BoolArray:
        """Tell which diagnoses can't be ruled out for each record: (n, K); none may be left."""
        result: BoolArray = probabilities >= np.array(self.minimum)
        return result

    def reasons(self, probabilities: Array, others: Sequence[str] = ()) -> npt.NDArray[np.object_]:
        """Say for each record why it goes to review, "" where it is accepted.

        Parameters
        ----------
        probabilities
            (n, K) calibrated.
        others
            (n,) reasons known beforehand, joined by ``;``, such as ``unlike:rate``; empty for none.

        Returns
        -------
        (n,) of ``not_finite``, ``low_confidence`` and the others, joined by ``;``
        """
        finite: BoolArray = np.asarray(np.isfinite(probabilities).all(axis=1))
        low: BoolArray = ~np.greater_equal(_confidence(probabilities, self.thresholds), self.confidence)
        result = np.empty(len(probabilities), dtype=object)
        for i, known in enumerate(others or [""] * len(probabilities)):
            parts = ["not_finite"] if not finite[i] else ["low_confidence"] if low[i] else []
            result[i] = ";".join([*parts, *filter(None, known.split(";"))])
        return result

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> DiagnosisDecision:
        """Read what `to_json` gave.

        Raises
        ------
        ValueError
            For other keys than the fields, or numbers that don't fit (see `DiagnosisDecision`).
        """
        names = {field.name for field in fields(cls)}
        if set(value) != names:
            raise ValueError(f"decision on diagnoses: keys {sorted(value)}; expected {sorted(names)}")
        return cls(**value)


def joined(flags: BoolArray, classes: Sequence[str]) -> npt.NDArray[np.object_]:
    """Return the classes (K,) that are flagged (n, K) of each row as text: ids joined by ``;``, in their order."""
    result = np.empty(len(flags), dtype=object)
    result[:] = [";".join(name for name, flag in zip(classes, row, strict=True) if flag) for row in flags]
    return result


def fit_diagnosis_decision(
    logits: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    patients: npt.NDArray[np.str_],
    *,
    classes: Sequence[str],
    weights: ChallengeWeights | None,
    settings: ReviewSettings,
) -> DiagnosisDecision:
    """Fit all of it on outputs for patients that the network has not seen.

    A record's confidence is the least of its diagnoses' certainties: how far the probability lies from its threshold,
    as a share of the way to 0 or 1. Its answer is wrong where any diagnosis is missed or given in vain. The confidence
    that sends a record to review is chosen as for beats (`beatlens.decision.review.fit_thresholds`).

    Parameters
    ----------
    logits
        (n, K).
    labels
        (n, K): 1 present, 0 absent, -1 unknown.
    patients
        (n,).
    classes
        K ids.
    weights
        Of the Challenge score by which thresholds are chosen, or None for F1 (see
        `beatlens.decision.diagnosis_thresholds.fit_thresholds`).
    settings
        Section ``review``.

    Raises
    ------
    ValueError
        For shapes that don't fit, outputs that aren't finite, or no record.
    """
    values, truth = np.asarray(logits, dtype=np.float64), np.asarray(labels)
    if values.shape != truth.shape or values.shape[1:] != (len(classes),) or len(values) != len(patients):
        raise ValueError(
            f"decision on diagnoses: logits {values.shape}, labels {truth.shape}, {len(patients)} patients; expected "
            f"(n, {len(classes)}) twice and n"
        )
    if not len(values) or not np.isfinite(values).all():
        raise ValueError(f"decision on diagnoses: {len(values)} records, not all finite; expected some, all finite")
    slope, offsets = fit_calibration(values, truth)
    probability = sigmoid(slope * values + offsets)
    thresholds = fit_thresholds(probability, truth, classes, weights)
    given, present = probability >= thresholds, truth == 1
    limits = [
        class_limit(probability[present[:, k], k], patients[present[:, k]], settings.conformal_alpha)
        for k in range(len(classes))
    ]
    confidence = confidence_threshold(
        _confidence(probability, thresholds),
        ((given != present) & (truth >= 0)).any(axis=1),
        members=present,
        missed=present & ~given,
        patients=patients,
        settings=settings,
    )
    return DiagnosisDecision(
        slope, tuple(offsets), tuple(thresholds), settings.conformal_alpha, tuple(x.minimum for x in limits), confidence
    )


def _confidence(probabilities: Array, thresholds: npt.ArrayLike) -> Array:
    limits = np.clip(np.asarray(thresholds, dtype=np.float64), 1e-9, 1 - 1e-9)
    above = (probabilities - limits) / (1 - limits)
    below = (limits - probabilities) / limits
    confidence: Array = np.where(probabilities >= limits, above, below).min(axis=1, initial=1.0)
    return confidence


def fit_calibration(logits: Array, labels: npt.NDArray[Any]) -> tuple[float, Array]:
    """Return the slope and the offsets (K,) of greatest likelihood; unknown labels take no part.

    A small ridge on the offsets keeps those of diagnoses that no record, or every record, has finite.
    """
    from scipy.optimize import minimize

    known = np.asarray(labels) >= 0
    wanted = np.where(known, np.asarray(labels), 0).astype(np.float64)
    ridge = 1.0 / len(logits)

    def loss(parameters: Array) -> tuple[float, Array]:
        slope, offsets = np.exp(parameters[0]), parameters[1:]
        score = slope * logits + offsets
        value = (np.logaddexp(0.0, score) - wanted * score)[known].sum() / len(logits) + ridge * (offsets**2).sum()
        residual = np.where(known, sigmoid(score) - wanted, 0.0) / len(logits)
        return float(value), np.array([(residual * logits).sum() * slope, *(residual.sum(0) + 2 * ridge * offsets)])

    n_classes = logits.shape[1]
    limits = [(np.log(0.05), np.log(20.0))] + [(-20.0, 20.0)] * n_classes
    fitted = minimize(loss, np.zeros(1 + n_classes), jac=True, method="L-BFGS-B", bounds=limits)
    return float(np.exp(fitted.x[0])), fitted.x[1:]
