"""What a training goes on from after a kill: a whole state of the same training, or nothing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from beatlens.learning.checkpoint import EpochState, load_state, save_state
from beatlens.models.hybrid import HybridNet
from beatlens.models.settings import ModelSettings, NetworkConfig


def make(config: dict[str, Any], seed: int, members: int = 1) -> tuple[HybridNet, torch.optim.Optimizer]:
    """Return a network of random weights and its optimizer after one step."""
    settings = ModelSettings(**{**config["model"], "members": members})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = HybridNet(NetworkConfig(settings, 3, 40, 4, 6, 5))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    sum(parameter.square().sum() for parameter in network.parameters()).backward()
    optimizer.step()
    return network, optimizer


def content(network: HybridNet, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    moments = optimizer.state_dict()["state"].values()
    return [value.clone() for part in (network.state_dict(), *moments) for value in part.values()]


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
