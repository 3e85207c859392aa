"""The network of diagnoses: what a record carries as a whole, from its beats, the stretches between them, its rhythm.

All that depends on the signal is local to one lead of one beat. So a change of the signal needs each distinct lead of a
beat once, and the rest is mixing and pooling.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from beatlens.core.leads import STANDARD_LEADS
from beatlens.models.grouped import GroupedLinear

FLOOR_MV = 0.02
BOUND = 5.0
"""Features are bounded to so many of their standard deviations."""


@dataclass(frozen=True)
class DiagnosisConfig:
    """Sizes of a network of diagnoses.

    Attributes
    ----------
    n_classes, beat_length, n_intervals, n_rhythm
        Diagnoses, samples of a beat, numbers of a stretch between beats, statistics of the rhythm.
    positions
        Stretches of a beat over which its wave is averaged.
    members
        Networks side by side, whose logits are averaged.
    width
        Numbers of a beat, of one member.
    dropout
        Share of units dropped in training.
    """

    n_classes: int
    beat_length: int
    n_intervals: int
    n_rhythm: int
    positions: int
    members: int
    width: int
    dropout: float

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object of which ``DiagnosisConfig(**value)`` is made."""
        return asdict(self)


class DiagnosisNetwork(nn.Module):
    """Lead encoder, lead mixer, attention over beats, and a head that also sees the rhythm.

    Members lie side by side in every last dimension. Sizes F (features of a lead of a beat) and D (numbers of a beat)
    are those of all members together.

    Parameters
    ----------
    config
        Sizes.
    """

    def __init__(self, config: DiagnosisConfig) -> None:
        super().__init__()
        self.config, self.members = config, config.members
        edges = [round(k * config.beat_length / config.positions) for k in range(config.positions + 1)]
        bins = torch.zeros(config.beat_length, config.positions)
        for k, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
            bins[low:high, k] = 1.0 / (high - low)
        self.register_buffer("bins", bins, persistent=False)
        thirds = [round(k * config.beat_length / 3) for k in range(4)]
        self.stretches = list(zip(thirds[:-1], thirds[1:], strict=True))
        self.size = config.positions + 3 * len(self.stretches) + config.n_intervals
        n_leads = len(STANDARD_LEADS) + 1
        self.register_buffer("mean", torch.zeros(n_leads, self.size))
        self.register_buffer("std", torch.ones(n_leads, self.size))
        self.register_buffer("rhythm_mean", torch.zeros(config.n_rhythm))
        self.register_buffer("rhythm_std", torch.ones(config.n_rhythm))
        self.project = nn.Parameter(torch.zeros(n_leads, self.size, config.members * config.width))
        nn.init.normal_(self.project, std=(12 * self.size) ** -0.5)
        self.ask = GroupedLinear(config.members, config.width, 1)
        self.head = GroupedLinear(config.members, config.width + config.n_rhythm, config.n_classes)
        self.drop = nn.Dropout(config.dropout)

    def encode_leads(self, waves: Tensor, typical: Tensor, intervals: Tensor) -> Tensor:
        """Encode leads of beats to features (m, F).

        Parameters
        ----------
        waves, typical
            (m, T) mV: one lead of one beat each, and the typical beat of its record in that lead.
        intervals
            (m, B) content of the stretch to the next beat (`beatlens.inputs.diagnoses.intervals`).
        """
        parts = [waves @ cast(Tensor, self.bins)]
        for low, high in self.stretches:
            wave, usual = waves[:, low:high], typical[:, low:high]
            wave, usual = wave - wave.mean(1, keepdim=True), usual - usual.mean(1, keepdim=True)
            power, usual_power = wave.square().mean(1) + FLOOR_MV**2, usual.square().mean(1) + FLOOR_MV**2
            difference = (wave - usual).square().mean(1) + FLOOR_MV**2
            parts.append(
                torch.stack(
                    [
                        (wave * usual).mean(1) / torch.sqrt(power * usual_power),
                        0.5 * torch.log(difference / usual_power),
                        0.5 * torch.log(power / usual_power),
                    ],
                    dim=1,
                )
            )
        return torch.cat([*parts, intervals], dim=1)

    def mix_leads(self, features: Tensor, present: Tensor, lead_ids: Tensor) -> Tensor:
        """Mix features (n, L, F) of the leads present (n, L) bool, with lead_ids (L,) long, to beats (n, D).

        What is in absent leads has no influence, whatever it is. An absent lead counts as one like the training
        records' mean.
        """
        features = features.masked_fill(~present[..., None], 0.0)
        return self.combine(self.lead_terms(features, lead_ids), present)

    def lead_terms(self, features: Tensor, lead_ids: Tensor) -> Tensor:
        """Return what features (..., F) of leads lead_ids (...) bring to a mix: (..., D)."""
        mean, std = cast(Tensor, self.mean)[lead_ids], cast(Tensor, self.std)[lead_ids]
        scaled = ((features - mean) / std).clamp(-BOUND, BOUND)
        return (self.drop(scaled)[..., None, :] @ self.project[lead_ids]).squeeze(-2)

    def combine(self, terms: Tensor, present: Tensor) -> Tensor:
        """Mix `lead_terms` (n, L, D) over the leads present (n, L): equals `mix_leads`."""
        return terms.masked_fill(~present[..., None], 0.0).sum(1)

    def attention(self, beats: Tensor, record: Tensor, n_records: int) -> Tensor:
        """Return the weights (n, members) of beats (n, D) in their records (n,) long; those of a record add up to 1."""
        asked = torch.tanh(self.ask(beats)) * 2.0
        power = torch.exp(asked)
        total = power.new_zeros(n_records, self.members).index_add(0, record, power)
        return power / total[record]

    def pool(self, beats: Tensor, record: Tensor, n_records: int) -> Tensor:
        """Pool beats (n, D) over their records (n,) long, each below n_records, to (n_records, D).

        0 for a record without beats.
        """
        weight = self.attention(beats, record, n_records)
        weighted = (beats.view(len(beats), self.members, -1) * weight[..., None]).flatten(1)
        return weighted.new_zeros(n_records, beats.shape[1]).index_add(0, record, weighted)

    def classify(self, pooled: Tensor, rhythm: Tensor) -> Tensor:
        """Return logits (r, K), the mean over members, of pooled beats (r, D) and rhythm statistics (r, R)."""
        return self.member_logits(pooled, rhythm).mean(1)

    def member_logits(self, pooled: Tensor, rhythm: Tensor) -> Tensor:
        """Return what `classify` averages, (r, members, K)."""
        scaled = ((rhythm - cast(Tensor, self.rhythm_mean)) / cast(Tensor, self.rhythm_std)).clamp(-BOUND, BOUND)
        parts = [pooled.view(len(pooled), self.members, -1), scaled[:, None].expand(-1, self.members, -1)]
        logits = self.head(self.drop(torch.cat(parts, dim=2)).flatten(1))
        return cast(Tensor, logits.view(len(pooled), self.members, self.config.n_classes))
