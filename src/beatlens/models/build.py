"""Networks from and to plain arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from beatlens.models.crossmodal import CrossModalNet
from beatlens.models.hybrid import HybridNet
from beatlens.models.network import BeatNetwork
from beatlens.models.settings import NetworkConfig


def choose_device(name: str) -> str:
    """Return ``cuda`` or ``cpu`` for the configured ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    ValueError
        For any other name, or for ``cuda`` where there is none.
    """
    if name not in {"auto", "cpu", "cuda"}:
        raise ValueError(f"device: {name!r}; expected auto, cpu or cuda")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ValueError("device: 'cuda', but torch finds no CUDA device; expected auto or cpu here")
    return "cuda" if available and name != "cpu" else "cpu"


def make_deterministic(threads: int, device: str) -> None:
    """Fix the number of numeric threads and refuse operations whose result depends on chance.

    Memory that an operation is about to write isn't filled first: in networks this small that is a tenth of a step.
    """
    if device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def build_network(config: NetworkConfig) -> BeatNetwork:
    """Build the network that ``model.name`` says, with initial weights, in training mode."""
    return CrossModalNet(config) if config.settings.name == "crossmodal" else HybridNet(config)


def network_from_arrays(
    config: NetworkConfig, weights: Mapping[str, npt.NDArray[Any]], device: str = "cpu"
) -> BeatNetwork:
    """Build a network in evaluation mode from its sizes and its state.

    Raises
    ------
    ValueError
        Where names or shapes don't fit the sizes.
    """
    with torch.random.fork_rng(devices=[]):  # initial weights are overwritten: leave the caller's generator alone
        network = build_network(config)
    try:
        network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    except RuntimeError as error:
        raise ValueError(f"weights: {' '.join(str(error).split())}; expected those of {config}") from None
    return network.eval().to(device)


def network_to_arrays(network: BeatNetwork) -> dict[str, npt.NDArray[Any]]:
    """Return a network's state as arrays, by parameter name."""
    return {name: value.detach().cpu().numpy().copy() for name, value in network.state_dict().items()}
