"""Calibration against what was planted."""

from __future__ import annotations

import numpy as np
import pytest

from beatlens.decision.calibration import Calibration, fit_calibration, softmax


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def test_calibration_finds_the_planted_temperature_and_gate(rng):
    true = rng.normal(size=(20000, 3)) * 2
    target = np.array([rng.choice(3, p=row) for row in softmax(true)])
    gate = rng.normal(size=20000) * 3
    noisy = rng.random(20000) < 1 / (1 + np.exp(-(0.5 * gate - 1)))
    groups = [f"p{k % 10}" for k in range(20000)]
    fitted = fit_calibration(true * 3.0, target, groups, gate, noisy, weighted=True)
    assert fitted.temperature == pytest.approx(3.0, rel=0.05)
    assert np.abs(np.array(fitted.bias)).max() < 0.1
    assert fitted.gate_slope == pytest.approx(0.5, rel=0.1)
    assert fitted.gate_offset == pytest.approx(-1.0, abs=0.1)


def test_class_offsets_are_kept_where_they_help_left_out_patients(rng):
    true = rng.normal(size=(5000, 3))
    target = np.array([rng.choice(3, p=row) for row in softmax(true)])
    shifted = true - np.array([1.5, 0.0, -1.5])  # as class weights in the loss do
    known = shifted, target, [f"p{k % 6}" for k in range(5000)], np.r_[0.0, 1.0], np.array([False, True])
    np.testing.assert_allclose(fit_calibration(*known, weighted=True).bias, [1.5, 0.0, -1.5], atol=0.2)
    assert fit_calibration(*known, weighted=False).bias == (0.0, 0.0, 0.0)  # no weights, nothing to undo


def test_probabilities_sum_to_one_for_extreme_logits():
    calibration = Calibration(0.5, (0.0, 1.0, -1.0), 1.0, 0.0)
    probability = calibration.probabilities(np.array([[1e4, -1e4, 0], [0, 0, 0]], np.float32))
    np.testing.assert_allclose(probability.sum(axis=1), 1.0, atol=1e-12)
    assert np.isfinite(calibration.noise(np.array([-1e4, 1e4]))).all()


def test_gate_without_both_kinds_is_refused():
    with pytest.raises(ValueError, match="0 of 3 calibration beats are noise"):
        fit_calibration(np.eye(3), np.arange(3), ["a", "b", "c"], np.zeros(3), np.zeros(3, bool), weighted=True)
