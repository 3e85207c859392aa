"""Calibration, review thresholds and conformal sets, fitted on patients that the network has not seen."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from beatlens.decision.calibration import Calibration, fit_calibration
from beatlens.decision.conformal import ConformalSets, fit_conformal
from beatlens.decision.review import Thresholds, fit_thresholds
from beatlens.decision.settings import ReviewSettings
from beatlens.learning.held_out import HeldOut
from beatlens.learning.objective import macro_f1

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FittedDecision:
    """What turns a network's outputs into decisions, and the scores that it reaches.

    Attributes
    ----------
    calibration, thresholds, conformal
        Of the bundle.
    reached
        JSON object: numbers and scores on the beats that these were fitted on.
    """

    calibration: Calibration
    thresholds: Thresholds
    conformal: ConformalSets
    reached: dict[str, Any]


def fit_decision(held_out: HeldOut, settings: ReviewSettings, *, weighted: bool) -> FittedDecision:
    """Fit all three on the outputs for patients that the network has not seen.

    Parameters
    ----------
    held_out
        Network outputs for labelled beats.
    settings
        Section ``review``.
    weighted
        Whether the loss had class weights (``training.class_weight_power`` above 0).
    """
    target = held_out.target
    calibration = fit_calibration(
        held_out.logits, target, held_out.patient.tolist(), held_out.noisy_gate, held_out.is_noise, weighted=weighted
    )
    probability, p_noise = calibration.probabilities(held_out.logits), calibration.noise(held_out.gate)
    thresholds = fit_thresholds(
        probability,
        noise=p_noise,
        distance=held_out.distance,
        target=target,
        patients=held_out.patient,
        unflagged=held_out.unflagged,
        clean=held_out.clean,
        settings=settings,
    )
    conformal = fit_conformal(probability, target, held_out.patient.tolist(), settings.conformal_alpha)
    accepted = held_out.unflagged & (probability.max(axis=1) >= thresholds.confidence)
    accepted &= (p_noise <= thresholds.noise) & ~thresholds.far(probability, held_out.distance)
    predicted = probability.argmax(axis=1)
    wrong = predicted != target
    summary = {
        "n_beats": len(target),
        "n_patients": len(np.unique(held_out.patient)),
        "error": float(wrong.mean()),
        "macro_f1": macro_f1(target, predicted),
        "error_accepted": float(wrong[accepted].mean()) if accepted.any() else None,
        "accepted_wrong": [
            float((wrong & accepted)[of_class].mean()) if of_class.any() else None
            for of_class in (held_out.unflagged & (target == k) for k in range(probability.shape[1]))
        ],
        "coverage": float(accepted.mean()),
        "expected_calibration_error": calibration_error(probability, target),
        "gate_n_noise": int(held_out.is_noise.sum()),
        "gate_n_clean": int((~held_out.is_noise).sum()),
    }
    logger.info(
        "calibrated on %d beats of %d patients: error %.4f, coverage %.3f (bundle.json has all of it)",
        summary["n_beats"],
        summary["n_patients"],
        summary["error"],
        summary["coverage"],
    )
    return FittedDecision(calibration, thresholds, conformal, summary)


def calibration_error(probability: npt.NDArray[np.float64], target: npt.NDArray[np.int64], bins: int = 15) -> float:
    """Return the expected calibration error of the predicted class, over bins of equal width (Guo et al. 2017)."""
    confidence = probability.max(axis=1)
    hit = probability.argmax(axis=1) == target
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    n = np.bincount(place, minlength=bins)
    gap = np.abs(
        np.bincount(place, weights=hit, minlength=bins) - np.bincount(place, weights=confidence, minlength=bins)
    )
    return float(gap[n > 0].sum() / len(target))
