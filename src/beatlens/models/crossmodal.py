"""The cross-modal network: waveform tokens and spectrogram tokens of a beat and its neighbours attend to each other."""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from beatlens.models.grouped import GroupedLinear
from beatlens.models.network import BeatNetwork
from beatlens.models.settings import NetworkConfig
from beatlens.models.token_encoder import TokenEncoder, Tokens
from beatlens.models.tokens import BANDS, TokenMaps, token_maps
from beatlens.shards.shard import BeatGeometry


class TemporalEncoder(nn.Module):
    """A token learns of its neighbours in time, in its beat, lead and band: a residual convolution over three tokens.

    Parameters
    ----------
    size
        Numbers of a token.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mix, self.norm = nn.Linear(3 * size, size), nn.LayerNorm(size)

    def forward(self, tokens: Tensor) -> Tensor:
        """Encode tokens (..., slots, E)."""
        wide = nn.functional.pad(tokens, (0, 0, 1, 1))
        around = torch.cat([wide[..., :-2, :], tokens, wide[..., 2:, :]], dim=-1)
        return cast(Tensor, self.norm(tokens + torch.relu(self.mix(around))))


PASS_LEADS = 1024
"""Windows in one pass, times the square of their leads: bounds the memory of attention."""


class Windows(NamedTuple):
    """Windows of beats around targets, all with as many leads.

    Attributes
    ----------
    cells
        (n, leads, context) rows of the leads of beats that are encoded, the target in the middle.
    valid
        (n, leads, context) whether there is such a beat.
    """

    cells: Tensor
    valid: Tensor

    def tokens(self, encoded: Tensor, place: Tensor) -> Tensor:
        """Return the tokens (n, leads, context, tokens, E) of a stream, given those of each cell (m, tokens, E).

        `place` (context, E) says where in the window a beat is.
        """
        found = encoded.index_select(0, self.cells.flatten())
        return found.view(*self.cells.shape, *found.shape[1:]) + place[:, None]


class Fusion(nn.Module):
    """One member's temporal encoders and attention in both directions.

    ``waveform_attends`` is the attention of the target's waveform tokens to all spectrogram tokens of the window,
    ``spectrogram_attends`` that of the target's spectrogram tokens to all waveform tokens. Both are called with the
    weights of each head, so that a hook sees those that were used. A token that isn't valid is no key.
    `beatlens.models.tokens` says where each query and key lies.

    Parameters
    ----------
    size, heads
        Numbers of a token and heads in each direction.
    """

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.waveform_in_time, self.spectrogram_in_time = TemporalEncoder(size), TemporalEncoder(size)
        self.waveform_attends = nn.MultiheadAttention(size, heads, batch_first=True)
        self.spectrogram_attends = nn.MultiheadAttention(size, heads, batch_first=True)
        self.waveform_norm, self.spectrogram_norm = nn.LayerNorm(size), nn.LayerNorm(size)

    def encode(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return tokens (m, 1 + bands, slots, E) of both streams in time: (m, slots, E) and (m, bands * slots, E)."""
        return self.waveform_in_time(tokens[:, 0]), self.spectrogram_in_time(tokens[:, 1:]).flatten(1, 2)

    def forward(self, waveform: Tensor, spectrogram: Tensor, valid: Tensor) -> Tensor:
        """Return the pooled tokens of targets, (n, slots * (1 + bands) * E): means over their leads.

        Parameters
        ----------
        waveform, spectrogram
            (n, leads, context, tokens, E) of `Windows.tokens`, the target in the middle.
        valid
            (n, leads, context).
        """
        of_wave = _attend(self.waveform_attends, self.waveform_norm, waveform, spectrogram, valid)
        of_bands = _attend(self.spectrogram_attends, self.spectrogram_norm, spectrogram, waveform, valid)
        return torch.cat([part.mean(1).flatten(1) for part in (of_wave, of_bands)], dim=1)


