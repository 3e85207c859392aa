"""From the wave of one lead of one beat to the tokens of both streams."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from beatlens.core.leads import STANDARD_LEADS
from beatlens.models.encoder import LeadEncoder
from beatlens.models.grouped import GroupedLinear
from beatlens.models.settings import ModelSettings
from beatlens.models.spectrogram import Spectrogram


class TokenEncoder(LeadEncoder):
    """The convolutions of `LeadEncoder` and, beside them, the patches of a spectrogram.

    Features of a lead of a beat are those of `LeadEncoder`, then the patches, which the members share.
    """

    def __init__(self, settings: ModelSettings, beat_length: int) -> None:
        super().__init__(settings, beat_length)
        self.spectrogram = Spectrogram(beat_length, settings.time_bins)

    def pool(self, feature_map: Tensor, waves: Tensor, typical: Tensor) -> Tensor:
        """Return what `LeadEncoder.pool` does, then the patches of the waves: (m, members * size + patches)."""
        patches = self.spectrogram.patches(waves, typical if self.typical_beat else None)
        return torch.cat([super().pool(feature_map, waves, typical), patches], dim=1)


class Tokens(nn.Module):
    """From the features of leads of beats to tokens: a linear map, an embedding of its place and of its lead, ReLU.

    A waveform token has the mean feature map of its slot, and how the wave compares there with the typical beat. The
    comparison over the whole beat is left out, so that a token says nothing of what lies elsewhere.

    Parameters
    ----------
    settings
        Sizes.
    encoder
        Whose features are taken.
    """

    def __init__(self, settings: ModelSettings, encoder: TokenEncoder) -> None:
        super().__init__()
        self.members, self.slots, self.channels = settings.members, settings.time_bins, settings.channels[-1]
        self.encoded, self.widths = (
            encoder.size,
            [width * (1 + settings.typical_beat) for width in encoder.spectrogram.widths],
        )
        self.compared = 3 if settings.typical_beat else 0
        self.count = self.slots * (1 + len(self.widths))
        size = self.members * settings.embedding
        self.waveform = GroupedLinear(self.members, self.channels + self.compared, settings.embedding)
        self.spectrogram = nn.ModuleList(nn.Linear(width, size) for width in self.widths)
        self.place = nn.Embedding(self.count, size)
        self.leads = nn.Embedding(len(STANDARD_LEADS) + 1, size)
        nn.init.normal_(self.place.weight, std=0.3)
        nn.init.zeros_(self.leads.weight)  # a lead that no training patient has says nothing, instead of anything

    def forward(self, features: Tensor, lead_ids: Tensor) -> Tensor:
        """Return the tokens (..., count, members * E) of features (..., F) of leads lead_ids (...).

        Those of the waveform come first, then those of each band.
        """
        maps, patches = features[..., : self.members * self.encoded], features[..., self.members * self.encoded :]
        maps = torch.unflatten(maps, -1, (self.members, self.encoded))
        parts = [torch.unflatten(maps[..., : self.channels * self.slots], -1, (self.channels, self.slots))]
        if self.compared:
            stretches = torch.unflatten(maps[..., self.channels * self.slots :], -1, (1 + self.slots, 3))
            parts.append(stretches[..., 1:, :].transpose(-1, -2))
        by_slot = torch.cat(parts, dim=-2).movedim(-1, -3).flatten(-2)  # (..., slots, members * (channels + compared))
        bands = torch.split(torch.unflatten(patches, -1, (self.slots, sum(self.widths))), self.widths, dim=-1)
        tokens = [self.waveform(by_slot), *(layer(band) for layer, band in zip(self.spectrogram, bands, strict=True))]
        return torch.relu(torch.cat(tokens, dim=-2) + self.place.weight + self.leads(lead_ids)[..., None, :])
