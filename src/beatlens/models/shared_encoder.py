"""The encoder of a trained beat network, which describes the beats of a network of diagnoses as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from beatlens.models.encoder import LeadEncoder, LeadMixer
from beatlens.models.settings import NetworkConfig

PARTS = ("encoder.", "mixer.")
"""Parts of a hybrid network that are taken, by the prefix of their weights."""


class BeatView(NamedTuple):
    """Leads of beats as a beat network is given them.

    Attributes
    ----------
    waves, typical
        (m, T) one lead of one beat each, and the typical beat of its record, both in units of the lead's scale.
    lead_ids
        (m,) long.
    """

    waves: Tensor
    typical: Tensor
    lead_ids: Tensor


class SharedEncoder(nn.Module):
    """From one lead of one beat to what it brings to a beat's embedding; frozen.

    Parameters
    ----------
    config
        Sizes of the beat network, ``hybrid`` or ``context``.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        if config.settings.name == "crossmodal":
            raise ValueError("diagnoses.encoder: a crossmodal network; expected hybrid or context, which mix leads")
        self.encoder = LeadEncoder(config.settings, config.beat_length)
        self.mixer = LeadMixer(config.settings, self.encoder.size)
        self.size = config.embedding_size
        self.requires_grad_(False)

    def forward(self, view: BeatView) -> Tensor:
        """Encode leads of beats to (m, size)."""
        return self.mixer.terms(self.encoder(view.waves, view.typical), view.lead_ids)

    def train(self, mode: bool = True) -> SharedEncoder:
        """Stay in evaluation mode: nothing here learns."""
        del mode
        return super().train(False)

    def take(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take the weights of a beat network by parameter name; those of its other parts are left out."""
        chosen = {name: torch.from_numpy(np.array(value)) for name, value in weights.items() if name.startswith(PARTS)}
        self.load_state_dict(chosen)
