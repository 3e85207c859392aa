"""The hybrid network: morphology, rhythm and similarity to prototypes, fused to class logits and a noise gate."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from beatlens.models.encoder import LeadEncoder, LeadMixer
from beatlens.models.grouped import GroupedLinear
from beatlens.models.network import BeatNetwork
from beatlens.models.rhythm import RhythmBranch
from beatlens.models.settings import NetworkConfig


class HybridNet(BeatNetwork):
    """Three branches; the model ``context`` is the same without the prototype branch.

    With more than one member it is that many such networks side by side, from different initial weights, each of which
    learns by its own loss (only the limit on the size of a step is one for all); their logits are averaged (deep
    ensemble; Lakshminarayanan et al. 2017). The sizes D and H below are those of all members together.

    Parameters
    ----------
    config
        Sizes.
    """

    parts = ("head", "rhythm", "mixer", "encoder")

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        settings = config.settings
        self.encoder = LeadEncoder(settings, config.beat_length)
        self.mixer = LeadMixer(settings, self.encoder.size)
        self.rhythm = RhythmBranch(
            self.members,
            embedding=settings.embedding,
            narrowed=settings.lstm_embedding,
            n_rr=config.n_rr,
            hidden=settings.lstm_hidden,
            context=config.context,
        )
        fused = 2 * settings.lstm_hidden + settings.embedding + config.n_rr
        fused += config.n_similarity if self.uses_prototypes else 0
        self.head = nn.Sequential(
            nn.Dropout(settings.dropout),
            GroupedLinear(self.members, fused, settings.head_hidden),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
            GroupedLinear(self.members, settings.head_hidden, config.n_classes),
        )
        self.gate = nn.Sequential(
            GroupedLinear(self.members, settings.embedding, 32), nn.ReLU(), GroupedLinear(self.members, 32, 1)
        )

    def lead_terms(self, features: Tensor, lead_ids: Tensor) -> Tensor:
        """Return what features (m, F) of leads lead_ids (m,) bring to a mix, for reuse in many mixes."""
        return self.mixer.terms(features, lead_ids)

    def mix_terms(self, terms: Tensor, present: Tensor) -> Tensor:
        """Mix `lead_terms` (n, L, D) over the leads present (n, L): equals `mix_leads`."""
        return self.mixer.combine(terms, present)

    def embeddings(self, beats: Tensor) -> Tensor:
        """Return beats as they are: embeddings (n, D)."""
        return beats

    def member_outputs(
        self, beats: Tensor, rr: Tensor, similarity: Tensor, windows: Tensor, lengths: Tensor, positions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return each member's class logits (n, members, K) and noise-gate logits (n, members) of target beats."""
        inputs = self.beat_inputs(beats, rr)
        target = windows.gather(1, positions[:, None]).squeeze(1)
        sides = self.rhythm(inputs, windows, lengths, positions)
        of_target = inputs.index_select(0, target)
        return self.member_logits(sides, of_target, similarity), self.gate(beats.index_select(0, target))

    def beat_inputs(self, embeddings: Tensor, rr: Tensor) -> Tensor:
        """Return what the rhythm branch sees of beats: embeddings (n, D) with the scaled RR features (n, R)."""
        return torch.cat([embeddings, self.scaled_rr(rr)], dim=1)

    def class_logits(self, sides: Tensor, targets: Tensor, similarity: Tensor) -> Tensor:
        """Return logits (n, K) from the rhythm branch (n, 2 H), `beat_inputs` of the targets and their similarity."""
        return self.member_logits(sides, targets, similarity).mean(1)

    def gate_logits(self, embeddings: Tensor) -> Tensor:
        """Return noise-gate logits (n,) of beats (n, D)."""
        return cast(Tensor, self.gate(embeddings)).mean(1)

    def member_logits(self, sides: Tensor, targets: Tensor, similarity: Tensor) -> Tensor:
        """Return what `class_logits` averages, (n, members, K)."""
        n, size, settings = len(targets), self.config.embedding_size, self.config.settings
        before, after = sides.chunk(2, dim=1)
        inputs = [
            (before, settings.lstm_hidden),
            (after, settings.lstm_hidden),
            (targets[:, :size], settings.embedding),
        ]
        shared = [targets[:, size:], *([similarity] if self.uses_prototypes else [])]
        parts = [part.view(n, self.members, width) for part, width in inputs]
        parts += [part[:, None].expand(-1, self.members, -1) for part in shared]
        logits = self.head(torch.cat(parts, dim=2).flatten(1))
        return cast(Tensor, logits.view(n, self.members, self.config.n_classes))
