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
from beatlens.models.tokens import TokenMaps, token_maps
from beatlens.shards.shard import BeatGeometry


class TemporalEncoder(nn.Module):
    """A token learns of its neighbours in time, in its lead and band: a residual convolution over three tokens.

    Parameters
    ----------
    size
        Numbers of a token.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mix, self.norm = nn.Linear(3 * size, size), nn.LayerNorm(size)

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """Encode tokens (n, rows, times, E) where valid (n, rows, times); what isn't valid counts as 0."""
        tokens = tokens * valid[..., None]
        wide = nn.functional.pad(tokens, (0, 0, 1, 1))
        around = torch.cat([wide[..., :-2, :], tokens, wide[..., 2:, :]], dim=-1)
        return cast(Tensor, self.norm(tokens + torch.relu(self.mix(around))))


class Fusion(nn.Module):
    """One member's temporal encoders and attention in both directions.

    ``waveform_attends`` is the attention of the target's waveform tokens to all spectrogram tokens of the window,
    ``spectrogram_attends`` that of the target's spectrogram tokens to all waveform tokens. A token that isn't valid is
    no key. `beatlens.models.tokens` says where each query and key lies.

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

    def forward(self, waveform: Stream, spectrogram: Stream, target: slice) -> tuple[Tensor, Tensor]:
        """Return the target's tokens after attention, (n, rows, slots, E) of each stream.

        Parameters
        ----------
        waveform, spectrogram
            Tokens of the windows.
        target
            Which of the times are the target's.
        """
        shown = waveform.encoded(self.waveform_in_time), spectrogram.encoded(self.spectrogram_in_time)
        return (
            _attend(self.waveform_attends, self.waveform_norm, shown[0], shown[1], target),
            _attend(self.spectrogram_attends, self.spectrogram_norm, shown[1], shown[0], target),
        )


class Stream(NamedTuple):
    """Tokens of windows, (n, rows, times, E), a row a lead and band; and which are valid, (n, rows, times)."""

    tokens: Tensor
    valid: Tensor

    def encoded(self, encoder: TemporalEncoder) -> Stream:
        """Return the tokens after a temporal encoder."""
        return Stream(encoder(self.tokens, self.valid), self.valid)


def _attend(attention: nn.MultiheadAttention, norm: nn.Module, asking: Stream, asked: Stream, target: slice) -> Tensor:
    own = asking.tokens[:, :, target]
    queries, keys = own.flatten(1, 2), asked.tokens.flatten(1, 2)
    found, _ = attention(queries, keys, keys, key_padding_mask=~asked.valid.flatten(1), need_weights=False)
    return cast(Tensor, norm(queries + found)).view(own.shape)


class CrossModalNet(BeatNetwork):
    """Two streams of tokens, attention in both directions, masked pooling, class head and noise gate.

    Each lead of each beat gives `slots` waveform tokens and as many spectrogram tokens a band. What a beat's RR
    features say is added to its tokens, and so is its place in the window. The class is read at the target: the mean of
    its tokens over its leads, place by place, with its RR features and its similarity to prototypes. The noise gate
    reads the target's own tokens before any attention.

    Members are networks side by side, as in `beatlens.models.hybrid.HybridNet`. A beat (n, B) is its leads' tokens with
    a 1 after each lead that is present, so absent leads cost nothing: windows are run in groups of as many leads.

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
        n, leads, scaled = len(windows), self._leads(beats), self.scaled_rr(rr)
        target = windows.gather(1, positions[:, None]).squeeze(1)
        n_leads = (leads[..., -1] > 0).sum(1)[target]
        pooled = leads.new_zeros(n, self.members, self.tokens.count * self.size)
        for count in sorted(set(n_leads.tolist())):
            if count:  # a beat without any lead has no token, and its pooled tokens are 0
                rows = (n_leads == count).nonzero().squeeze(1)
                around = self._around(windows[rows], lengths[rows], positions[rows])
                found = self._pooled(leads, scaled, around, target[rows], count)
                pooled = pooled.index_copy(0, rows, found.to(pooled.dtype))
        shared = [scaled[target], *([similarity] if self.uses_prototypes else [])]
        parts = [pooled, *(part[:, None].expand(-1, self.members, -1) for part in shared)]
        logits = self.head(torch.cat(parts, dim=2).flatten(1)).view(n, self.members, self.config.n_classes)
        return logits, self.gate(self.embeddings(beats.index_select(0, target)))

    def _leads(self, beats: Tensor) -> Tensor:
        """Return beats as (n, L, D + 1): each lead's tokens, and whether it is present."""
        return torch.unflatten(beats, 1, (-1, self.tokens.count * self.members * self.size + 1))

    def _around(self, windows: Tensor, lengths: Tensor, positions: Tensor) -> Around:
        """Return the beats around targets, the target in the middle."""
        slot = positions[:, None] - self.side + torch.arange(2 * self.side + 1, device=windows.device)
        inside = (slot >= 0) & (slot < lengths[:, None])
        rows = windows.gather(1, slot.clamp(0, windows.shape[1] - 1))
        return Around(torch.where(inside, rows, windows.gather(1, positions[:, None])), inside)

    def _pooled(self, leads: Tensor, rr: Tensor, around: Around, target: Tensor, n_leads: int) -> Tensor:
        """Return the pooled tokens (n, members, count * E) of targets that have so many leads.

        Parameters
        ----------
        leads, rr
            (n_beats, L, D + 1) and (n_beats, R), scaled.
        around
            Windows of the targets.
        target
            (n,) rows of the targets.
        """
        places = leads[target, :, -1].argsort(dim=1, descending=True, stable=True)[:, :n_leads]  # those present
        row = around.beats[:, None] * leads.shape[1] + places[..., None]  # (n, leads, context)
        shown = leads.flatten(0, 1).index_select(0, row.flatten()).view(*row.shape, -1)
        valid = (shown[..., -1] > 0) & around.inside[:, None]
        tokens = torch.unflatten(shown[..., :-1], 3, (self.tokens.count, -1))
        tokens = tokens + (self.rhythm(rr)[around.beats] + self.place.weight)[:, None, :, None]
        tokens = tokens.view(*tokens.shape[:3], -1, self.slots, self.members, self.size)
        # (n, leads, context, streams and bands, slots, members, E) -> (members, n, leads, bands, times, E)
        tokens = tokens.permute(5, 0, 1, 3, 2, 4, 6).flatten(4, 5)
        valid = valid.repeat_interleave(self.slots, dim=2)
        n_bands = tokens.shape[3] - 1
        of_target = slice(self.side * self.slots, (self.side + 1) * self.slots)
        result = []
        for fusion, own in zip(self.fusion, tokens, strict=True):
            waveform = Stream(own[:, :, 0], valid)
            spectrogram = Stream(own[:, :, 1:].flatten(1, 2), valid.repeat_interleave(n_bands, dim=1))
            of_wave, of_bands = fusion(waveform, spectrogram, of_target)
            pools = [of_wave.mean(1).flatten(1), torch.unflatten(of_bands, 1, (n_leads, n_bands)).mean(1).flatten(1)]
            result.append(torch.cat(pools, dim=1))
        return torch.stack(result, dim=1)


class Around(NamedTuple):
    """The beats around targets, (n, context) rows with the target in the middle, and which of them there are."""

    beats: Tensor
    inside: Tensor
