"""The state of a training after an epoch: what an interrupted training goes on from."""

from __future__ import annotations

import copy
import io
import logging
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch

from beatlens.core.files import atomic_path
from beatlens.learning.optimizer import AdamW
from beatlens.models.network import BeatNetwork

logger = logging.getLogger(__name__)


@dataclass
class EpochState:
    """All that an interrupted training needs to continue; random numbers derive from seed and epoch."""

    epoch: int
    history: list[dict[str, float]]


def save_state(path: Path, key: str, state: EpochState, network: BeatNetwork, optimizer: AdamW) -> None:
    """Write the state after an epoch."""
    value = {
        "key": key,
        "epoch": state.epoch,
        "history": state.history,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    content = io.BytesIO()  # torch's writer doesn't raise where a disk is full
    torch.save(value, content)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def load_state(path: Path, key: str, network: BeatNetwork, optimizer: AdamW) -> EpochState | None:
    """Go on from a saved state if it is whole and has the key of this code, configuration and data; else return None.

    Where None is returned, network and optimizer are as they were.
    """
    if not path.exists():
        return None
    before = copy.deepcopy((network.state_dict(), optimizer.state_dict()))
    try:
        _check_whole(path)
        value = torch.load(path, map_location=next(network.parameters()).device, weights_only=True)
        if value["key"] != key:
            logger.info("%s is the state of another training (its key differs): starting anew", path)
            return None
        network.load_state_dict(value["network"])
        optimizer.load_state_dict(value["optimizer"])
        state = EpochState(int(value["epoch"]), list(value["history"]))
    except Exception as error:  # a damaged file may raise any error
        network.load_state_dict(before[0])
        optimizer.load_state_dict(before[1])
        logger.warning("%s can't be gone on from (%s: %s): starting anew", path, type(error).__name__, error)
        return None
    logger.info("going on after epoch %d of %s", state.epoch, path)
    return state


def _check_whole(path: Path) -> None:
    """Raise where a saved state is damaged: torch reads changed bytes as other numbers, without an error."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"{damaged} differs from its checksum")
