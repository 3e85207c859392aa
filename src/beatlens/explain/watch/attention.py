"""Attention of the watched beats: its mass on each beat's own samples, and how much of it lies on other beats.

It is what `beatlens.explain.methods.attention` gives with the tokens of both streams, but of all watched beats in one
pass, and relevance is for each class's logit. Here are no explainers, so that editing one retrains nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from beatlens.explain.attention.capture import HeadWeights
from beatlens.explain.attention.modules import module_names
from beatlens.explain.watch.maps import NO_GRADIENT, NOT_FINITE, Maps, Pass
from beatlens.explain.watch.settings import CLASSLESS
from beatlens.models.crossmodal import CrossModalNet

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Layout:
    """Which tokens the watched beats have.

    Attributes
    ----------
    columns
        Of each beat the places of its leads in the batch.
    order
        Beats in the order in which the network runs them: those of fewer leads first.
    context, slots
        Beats of a window, the watched one in the middle, and tokens of a beat, lead and band.
    """

    columns: Sequence[npt.NDArray[np.int64]]
    order: npt.NDArray[np.int64]
    context: int
    slots: int

    @classmethod
    def of(cls, passed: Pass) -> _Layout:
        batch, config = passed.batch, cast(CrossModalNet, passed.network).config
        target = batch.windows[np.arange(len(batch.windows)), batch.positions]
        columns = [np.sort(batch.column[batch.row == beat]) for beat in target]
        order = np.argsort([len(of_beat) for of_beat in columns], kind="stable")
        return cls(columns, order, config.context, config.settings.time_bins)

    def by_slot(self, mass: Tensor, beat: int) -> npt.NDArray[np.float64]:
        """Return the mass of a stream's keys (keys,) of a beat, summed over bands: (leads, context, slots)."""
        laid = mass.double().cpu().numpy().reshape(len(self.columns[beat]), self.context, -1, self.slots)
        return np.asarray(laid.sum(axis=2))


def attention_maps(passed: Pass, kind: str) -> Maps:
    """Make the map of a kind for every class: the sum over both streams, the mean over members, heads and queries.

    Parameters
    ----------
    passed
        The watched beats in a network.
    kind
        ``attention``, ``attention_rollout`` or ``attention_relevance``.

    Raises
    ------
    ValueError
        For a network without attention, or one whose tokens lie nobody knows where; and what a capture raises.
    """
    names = module_names(passed.network)
    layout, (logits, calls) = _Layout.of(passed), passed.attention
    n, n_classes, n_leads = len(layout.columns), logits.shape[1], len(passed.batch.lead_ids)
    values = np.full((n, n_classes, n_leads, layout.slots), np.nan, dtype=np.float32)
    elsewhere = np.full((n, n_classes), np.nan, dtype=np.float32)
    absent = "" if bool(torch.isfinite(logits).all()) else NOT_FINITE
    for of_class in range(1 if kind in CLASSLESS else n_classes):
        numbers = [call.weights for call in calls]
        if kind not in CLASSLESS:
            gradients = _gradients(logits[:, of_class].sum(), numbers)
            if gradients is None:
                absent = absent or NO_GRADIENT
                continue
            numbers = [(weights * part).clamp(min=0) for weights, part in zip(numbers, gradients, strict=True)]
        classes = slice(None) if kind in CLASSLESS else of_class
        for beat, mass in enumerate(_mass_of_beats(calls, numbers, names, layout)):
            found = _rolled_out(mass) if kind == "attention_rollout" else mass
            of_beat = found[:, layout.context // 2]
            values[beat][classes, layout.columns[beat]] = of_beat
            whole = found.sum()
            elsewhere[beat, classes] = 1 - of_beat.sum() / whole if whole > 0 else np.nan
    return Maps(values, absent, elsewhere)


def _gradients(target: Tensor, weights: Sequence[Tensor]) -> Sequence[Tensor] | None:
    """Return the gradient of a number to each of the weights, None where none is reached."""
    if not target.requires_grad:
        return None
    found = torch.autograd.grad(target, list(weights), retain_graph=True, allow_unused=True)
    if all(part is None for part in found):
        return None
    return [torch.zeros_like(one) if part is None else part for one, part in zip(weights, found, strict=True)]


def _mass_of_beats(
    calls: Sequence[HeadWeights], numbers: Sequence[Tensor], names: Mapping[str, Sequence[str]], layout: _Layout
) -> list[npt.NDArray[np.float64]]:
    """Return the mass of each watched beat's keys, both streams together: (leads, context, slots) each."""
    total: list[npt.NDArray[np.float64]] = [np.zeros(()) for _ in layout.order]
    for modules in names.values():
        for module in modules:
            received = [
                row
                for call, of_call in zip(calls, numbers, strict=True)
                if call.module == module
                for row in of_call.detach().mean(dim=(1, 2))
            ]
            for beat, row in zip(layout.order, received, strict=True):
                total[beat] = total[beat] + layout.by_slot(row, int(beat)) / len(modules)
    return total


def _rolled_out(mass: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Give half of each query's mass back to its own token (`beatlens.explain.methods.attention`), in both streams."""
    own_tokens = np.zeros_like(mass)
    middle = own_tokens[:, mass.shape[1] // 2]
    middle[:] = 2 / middle.size
    return np.asarray((mass + own_tokens) / 2)


MAKERS: Mapping[str, Callable[[Pass], Maps]] = {
    name: partial(attention_maps, kind=name) for name in ("attention_relevance", "attention", "attention_rollout")
}
"""Kinds of map by name. They need no layer."""
