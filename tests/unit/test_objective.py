"""Class weights, schedule, losses and scores of training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from beatlens.learning.objective import class_weights, learning_rate, losses, macro_f1
from beatlens.models.build import choose_device


def test_class_weights_have_mean_one_over_beats():
    counts = np.array([900, 90, 10, 0])
    for power in (0.0, 0.5, 1.0):
        weights = class_weights(counts, power)
        assert (weights * counts).sum() == pytest.approx(counts.sum(), rel=1e-6)
        assert weights[1] / weights[0] == pytest.approx(10**power, rel=1e-5)
        assert weights[3] == 0


def test_unknown_labels_give_no_gradient():
    logits = torch.randn(4, 2, 3, requires_grad=True)  # of two members
    gate = torch.randn(4, 2, requires_grad=True)
    batch = {
        "target": torch.tensor([0, -1, 2, -1]),
        "gate": torch.tensor([1.0, 0.0, float("nan"), float("nan")]),
        "competing": torch.ones(4, 3, dtype=torch.bool),
    }
    weights = torch.tensor([1.0, 2.0, 3.0])
    total, class_loss, gate_loss = losses(logits, gate, batch, weights, 0.5)
    log = torch.log_softmax(logits, 2)
    assert class_loss.item() == pytest.approx((-(log[0, :, 0] * 1 + log[2, :, 2] * 3) / 2).mean().item(), rel=1e-5)
    assert gate_loss.item() == pytest.approx(
        ((-torch.log(torch.sigmoid(gate[0])) - torch.log(torch.sigmoid(-gate[1]))) / 2).mean().item(), rel=1e-5
    )
    total.backward()
    assert (logits.grad.abs().sum(2) > 0).tolist() == [[True] * 2, [False] * 2, [True] * 2, [False] * 2]
    assert (gate.grad.abs() > 0).tolist() == [[True] * 2, [True] * 2, [False] * 2, [False] * 2]


def test_a_batch_without_any_label_has_loss_zero():
    batch = {
        "target": torch.tensor([-1]),
        "gate": torch.tensor([float("nan")]),
        "competing": torch.tensor([[False, True, True]]),
    }
    total, _, _ = losses(torch.randn(1, 1, 3), torch.randn(1, 1), batch, torch.ones(3), 0.5)
    assert total.item() == 0


def test_where_two_classes_compete_the_third_is_not_learnt():
    logits = torch.randn(3, 3, requires_grad=True)
    competing = torch.tensor([[True, True, False], [True, True, False], [True, True, True]])
    batch = {"target": torch.tensor([0, 1, 1]), "gate": torch.full((3,), float("nan")), "competing": competing}
    total, _, _ = losses(logits[:, None], torch.zeros(3, 1), batch, torch.ones(3), 0.5)
    two, three = torch.log_softmax(logits[:, :2], 1), torch.log_softmax(logits, 1)
    assert total.item() == pytest.approx((-(two[0, 0] + two[1, 1] + three[2, 1]) / 3).item(), rel=1e-5)
    total.backward()
    assert (logits.grad[:, 2].abs() > 0).tolist() == [False, False, True]


def test_the_rate_rises_then_falls():
    rates = [learning_rate(step, 100, 0.01) for step in range(100)]
    assert max(rates) == pytest.approx(0.01, rel=0.01)
    top = int(np.argmax(rates))
    assert 10 < top < 20
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()
    assert rates[-1] < 2e-4


def test_macro_f1_is_sklearns():
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(0)
    target, predicted = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    assert macro_f1(target, predicted) == pytest.approx(f1_score(target, predicted, average="macro"))
    assert np.isnan(macro_f1(np.empty(0, int), np.empty(0, int)))


def test_device_names_are_checked():
    assert choose_device("cpu") == "cpu"
    with pytest.raises(ValueError, match="'gpu'"):
        choose_device("gpu")
    if not torch.cuda.is_available():
        assert choose_device("auto") == "cpu"
        with pytest.raises(ValueError, match="no CUDA device"):
            choose_device("cuda")
