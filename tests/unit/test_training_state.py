"""What a training goes on from after a kill: a whole state of the same training, or nothing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from beatlens.learning.checkpoint import EpochState, load_state, save_state
from beatlens.learning.optimizer import AdamW
from beatlens.models.hybrid import HybridNet
from beatlens.models.settings import ModelSettings, NetworkConfig


def make(config: dict[str, Any], seed: int, members: int = 1) -> tuple[HybridNet, AdamW]:
    """Return a network of random weights and its optimizer after one step."""
    settings = ModelSettings(**{**config["model"], "members": members})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = HybridNet(NetworkConfig(settings, 3, 40, 4, 6, 5))
    optimizer = AdamW(network.parameters(), 0.01)
    sum(parameter.square().sum() for parameter in network.parameters()).backward()
    optimizer.step(1e-3)
    return network, optimizer


def content(network: HybridNet, optimizer: AdamW) -> list[torch.Tensor]:
    moments = [value for values in optimizer.state_dict().values() for value in values]
    return [value.clone() for value in (*network.state_dict().values(), *moments)]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return len(one) == len(other) and all(map(torch.equal, one, other))


def test_a_damaged_state_is_told_and_left_alone(
    config: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.npz"
    saved = make(config, 1)
    save_state(path, "key", EpochState(3, [{"epoch": 3.0}]), *saved)
    whole = path.read_bytes()
    weights = saved[0].state_dict()["head.4.weight"].numpy().tobytes()
    flipped = bytearray(whole)
    flipped[whole.index(weights)] ^= 1  # torch reads it as another weight
    damaged = [bytes(flipped), whole[: len(whole) // 2], whole[:-1], b"", b"no archive", bytes(len(whole))]
    for part in damaged:
        path.write_bytes(part)
        mine = make(config, 2)
        before = content(*mine)
        caplog.clear()
        assert load_state(path, "key", *mine) is None
        assert same(content(*mine), before)
        (told,) = caplog.records
        assert told.levelno == logging.WARNING
        assert str(path) in told.message
        assert "starting anew" in told.message

    # A whole one that fits another network must leave nothing of itself either.
    path.write_bytes(whole)
    other = make(config, 2, members=2)
    before = content(*other)
    assert load_state(path, "key", *other) is None
    assert same(content(*other), before)

    mine = make(config, 2)
    assert load_state(path, "another key", *mine) is None
    state = load_state(path, "key", *mine)
    assert state == EpochState(3, [{"epoch": 3.0}])
    assert same(content(*mine), content(*saved))


def test_the_optimizer_is_torchs_to_the_last_bit() -> None:
    layers = [torch.nn.Conv1d(2, 5, 3), torch.nn.Linear(4, 3)]
    mine, theirs = ([torch.nn.Parameter(p.detach().clone()) for m in layers for p in m.parameters()] for _ in range(2))
    optimizer, reference = AdamW(mine, 0.02), torch.optim.AdamW(theirs, lr=1.0, weight_decay=0.02, fused=True)
    for step in range(6):
        for k, (one, other) in enumerate(zip(mine, theirs, strict=True)):
            with_gradient = k != 2 or step in {1, 4}  # one that isn't learnt in every step
            one.grad = (
                torch.randn(one.shape, generator=torch.Generator().manual_seed(7 * step + k)) if with_gradient else None
            )
            other.grad = None if one.grad is None else one.grad.clone()
        reference.param_groups[0]["lr"] = 0.003 * (step + 1)
        optimizer.step(0.003 * (step + 1))
        reference.step()
    assert all(map(torch.equal, mine, theirs))
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in mine)
    optimizer.step(1.0)
    assert all(map(torch.equal, mine, theirs))


def test_the_state_of_other_parameters_is_refused() -> None:
    one, other = AdamW([torch.zeros(3)], 0.0), AdamW([torch.zeros(4)], 0.0)
    with pytest.raises(ValueError, match="optimizer state 'means' of other parameters; expected 1 of the same shapes"):
        one.load_state_dict(other.state_dict())
