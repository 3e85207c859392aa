"""The layer whose output a class-activation map is made of: named, or found as the last convolution."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

logger = logging.getLogger(__name__)

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)
FOLLOWING = (
    nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU,
    nn.Softplus, nn.Dropout,
)  # fmt: skip
"""Modules that belong to the convolution which they follow in an `nn.Sequential`: they keep channels and positions."""


def find_layers(network: nn.Module, logits: Callable[[], Tensor], named: str | None) -> tuple[str, ...]:
    """Return the names of the modules whose outputs are mapped.

    Without a name these are the last convolutions: those from which the logits are reached through no other one, each
    with the normalisation and activation that follow it. Members of an ensemble have one each.

    Parameters
    ----------
    network
        Any network.
    logits
        Runs it over the beats that are watched; what goes in needs a gradient, so that frozen layers are seen too.
    named
        Name of a module, or None.

    Raises
    ------
    ValueError
        For a name that isn't there, or a network without convolution where none is named.
    """
    modules = dict(network.named_modules())
    convolutions = [name for name, module in modules.items() if isinstance(module, CONVOLUTIONS)]
    if named is not None:
        if named not in modules or not named:
            near = difflib.get_close_matches(named, modules, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            names = convolutions or [name for name in modules if name]
            raise ValueError(f"watch.layer: {named!r}; expected a module of the network, as {', '.join(names)}{hint}")
        return (named,)
    if not convolutions:
        raise ValueError(
            "watch.layer: null, and the network has no convolution; expected the name of a layer with positions, "
            f"one of {', '.join(name for name in modules if name)}, or watch.every: 0"
        )
    outputs: dict[str, list[Any]] = {name: [] for name in convolutions}

    def note(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda module, inputs, output: outputs[name].append(output.grad_fn)

    with hooks(network, convolutions, note):
        end = logits().grad_fn
    places = {node: name for name, nodes in outputs.items() for node in nodes if node is not None}
    reached = set(_first_met(end, places))
    if not reached:
        logger.warning("watch: no gradient of the logits reaches a convolution; the last one is named all the same")
        reached = {convolutions[-1]}
    return tuple(_with_activation(name, modules) for name in convolutions if name in reached)


def _first_met(end: Any, places: dict[Any, str]) -> Iterator[str]:
    """Yield the convolutions met first on each way back from a node of the graph of gradients."""
    waiting, seen = [end], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node in places:
            yield places[node]
        else:
            waiting += [before for before, _ in node.next_functions]


def _with_activation(name: str, modules: dict[str, nn.Module]) -> str:
    """Return the last of the modules that belong to a convolution, or itself where it isn't in a sequence."""
    parent, _, key = name.rpartition(".")
    container = modules[parent]
    if not isinstance(container, nn.Sequential):
        return name
    keys = list(container._modules)
    for following in keys[keys.index(key) + 1 :]:
        if not isinstance(container._modules[following], FOLLOWING):
            break
        key = following
    return f"{parent}.{key}" if parent else key


@contextmanager
def hooks(
    network: nn.Module, names: Sequence[str], make: Callable[[str], Callable[[nn.Module, Any, Tensor], Any]]
) -> Iterator[None]:
    """Set a forward hook on each named module, and take them off in the end."""
    handles = [network.get_submodule(name).register_forward_hook(make(name)) for name in names]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def undisturbed(network: nn.Module) -> Iterator[None]:
    """Put a network in evaluation mode, and leave its modes and torch's generators as they were.

    In evaluation mode nothing of a network changes by running it: neither the statistics of normalisation nor weights.
    """
    modes = {module: module.training for module in network.modules()}
    devices = sorted({parameter.device.index for parameter in network.parameters() if parameter.is_cuda})
    with torch.random.fork_rng(devices=devices):
        network.eval()
        try:
            yield
        finally:
            for module, mode in modes.items():
                module.training = mode
