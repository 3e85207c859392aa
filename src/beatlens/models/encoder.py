"""Morphology: one lead of one beat is encoded on its own, then a beat's leads are mixed.

The members of an ensemble lie side by side in every last dimension.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from beatlens.core.leads import STANDARD_LEADS
from beatlens.models.grouped import GroupedLinear, beside
from beatlens.models.settings import ModelSettings

FLOOR = 0.02
"""Share of a lead's scale that comparisons with the typical beat add, so that they stay finite where a lead is flat."""


def channels_last(values: Tensor) -> Tensor:
    """Return values (n, channels, positions), laid out so that the channels of a position are neighbours.

    A convolution on a processor wants that layout: a training step takes two thirds of the time. PyTorch keeps it in
    two dimensions only, so a wave passes the layers below as an image of height 1.
    """
    return values.unsqueeze(2).contiguous(memory_format=torch.channels_last).squeeze(2)


class ChannelsLastConv1d(nn.Conv1d):
    """`torch.nn.Conv1d` with zero padding that keeps the layout of `channels_last`."""

    def forward(self, values: Tensor) -> Tensor:
        """Convolve (n, in, positions)."""
        stride, padding = (1, self.stride[0]), (0, cast(int, self.padding[0]))
        image, weight = values.unsqueeze(2), self.weight.unsqueeze(2)
        return nn.functional.conv2d(image, weight, self.bias, stride, padding).squeeze(2)


class ChannelsLastBatchNorm1d(nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` of (n, channels, positions) that keeps the layout of `channels_last`."""

    def forward(self, values: Tensor) -> Tensor:
        """Normalise the channels of (n, channels, positions)."""
        return super().forward(values.unsqueeze(2)).squeeze(2)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim != 4:
            raise ValueError(f"values of {input.ndim - 1} dimensions; expected (n, channels, positions)")


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
        self.derivative, self.typical_beat = settings.derivative, settings.typical_beat
        # A stack a member: on a processor grouped convolutions are slower.
        self.stacks = nn.ModuleList(_stack(settings) for _ in range(settings.members))
        length = beat_length
        for _ in settings.channels:
            length = (length + 1) // 2
        if length < settings.time_bins:
            raise ValueError(
                f"a beat of {beat_length} samples leaves {length} positions after {len(settings.channels)} "
                f"convolutions; expected at least model.time_bins = {settings.time_bins}"
            )
        bins = torch.zeros(length, settings.time_bins)
        bins[torch.arange(length), torch.arange(length) * settings.time_bins // length] = 1.0
        self.register_buffer("bins", bins / bins.sum(0), persistent=False)
        edges = [round(k * beat_length / settings.time_bins) for k in range(settings.time_bins + 1)]
        self.stretches = [(0, beat_length), *zip(edges[:-1], edges[1:], strict=True)] if self.typical_beat else []
        self.size = settings.channels[-1] * settings.time_bins + 3 * len(self.stretches)

    def inputs(self, waves: Tensor, typical: Tensor) -> Tensor:
        """Return what the first layer sees of waves and typical beats (m, T): (m, channels, T).

        The wave, its difference to the typical beat, and the slope of each.
        """
        shown = [waves, waves - typical] if self.typical_beat else [waves]
        if self.derivative:
            # 5 samples of 5 ms hold most of a QRS slope; the gain brings the difference to the wave's own size.
            shown += [5.0 * nn.functional.pad(wave[:, 1:] - wave[:, :-1], (1, 0)) for wave in shown]
        return torch.stack(shown, dim=1)

    def feature_map(self, waves: Tensor, typical: Tensor) -> Tensor:
        """Return the last feature maps, (m, members * channels, positions): what class-activation maps use."""
        shown = channels_last(self.inputs(waves, typical))
        return torch.cat([stack(shown) for stack in self.stacks], dim=1)

    def pool(self, feature_map: Tensor, waves: Tensor, typical: Tensor) -> Tensor:
        """Average feature maps (m, members * channels, positions) over stretches; return (m, members * size).

        With the typical beat they end in how the wave compares with it over the whole beat and each stretch:
        correlation, size of the difference, ratio of the peak-to-peak amplitudes, the last two in logarithms.
        """
        averaged, compared = (feature_map @ cast(Tensor, self.bins)).flatten(1), []
        for low, high in self.stretches:
            wave, usual = waves[:, low:high], typical[:, low:high]
            wave, usual = wave - wave.mean(1, keepdim=True), usual - usual.mean(1, keepdim=True)
            power, usual_power = wave.square().mean(1) + FLOOR**2, usual.square().mean(1) + FLOOR**2
            difference = (wave - usual).square().mean(1) + FLOOR**2
            height, usual_height = (shown.amax(1) - shown.amin(1) + FLOOR for shown in (wave, usual))
            compared.append(
                torch.stack(
                    [
                        (wave * usual).mean(1) / torch.sqrt(power * usual_power),
                        0.5 * torch.log(difference / usual_power),
                        torch.log(height / usual_height),
                    ],
                    dim=1,
                )
            )
        return beside(averaged, torch.cat(compared, dim=1), len(self.stacks)) if compared else averaged

    def forward(self, waves: Tensor, typical: Tensor) -> Tensor:
        """Encode waves (m, T), scaled, beside typical beats (m, T) of their records, to (m, members * size)."""
        return self.pool(self.feature_map(waves, typical), waves, typical)


def _stack(settings: ModelSettings) -> nn.Sequential:
    layers: list[nn.Module] = []
    width = (1 + settings.derivative) * (1 + settings.typical_beat)
    for channels, kernel in zip(settings.channels, settings.kernels, strict=True):
        layers += [
            ChannelsLastConv1d(width, channels, kernel, stride=2, padding=kernel // 2, bias=False),
            ChannelsLastBatchNorm1d(channels),
            nn.ReLU(),
        ]
        width = channels
    return nn.Sequential(*layers)


class LeadMixer(nn.Module):
    """Mean over the leads that are present; it knows which lead it mixes by an embedding of the lead's name.

    Weights learnt from the beats themselves (attention) classify no better and come to rest on few of twelve leads.

    Parameters
    ----------
    settings
        Sizes.
    features
        Size of a lead's features, of one member.
    """

    def __init__(self, settings: ModelSettings, features: int) -> None:
        super().__init__()
        groups = settings.members
        self.leads = nn.Embedding(len(STANDARD_LEADS) + 1, groups * settings.lead_embedding)
        nn.init.zeros_(self.leads.weight)  # a lead that no training patient has says nothing, instead of anything
        self.project = GroupedLinear(groups, features, settings.embedding)
        self.project_lead = GroupedLinear(groups, settings.lead_embedding, settings.embedding, bias=False)

    def terms(self, features: Tensor, lead_ids: Tensor) -> Tensor:
        """Return what features (..., F) of leads lead_ids (...) bring to a mix: (..., D)."""
        return torch.relu(self.project(features) + self.project_lead(self.leads(lead_ids)))

    def combine(self, terms: Tensor, present: Tensor) -> Tensor:
        """Mix terms (n, L, D) over the leads present (n, L) to embeddings (n, D); 0 for a beat without any lead."""
        weight = present / present.sum(dim=1, keepdim=True).clamp(min=1)
        return (weight[..., None] * terms).sum(1)
