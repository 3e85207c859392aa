"""What a head is worth: how the probability of the class changes without it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from beatlens.explain.attention.capture import without_head
from beatlens.explain.attention.modules import module_names
from beatlens.explain.engine.differentiable import SignalModel

Array = npt.NDArray[np.float64]


def head_importance(model: SignalModel) -> dict[str, Array]:
    """Return what the target loses without each head, by the stream that asks: (members, heads).

    A head is left out by its slice of the output projection at 0; all other heads, of other members too, stay. Above 0
    the head speaks for the class. With several members each has its share of the mean alone, so changes are small.

    Parameters
    ----------
    model
        The target, in probability.
    """
    result = {}
    with torch.no_grad():
        instance = model.instance
        waves, rr = model.waves(model.tensor(instance.window)[None]), model.tensor(instance.rr)[None]
        maps = model.feature_maps(waves)  # no head has a part in them
        whole = model.values_of_maps(maps, waves, rr).item()
        for stream, names in module_names(model.network).items():
            changes = np.empty((len(names), model.network.config.settings.heads))
            for member, name in enumerate(names):
                for head in range(changes.shape[1]):
                    with without_head(model.network, name, head):
                        changes[member, head] = whole - model.values_of_maps(maps, waves, rr).item()
            result[stream] = changes
    return result
