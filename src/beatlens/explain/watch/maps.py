"""One pass of the watched beats through a network, and the maps that are made of it, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from beatlens.explain.attention.capture import HeadWeights, explicit_attention
from beatlens.explain.methods.activation_maps import ACTIVATION_MAPS, ActivationMap
from beatlens.explain.watch.layers import hooks
from beatlens.learning.batches import Batch
from beatlens.learning.objective import to_tensors

FloatArray = npt.NDArray[np.float32]
Forward = Callable[[nn.Module, dict[str, Tensor], int], tuple[Tensor, Tensor]]
"""Takes the training loop's batches, as `beatlens.learning.objective.forward` does."""
NO_GRADIENT = "no gradient of the class reaches the layer"
NOT_FINITE = "the network gives no finite number"


@dataclass(frozen=True)
class Maps:
    """What a map maker gives.

    Attributes
    ----------
    values
        (N, K, L, P) float32, signed: beat, class, lead, position. NaN where the beat hasn't got the lead or there is no
        map. With L = 1 over several leads, a map is of all leads together.
    absent
        In words, why there is no map of some beat and class; "" where there are all.
    elsewhere
        (N, K) share of the mass that lies on other beats than the watched one, 0 to 1; None for maps of a beat alone.
    """

    values: FloatArray
    absent: str = ""
    elsewhere: FloatArray | None = None


class Pass:
    """The watched beats in a network, in evaluation mode.

    Parameters
    ----------
    network, forward
        What is run, and how it takes a batch.
    batch
        The watched beats: target k is beat k.
    layers
        Modules whose outputs are mapped. Each is cut off from what comes before it, so that gradients stop there. None
        are needed for maps of attention.
    """

    def __init__(self, network: nn.Module, batch: Batch, *, forward: Forward, layers: Sequence[str]) -> None:
        self.network, self.batch, self.layers = network, batch, layers
        parameter = next(network.parameters(), None)
        device = "cpu" if parameter is None else str(parameter.device)
        self._forward, self.tensors = forward, to_tensors(batch, device)

    def logits(self, *, differentiable_inputs: bool = False) -> Tensor:
        """Run the network: (N, K) class logits, of an ensemble the mean."""
        tensors = self.tensors
        if differentiable_inputs:
            tensors = {n: t.clone().requires_grad_() if t.is_floating_point() else t for n, t in tensors.items()}
        with torch.enable_grad():
            logits = self._forward(self.network, tensors, self.batch.n_beats)[0].float()
        return logits.mean(1) if logits.ndim == 3 else logits

    @cached_property
    def _run(self) -> tuple[Tensor, list[Tensor]]:
        leaves: list[Tensor] = []

        def cut(name: str) -> Callable[[nn.Module, Any, Tensor], Tensor]:
            def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
                if not isinstance(output, Tensor) or output.ndim not in {3, 4}:
                    shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
                    raise ValueError(
                        f"watch.layer: {name!r} gives {shape}; expected a layer that gives (rows, channels, positions)"
                    )
                leaf = output.detach().requires_grad_()
                leaves.append(leaf)
                return leaf.clone()  # what follows may change it in place

            return hook

        with hooks(self.network, self.layers, cut):
            logits = self.logits()
        if not leaves:
            raise ValueError(f"watch.layer: {', '.join(self.layers)} isn't run; expected a layer that each beat passes")
        alike = [leaf for leaf in leaves if (len(leaf), *leaf.shape[2:]) == (len(leaves[0]), *leaves[0].shape[2:])]
        return logits, alike

    @property
    def class_logits(self) -> FloatArray:
        """(N, K) what the network says of the beats."""
        found: FloatArray = (self._run[0] if self.layers else self.logits()).detach().cpu().numpy()
        return found

    @cached_property
    def attention(self) -> tuple[Tensor, list[HeadWeights]]:
        """Class logits (N, K) that follow from the weights of the network's attention modules, and these weights."""
        with explicit_attention(self.network) as calls:
            return self.logits(), calls

    @cached_property
    def activations(self) -> list[Tensor]:
        """Outputs of the layers (rows, channels, [bands,] positions) that have rows and positions as the first."""
        return self._run[1]

    @cached_property
    def gradients(self) -> list[list[Tensor | None]]:
        """Of each class, the gradient of its logit to each of `activations`; None where there is none."""
        logits, leaves = self._run
        if not logits.requires_grad:
            return [[None] * len(leaves)] * logits.shape[1]
        return [
            list(torch.autograd.grad(logits[:, k].sum(), leaves, retain_graph=True, allow_unused=True))
            for k in range(logits.shape[1])
        ]

    def of_targets(self, rows: Tensor) -> FloatArray:
        """Take the watched beats' own rows of maps (rows, P): (N, L, P).

        Rows are waves (a lead of a beat each), beats with all their leads, or targets.
        """
        batch, found = self.batch, rows.detach().cpu().numpy()
        target = batch.windows[np.arange(len(batch.windows)), batch.positions]
        if len(found) == len(batch.waves):
            result = np.full((len(target), len(batch.lead_ids), found.shape[1]), np.nan, dtype=np.float32)
            place_of = {int(beat): place for place, beat in enumerate(target)}
            for wave in np.flatnonzero(np.isin(batch.row, target)):
                result[place_of[int(batch.row[wave])], batch.column[wave]] = found[wave]
            return result
        if len(found) == batch.n_beats * len(batch.lead_ids):
            return found.reshape(batch.n_beats, len(batch.lead_ids), -1)[target].astype(np.float32)
        if len(found) == batch.n_beats:
            return found[target][:, None].astype(np.float32)
        if len(found) == len(target):
            return found[:, None].astype(np.float32)
        raise ValueError(
            f"watch.layer: {', '.join(self.layers)} gives {len(found)} rows; expected one for each of "
            f"{len(batch.waves)} waves, {batch.n_beats} beats or {len(target)} targets"
        )


def class_activation_maps(passed: Pass, kind: ActivationMap) -> Maps:
    """Make a class-activation map of every class; layers side by side (members of an ensemble) are added up."""
    maps, absent = [], ""
    for of_class in passed.gradients:
        total = torch.zeros(())
        reached = False
        for activation, gradient in zip(passed.activations, of_class, strict=True):
            if gradient is not None:
                reached = True
                flat = kind(activation.flatten(2), gradient.flatten(2)).view(len(activation), *activation.shape[2:])
                total = total + (flat.sum(1) if flat.ndim == 3 else flat)  # over the bands of a spectrogram
        if not reached:
            first = passed.activations[0]
            total, absent = first.new_full((len(first), first.shape[-1]), torch.nan), NO_GRADIENT
        maps.append(passed.of_targets(total))
    if not np.isfinite(passed.class_logits).all():
        absent = absent or NOT_FINITE
    return Maps(np.stack(maps, axis=1), absent)


MakeMaps = Callable[[Pass], Maps]
MAKERS: Mapping[str, MakeMaps] = {
    name: partial(class_activation_maps, kind=kind) for name, kind in ACTIVATION_MAPS.items()
}
"""Class-activation maps by name."""