def _attend(attention: nn.MultiheadAttention, norm: nn.Module, asking: Tensor, asked: Tensor, valid: Tensor) -> Tensor:
    of_target = asking[:, :, asking.shape[2] // 2]
    queries, keys = of_target.flatten(1, 2), asked.flatten(1, 3)
    masked = ~valid[..., None].expand(asked.shape[:4]).flatten(1)
    found, _ = attention(queries, keys, keys, key_padding_mask=masked, average_attn_weights=False)
    return cast(Tensor, norm(queries + found)).view(of_target.shape)


class CrossModalNet(BeatNetwork):
    """Two streams of tokens, attention in both directions, masked pooling, class head and noise gate.

    Each lead of each beat gives `slots` waveform tokens and as many spectrogram tokens a band. What a beat's RR
    features say is added to its tokens, which are then encoded in time; in a window they also get its place there. The
    class is read at the target: the mean of its tokens over its leads, place by place, with its RR features and its
    similarity to prototypes. The noise gate reads the target's own tokens before any attention.

    Members are networks side by side, as in `beatlens.models.hybrid.HybridNet`. A beat (n, B) is its leads' tokens with
    a 1 after each lead that is present. Absent leads cost nothing: windows are run in groups of
    as many leads, those of fewest first.

    Parameters
    ----------
    config
        Sizes.
    """

    parts = ("head", "fusion", "tokens", "encoder")

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        settings = config.settings
        self.encoder = TokenEncoder(settings, config.beat_length)
        self.tokens = Tokens(settings, self.encoder)
        self.slots, self.size, self.side = settings.time_bins, settings.embedding, config.context // 2
        all_members = self.members * self.size
        self.rhythm = nn.Linear(config.n_rr, all_members)
        self.place = nn.Embedding(config.context, all_members)
        nn.init.normal_(self.place.weight, std=0.3)
        self.fusion = nn.ModuleList(Fusion(self.size, settings.heads) for _ in range(self.members))
        fused = self.tokens.count * self.size + config.n_rr + (config.n_similarity if self.uses_prototypes else 0)
        self.head = nn.Sequential(
            nn.Dropout(settings.dropout),
            GroupedLinear(self.members, fused, settings.head_hidden),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
            GroupedLinear(self.members, settings.head_hidden, config.n_classes),
        )
        self.gate = nn.Sequential(
            GroupedLinear(self.members, self.size, 32), nn.ReLU(), GroupedLinear(self.members, 32, 1)
        )

    def token_maps(
        self, geometry: BeatGeometry, r_s: npt.NDArray[np.float64], present: npt.NDArray[np.bool_]
    ) -> TokenMaps:
        """Return where the tokens of a target beat lie; see `beatlens.models.tokens.token_maps`."""
        return token_maps(self.config, geometry, r_s, present)

    def lead_terms(self, features: Tensor, lead_ids: Tensor) -> Tensor:
        """Return the tokens of features (..., F) of leads lead_ids (...): (..., count * members * E)."""
        return cast(Tensor, self.tokens(features, lead_ids)).flatten(-2)

    def mix_terms(self, terms: Tensor, present: Tensor) -> Tensor:
        """Lay the terms of leads side by side, each with a 1, and zeros for those absent: (n, L * (D + 1))."""
        terms = terms.masked_fill(~present[..., None], 0.0)
        return torch.cat([terms, present[..., None].to(terms.dtype)], dim=2).flatten(1)

    def embeddings(self, beats: Tensor) -> Tensor:
        """Return the mean token of beats: (n, members * E)."""
        leads = self._leads(beats)
        count = leads[..., -1].sum(1).clamp(min=1)[:, None]
        return torch.unflatten(leads[..., :-1].sum(1), 1, (self.tokens.count, -1)).mean(1) / count

    def member_outputs(
        self, beats: Tensor, rr: Tensor, similarity: Tensor, windows: Tensor, lengths: Tensor, positions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return each member's class logits (n, members, K) and noise-gate logits (n, members) of target beats."""
        scaled, target = self.scaled_rr(rr), windows.gather(1, positions[:, None]).squeeze(1)
        pooled = self._pooled(self._leads(beats), scaled, windows, lengths, positions)
        logits = self.member_logits(pooled, scaled[target], similarity)
        return logits, self.gate(self.embeddings(beats.index_select(0, target)))

    def member_logits(self, pooled: Tensor, rr: Tensor, similarity: Tensor) -> Tensor:
        """Return each member's class logits (n, members, K) from the pooled tokens of targets (n, members, count * E).

        `rr` (n, R) are their scaled RR features, `similarity` (n, S) their prototype features.
        """
        shared = [rr, *([similarity] if self.uses_prototypes else [])]
        parts = [pooled, *(part[:, None].expand(-1, self.members, -1) for part in shared)]
        logits = self.head(torch.cat(parts, dim=2).flatten(1))
        return cast(Tensor, logits.view(-1, self.members, self.config.n_classes))

    def encoded(self, terms: Tensor, rhythm: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return each member's tokens of both streams, encoded in time: (m, slots, E) and (m, bands * slots, E).

        `terms` (m, D) are `lead_terms` of leads of beats, `rhythm` (m, members * E) what their beats' RR features say.
        """
        tokens = terms.view(-1, 1 + len(BANDS), self.slots, self.members, self.size)
        tokens = tokens + rhythm.view(-1, 1, 1, self.members, self.size)
        return [cast(Fusion, fusion).encode(tokens[..., k, :]) for k, fusion in enumerate(self.fusion)]

    def _leads(self, beats: Tensor) -> Tensor:
        """Return beats as (n, L, D + 1): each lead's tokens, and whether it is present."""
        return torch.unflatten(beats, 1, (-1, self.tokens.count * self.members * self.size + 1))

    def _pooled(self, leads: Tensor, rr: Tensor, windows: Tensor, lengths: Tensor, positions: Tensor) -> Tensor:
        """Return the pooled tokens of targets (n, members, count * E); 0 for a target without any lead.

        `leads` (n_beats, L, D + 1) and scaled `rr` (n_beats, R) are of all beats.
        """
        present = leads[..., -1] > 0
        beat, lead = present.nonzero(as_tuple=True)
        cell_of = present.flatten().cumsum(0).view(present.shape) - 1
        streams = self.encoded(leads[beat, lead, :-1], self.rhythm(rr)[beat])
        fusions = [cast(Fusion, fusion) for fusion in self.fusion]
        places = self.place.weight.view(-1, self.members, self.size)

        slot = positions[:, None] - self.side + torch.arange(2 * self.side + 1, device=windows.device)
        inside = (slot >= 0) & (slot < lengths[:, None])
        target = windows.gather(1, positions[:, None])
        around = torch.where(inside, windows.gather(1, slot.clamp(0, windows.shape[1] - 1)), target)
        of_target = present[target[:, 0]]
        n_leads = of_target.sum(1)
        pooled = rr.new_zeros(len(windows), self.members, self.tokens.count * self.size)
        for count in sorted(set(n_leads.tolist()) - {0}):
            for rows in (n_leads == count).nonzero().squeeze(1).split(max(1, PASS_LEADS // count**2)):
                shown = of_target[rows].nonzero()[:, 1].view(-1, count, 1)
                beats = around[rows][:, None]
                valid = inside[rows][:, None] & present[beats, shown]
                group = Windows(cell_of[beats, shown].clamp(min=0), valid)
                found = [
                    fusion(*(group.tokens(stream, places[:, k]) for stream in streams[k]), valid)
                    for k, fusion in enumerate(fusions)
                ]
                pooled = pooled.index_copy(0, rows, torch.stack(found, dim=1).to(pooled.dtype))
        return pooled
