"""When to trust a prediction: calibrated probabilities, the noise gate and the distance to prototypes.

Everything here is fitted on the patients of the split ``calibrate``, which took no part in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

MIN_COVERAGE = 0.5
"""Share of calibration beats that the confidence threshold accepts at least, if the error can't be reached."""
LIMIT_PATIENTS = 10
"""Patients that a class needs for a stricter limit of the distance than all classes together: fewer don't show how far
its shapes reach."""


@dataclass(frozen=True)
class ReviewSettings:
    """The section ``review`` of the configuration.

    Attributes
    ----------
    max_error
        Error among accepted calibration beats.
    max_clean_loss
        Share of clean beats, of any class, that the noise gate may send to review.
    max_distance_loss
        Share of clean and rightly predicted beats, of any class, that the distance may send to review.
    conformal_alpha
        Share of a class's beats whose conformal set may miss their class; see `beatlens.conformal`.
    """

    max_error: float
    max_clean_loss: float
    max_distance_loss: float
    conformal_alpha: float

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 <= value < 1:
                raise ValueError(f"review.{name}: {value}; expected a share in [0, 1)")


@dataclass(frozen=True)
class Calibration:
    """From logits to probabilities (temperature scaling with an offset a class; Guo et al. 2017; Platt 1999).

    Attributes
    ----------
    temperature, bias
        Class probabilities are softmax(logits / temperature + bias); bias has one entry a class.
    gate_slope, gate_offset
        The probability of noise is sigmoid(gate_slope * logit + gate_offset).
    """

    temperature: float
    bias: tuple[float, ...]
    gate_slope: float
    gate_offset: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "bias", tuple(self.bias))
        if not self.temperature > 0 or not self.gate_slope > 0:
            raise ValueError(f"temperature {self.temperature}, gate slope {self.gate_slope}; expected > 0")

    def probabilities(self, logits: npt.NDArray[Any]) -> Float64Array:
        """Turn class logits (n, K) into probabilities (n, K), float64, whose rows sum to 1."""
        return softmax(np.asarray(logits, dtype=np.float64) / self.temperature + np.array(self.bias))

    def noise(self, gate: npt.NDArray[Any]) -> Float64Array:
        """Turn noise-gate logits (n,) into probabilities (n,)."""
        return sigmoid(self.gate_slope * np.asarray(gate, dtype=np.float64) + self.gate_offset)


@dataclass(frozen=True)
class Thresholds:
    """A beat goes to review below `confidence`, above `noise`, above the `distance` of its predicted class.

    Attributes
    ----------
    confidence, noise
        Limits of the calibrated probabilities.
    distance
        K limits: what lies far from prototypes for one class may not for another, whose shapes differ more.
    """

    confidence: float
    noise: float
    distance: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "distance", tuple(self.distance))

    def far(self, probabilities: Float64Array, distance: npt.NDArray[Any]) -> BoolArray:
        """Tell which beats (n,) of probabilities (n, K) lie too far from prototypes for what they are called."""
        limit = np.array(self.distance)[probabilities.argmax(axis=1)]
        result: BoolArray = np.asarray(distance, dtype=np.float64) > limit
        return result


def softmax(values: Float64Array) -> Float64Array:
    """Softmax over the last axis."""
    shifted = np.exp(values - values.max(axis=-1, keepdims=True))
    result: Float64Array = shifted / shifted.sum(axis=-1, keepdims=True)
    return result


def sigmoid(values: Float64Array) -> Float64Array:
    """Logistic function, without overflow."""
    result: Float64Array = 0.5 * (1.0 + np.tanh(0.5 * values))
    return result


def reasons(
    probabilities: Float64Array,
    noise: Float64Array,
    distance: npt.NDArray[Any],
    quality: Sequence[str],
    thresholds: Thresholds,
) -> npt.NDArray[np.object_]:
    """Say for each beat why it goes to review, "" where it is accepted.

    Parameters
    ----------
    probabilities
        (n, K) calibrated.
    noise
        (n,) calibrated probability of noise.
    distance
        (n,) to the nearest prototype, infinite where there is none.
    quality
        (n,) reasons of the quality rules, joined by ``;``.
    thresholds
        Of the bundle.

    Returns
    -------
    (n,) of ``low_confidence``, ``noise``, ``far_from_prototypes`` and ``quality:<rule>``, joined by ``;``
    """
    result = np.empty(len(probabilities), dtype=object)
    flags = {
        "low_confidence": probabilities.max(axis=1) < thresholds.confidence,
        "noise": noise > thresholds.noise,
        "far_from_prototypes": thresholds.far(probabilities, distance),
    }
    for i, rules in enumerate(quality):
        parts = [name for name, flag in flags.items() if flag[i]]
        parts += [f"quality:{rule}" for rule in rules.split(";") if rule]
        result[i] = ";".join(parts)
    return result


