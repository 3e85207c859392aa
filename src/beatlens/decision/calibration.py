"""From the network's outputs to calibrated probabilities of classes and of noise, fitted on patients not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]


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


def softmax(values: Float64Array) -> Float64Array:
    """Softmax over the last axis."""
    shifted = np.exp(values - values.max(axis=-1, keepdims=True))
    result: Float64Array = shifted / shifted.sum(axis=-1, keepdims=True)
    return result


def sigmoid(values: Float64Array) -> Float64Array:
    """Logistic function, without overflow."""
    result: Float64Array = 0.5 * (1.0 + np.tanh(0.5 * values))
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

    Class offsets undo the class weights of the loss. Without weights there is nothing to undo: the offsets are 0, since
    they would harm a rare class of few patients. With weights they are kept where they lower the log loss of left-out
    patients.

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
    """Return the temperature and the class offsets (K,); arguments as for `fit_calibration`."""
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
