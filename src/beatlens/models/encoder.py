"""Morphology: one lead of one beat is encoded on its own, then a beat's leads are mixed."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from beatlens.leads import STANDARD_LEADS
from beatlens.models.settings import ModelSettings


class LeadEncoder(nn.Module):
    """A 1-D convolutional network shared by all leads.

    Convolutions of stride 2 halve the length (cheaper than pooling); the last feature map is averaged over a few
    stretches of the beat, so that what comes before the QRS complex stays apart from what comes after it.

    Parameters
    ----------
    settings
        Sizes.
    beat_length
        Samples of a beat.
    """

    def __init__(self, settings: ModelSettings, beat_length: int) -> None:
        super().__init__()
        self.derivative = settings.derivative
        layers: list[nn.Module] = []
        width, length = 1 + settings.derivative, beat_length
        for channels, kernel in zip(settings.channels, settings.kernels, strict=True):
            layers += [
                nn.Conv1d(width, channels, kernel, stride=2, padding=kernel // 2, bias=False),
                nn.BatchNorm1d(channels),
                nn.ReLU(),
            ]
            width, length = channels, (length + 1) // 2
        if length < settings.time_bins:
            raise ValueError(
                f"a beat of {beat_length} samples leaves {length} positions after {len(settings.channels)} "
                f"convolutions; expected at least model.time_bins = {settings.time_bins}"
            )
        self.layers = nn.Sequential(*layers)
        bins = torch.zeros(length, settings.time_bins)
        bins[torch.arange(length), torch.arange(length) * settings.time_bins // length] = 1.0
        self.register_buffer("bins", bins / bins.sum(0), persistent=False)
        self.size = width * settings.time_bins

    def inputs(self, waves: Tensor) -> Tensor:
        """Return what the first layer sees of waves (m, T): (m, 1 or 2, T), the wave and its first difference."""
        if not self.derivative:
            return waves[:, None]
        # 5 samples of 5 ms hold most of a QRS slope; the gain brings the difference to the wave's own size.
        slope = nn.functional.pad(waves[:, 1:] - waves[:, :-1], (1, 0))
        return torch.stack([waves, 5.0 * slope], dim=1)

    def feature_map(self, waves: Tensor) -> Tensor:
        """Return the last feature map, (m, channels, positions), of waves (m, T): what class-activation maps use."""
        return cast(Tensor, self.layers(self.inputs(waves)))

    def pool(self, feature_map: Tensor) -> Tensor:
        """Average a feature map over the stretches of the beat: (m, channels, positions) -> (m, size)."""
        return (feature_map @ cast(Tensor, self.bins)).flatten(1)

    def forward(self, waves: Tensor) -> Tensor:
        """Encode waves (m, T), scaled, to features (m, size)."""
        return self.pool(self.feature_map(waves))


class LeadMixer(nn.Module):
    """Attention over the leads that are present; it knows which lead it mixes by an embedding of the lead's name.

    Parameters
    ----------
    settings
        Sizes.
    features
        Size of a lead's features.
    """

    def __init__(self, settings: ModelSettings, features: int) -> None:
        super().__init__()
        self.leads = nn.Embedding(len(STANDARD_LEADS) + 1, settings.lead_embedding)
        self.project = nn.Linear(features, settings.embedding)
        self.project_lead = nn.Linear(settings.lead_embedding, settings.embedding, bias=False)
        self.score = nn.Linear(settings.embedding, 1)

    def forward(self, features: Tensor, present: Tensor, lead_ids: Tensor) -> Tensor:
        """Mix features (n, L, F) over the leads present (n, L), named by lead_ids (L,), to embeddings (n, D).

        A beat without any lead has the embedding 0. Features of absent leads have no influence, whatever they hold.
        """
        features = features.masked_fill(~present[..., None], 0.0)
        hidden, score = self.terms(features, lead_ids)
        return self.combine(hidden, score, present)

    def terms(self, features: Tensor, lead_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return what features (..., F) of leads lead_ids (...) bring to a mix: hidden (..., D), scores (...)."""
        hidden = torch.relu(self.project(features) + self.project_lead(self.leads(lead_ids)))
        return hidden, self.score(hidden).squeeze(-1)

    def combine(self, hidden: Tensor, score: Tensor, present: Tensor) -> Tensor:
        """Mix terms (n, L, D) and (n, L) over the leads present (n, L) to embeddings (n, D)."""
        weight = torch.softmax(score.masked_fill(~present, -1e9), dim=1) * present
        return (weight[..., None] * hidden).sum(1)