def fit_calibration(
    logits: npt.NDArray[Any],
    target: npt.NDArray[np.int64],
    groups: Sequence[str],
    gate: npt.NDArray[Any],
    gate_target: npt.NDArray[np.bool_],
    *,
    weighted: bool,
) -> Calibration:
    """Fit temperature, class offsets and the gate's slope and offset by maximum likelihood.

    Class offsets undo class weights of the loss. Without weights there is nothing to undo, and a rare class of few
    patients would be the worse for it; with them they are kept where they lower the log loss of left-out patients.

    Parameters
    ----------
    logits, target
        (n, K) and (n,) class index of labelled calibration beats.
    groups
        (n,) patient of each beat.
    gate, gate_target
        (m,) gate logits and whether the beat is noise, both kinds present.
    weighted
        Whether the loss had class weights.
    """
    slope, offset = _fit_gate(gate, gate_target)
    temperature, bias = fit_class_calibration(logits, target, groups, weighted=weighted)
    return Calibration(temperature, tuple(bias.tolist()), slope, offset)


def fit_class_calibration(
    logits: npt.NDArray[Any], target: npt.NDArray[np.int64], groups: Sequence[str], *, weighted: bool
) -> tuple[float, Float64Array]:
    """Return the temperature and the class offsets (K,) of `fit_calibration`, which says what the arguments are."""
    if weighted and _left_out_loss(logits, target, groups, True) < _left_out_loss(logits, target, groups, False):
        return _fit_temperature(logits, target, with_bias=True)
    return _fit_temperature(logits, target, with_bias=False)


def _fit_temperature(
    logits: npt.NDArray[Any], target: npt.NDArray[np.int64], with_bias: bool
) -> tuple[float, Float64Array]:
    from scipy.optimize import minimize

    values = np.asarray(logits, dtype=np.float64)
    n, n_classes = values.shape
    rows = np.arange(n)
    ridge = 1.0 / n  # keeps the offset of a class without a beat finite

    def loss(parameters: Float64Array) -> tuple[float, Float64Array]:
        inverse = np.exp(parameters[0])
        bias = parameters[1:] if with_bias else np.zeros(n_classes)
        scaled = values * inverse + bias
        probability = softmax(scaled)
        log_sum = scaled.max(1) + np.log(np.exp(scaled - scaled.max(1, keepdims=True)).sum(1))
        value = float(np.mean(log_sum - scaled[rows, target]) + ridge * (bias**2).sum())
        residual = probability
        residual[rows, target] -= 1.0
        gradient = [(residual * values).sum() / n * inverse]
        if with_bias:
            gradient += list(residual.mean(0) + 2 * ridge * bias)
        return value, np.array(gradient)

    start = np.zeros(1 + n_classes * with_bias)
    limits = [(np.log(0.05), np.log(20.0))] + [(-10.0, 10.0)] * (n_classes * with_bias)
    fitted = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=limits)
    bias = fitted.x[1:] - fitted.x[1:].mean() if with_bias else np.zeros(n_classes)
    return float(np.exp(-fitted.x[0])), bias


def _left_out_loss(
    logits: npt.NDArray[Any], target: npt.NDArray[np.int64], groups: Sequence[str], with_bias: bool
) -> float:
    """Mean log loss of patients left out in up to five folds; infinite with fewer than two patients and offsets."""
    names = sorted(set(groups))
    if len(names) < 2:
        return np.inf if with_bias else 0.0
    fold_of = {name: k % 5 for k, name in enumerate(names)}
    folds = np.array([fold_of[name] for name in groups])
    total = 0.0
    for fold in np.unique(folds):
        out = folds == fold
        temperature, bias = _fit_temperature(logits[~out], target[~out], with_bias)
        probability = softmax(np.asarray(logits[out], dtype=np.float64) / temperature + bias)
        total -= np.log(np.maximum(probability[np.arange(out.sum()), target[out]], 1e-12)).sum()
    return float(total / len(target))


