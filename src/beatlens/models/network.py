"""What training, prediction and explanations ask of any network over beats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from beatlens.models.encoder import LeadEncoder
from beatlens.models.settings import NetworkConfig


class BeatNetwork(nn.Module, ABC):
    """A network that says the class of a beat, and whether noise hides it, from the beats around it.

    A forward pass has three steps, so that each (beat, lead) is encoded once however many windows it appears in:
    `encode_leads`, `mix_leads`, `classify`. RR features come in as they are; their scaler (mean and standard deviation
    over training beats) is part of the weights. Sizes F and D below are those of all members together.

    Attributes
    ----------
    parts
        Names of its parts from the output down, in which order tests of sanity randomise them.
    encoder
        Encodes one lead of one beat; its last feature map is what class-activation maps use.

    Parameters
    ----------
    config
        Sizes.
    """

    parts: ClassVar[tuple[str, ...]]
    encoder: LeadEncoder
    rr_mean: Tensor
    rr_std: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config, self.members = config, config.settings.members
        self.uses_prototypes = config.uses_prototypes
        self.register_buffer("rr_mean", torch.zeros(config.n_rr))
        self.register_buffer("rr_std", torch.ones(config.n_rr))

    def set_scaler(self, mean: Tensor, std: Tensor) -> None:
        """Set the scaler of the RR features: (R,) mean and standard deviation over training beats."""
        self.rr_mean.copy_(mean)
        self.rr_std.copy_(torch.where(std > 1e-6, std, torch.ones_like(std)))

    def scaled_rr(self, rr: Tensor) -> Tensor:
        """Return RR features (n, R) in units of their scaler, bounded."""
        return ((rr - self.rr_mean) / self.rr_std).clamp(-8.0, 8.0)

    def encode_leads(self, waves: Tensor, typical: Tensor) -> Tensor:
        """Encode waves (m, T), each one lead of one beat in units of the lead's scale, to features (m, F).

        `typical` (m, T) is the typical beat of each wave's record in that lead, in the same units; not read where
        ``model.typical_beat`` is false.
        """
        return cast(Tensor, self.encoder(waves, typical))

    def mix_leads(self, features: Tensor, present: Tensor, lead_ids: Tensor) -> Tensor:
        """Join features (n, L, F) of the leads present (n, L) bool, with lead_ids (L,) long, to beats (n, B).

        What is in absent leads has no influence, whatever it is.
        """
        features = features.masked_fill(~present[..., None], 0.0)
        return self.mix_terms(self.lead_terms(features, lead_ids), present)

    def classify(
        self, beats: Tensor, rr: Tensor, similarity: Tensor, windows: Tensor, lengths: Tensor, positions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return class logits (n, K) and noise-gate logits (n,) of target beats, the means of `member_outputs`."""
        logits, gates = self.member_outputs(beats, rr, similarity, windows, lengths, positions)
        return logits.mean(1), gates.mean(1)

    @abstractmethod
    def lead_terms(self, features: Tensor, lead_ids: Tensor) -> Tensor:
        """Return what features (..., F) of leads lead_ids (...) bring to a beat, for reuse in many beats."""

    @abstractmethod
    def mix_terms(self, terms: Tensor, present: Tensor) -> Tensor:
        """Join `lead_terms` (n, L, ...) of the leads present (n, L): equals `mix_leads`."""

    @abstractmethod
    def embeddings(self, beats: Tensor) -> Tensor:
        """Return beats (n, B) of `mix_leads` as points (n, D) of one space, where like beats lie together."""

    @abstractmethod
    def member_outputs(
        self, beats: Tensor, rr: Tensor, similarity: Tensor, windows: Tensor, lengths: Tensor, positions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return each member's class logits (n, members, K) and noise-gate logits (n, members) of target beats.

        Parameters
        ----------
        beats
            (n_beats, B) of `mix_leads`, of targets and their neighbours.
        rr
            (n_beats, R) RR features, not scaled.
        similarity
            (n, S) prototype features of the targets; not read without prototype branch.
        windows, lengths, positions
            See `beatlens.models.rhythm.RhythmBranch.forward`; at most ``context // 2`` beats on either side count.
        """