def _fit_gate(gate: npt.NDArray[Any], target: npt.NDArray[np.bool_]) -> tuple[float, float]:
    from scipy.optimize import minimize

    values, wanted = np.asarray(gate, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if not 0 < wanted.sum() < len(wanted):
        raise ValueError(
            f"noise gate: {int(wanted.sum())} of {len(wanted)} calibration beats are noise; expected both: "
            "training.noise_fraction above 0, or noise that is annotated in those patients"
        )

    def loss(parameters: Float64Array) -> tuple[float, Float64Array]:
        slope = np.exp(parameters[0])
        score = slope * values + parameters[1]
        residual = (sigmoid(score) - wanted) / len(values)
        value = float(np.mean(np.logaddexp(0.0, score) - wanted * score))
        return value, np.array([(residual * values).sum() * slope, residual.sum()])

    limits = [(np.log(0.01), np.log(100.0)), (-50.0, 50.0)]
    fitted = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=limits)
    return float(np.exp(fitted.x[0])), float(fitted.x[1])


def fit_thresholds(
    probabilities: Float64Array,
    noise: Float64Array,
    distance: npt.NDArray[Any],
    target: npt.NDArray[np.int64],
    patients: npt.NDArray[np.str_],
    unflagged: BoolArray,
    clean: BoolArray,
    settings: ReviewSettings,
) -> Thresholds:
    """Choose the review thresholds on calibration beats.

    confidence: the lowest at which the error among accepted beats is at most ``max_error``; where none reaches it
    while accepting half of the beats, the one of least error that does.

    noise: as strict as possible while no class loses more than its allowed share of clean beats; classes too small to
    lose one beat are taken together. No beat is noise that is likelier clean.

    distance: for each class as strict as possible while it loses no more than the allowed share of its clean beats that
    are rightly predicted. One too small to lose a beat loses none, and neither that nor one of fewer than
    `LIMIT_PATIENTS` patients is stricter than all classes together. A beat of a class that the network has never seen
    is called one of those it knows, and should be far for that one.

    Parameters
    ----------
    probabilities, noise, distance, target, patients
        (n, K), (n,), (n,), (n,) class index and (n,) patient of labelled calibration beats without injected noise.
    unflagged
        (n,) passed by the quality rules: the beats whose error counts.
    clean
        (n,) neither annotated as noise nor flagged by a quality rule: the beats that must not be lost.
    settings
        Section ``review``.
    """
    confidence = probabilities.max(axis=1)
    wrong = probabilities.argmax(axis=1) != target
    far = np.asarray(distance, dtype=np.float64)
    # A beat without any prototype is far whatever the limit.
    comparable = clean & np.isfinite(far) & ~wrong
    if not unflagged.any() or not clean.any():
        raise ValueError("review thresholds: no clean labelled beat of a calibration patient; expected some")
    return Thresholds(
        confidence=_confidence_threshold(confidence[unflagged], wrong[unflagged], settings.max_error),
        noise=max(_class_limit(noise, target, clean, settings.max_clean_loss), 0.5),
        distance=tuple(
            _distance_limit(far[comparable], target[comparable] == k, patients[comparable], settings.max_distance_loss)
            for k in range(probabilities.shape[1])
        ),
    )


def _confidence_threshold(confidence: Float64Array, wrong: BoolArray, max_error: float) -> float:
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    error = np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
    enough = np.arange(1, len(order) + 1) >= MIN_COVERAGE * len(order)
    reached = np.flatnonzero(last_of_tie & enough & (error <= max_error))
    if len(reached):
        return 0.0 if reached[-1] == len(order) - 1 else float(ranked[reached[-1]])
    candidates = np.flatnonzero(last_of_tie & enough)
    return float(ranked[candidates[np.argmin(error[candidates])]])


def _class_limit(score: Float64Array, target: npt.NDArray[np.int64], clean: BoolArray, max_loss: float) -> float:
    """Return the least limit that at most `max_loss` of each class's clean beats exceed."""
    limits = []
    small = np.zeros(len(score), dtype=bool)
    for k in np.unique(target[clean]):
        members = clean & (target == k)
        if members.sum() * max_loss < 1:
            small |= members
        else:
            limits.append(_upper_limit(score[members], max_loss))
    if small.any():
        limits.append(_upper_limit(score[small], max_loss))
    return float(max(limits))


def _distance_limit(far: Float64Array, own: BoolArray, patients: npt.NDArray[np.str_], max_loss: float) -> float:
    """Return the limit for the beats `own` of a class among all (n,); 0 where there is none to compare."""
    if not len(far):
        return 0.0
    limit = _upper_limit(far[own], max_loss) if own.any() else 0.0
    if own.sum() * max_loss >= 1 and len(np.unique(patients[own])) >= LIMIT_PATIENTS:
        return limit
    return max(limit, _upper_limit(far, max_loss))


def _upper_limit(score: Float64Array, max_loss: float) -> float:
    ranked = np.sort(score)[::-1]
    return float(ranked[min(int(max_loss * len(score)), len(ranked) - 1)])
