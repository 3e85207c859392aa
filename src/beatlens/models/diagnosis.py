"""The network of diagnoses: what a record carries as a whole, from its beats, the stretches between them, its rhythm.

All that depends on the signal is local to one lead of one beat. So a change of the signal needs each distinct lead of a
beat once, and the rest is mixing and pooling.

Records with diagnoses are few. So measurements of a lead of a beat are given (`beatlens.models.diagnosis_features`),
and what is learnt is small: a linear map a lead, one hidden layer, what to attend to, a linear head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from beatlens.core.leads import STANDARD_LEADS
from beatlens.models.diagnosis_features import LeadMeasurements
from beatlens.models.settings import NetworkConfig
from beatlens.models.shared_encoder import BeatView, SharedEncoder

BOUND = 4.0
"""Features are bounded to so many of their standard deviations."""
SCALE = 0.2
"""Size of a scaled feature of a lead: there are hundreds, and each is to say little."""
SHARED_SCALE = 0.1
"""The same of what the encoder of a beat network says of a lead."""
SHARPNESS = 2.0
"""A beat counts at most exp(2 `SHARPNESS`) times as much as another of its record."""
POSITIONS = 26
"""Stretches of a beat over which its wave is averaged."""


@dataclass(frozen=True)
class DiagnosisConfig:
    """Sizes of a network of diagnoses.

    Attributes
    ----------
    n_classes, n_intervals, n_rhythm
        Diagnoses, numbers of a stretch between beats, statistics of the rhythm.
    before, after, fs
        Samples of a beat before its R peak and from it on, and their rate in Hz.
    members
        Networks side by side, whose logits are averaged.
    width
        Hidden units of a beat, of one member, a multiple of `heads`.
    heads
        Ways to attend to beats, of one member; each pools its share of the hidden units.
    dropout
        Share of the features dropped in training.
    encoder
        Sizes of the beat network whose encoder describes leads as well (`NetworkConfig` as JSON), or None.
    """

    n_classes: int
    n_intervals: int
    n_rhythm: int
    before: int
    after: int
    fs: float
    members: int
    width: int
    heads: int
    dropout: float
    encoder: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"diagnoses.width: {self.width}; expected a multiple of diagnoses.heads, {self.heads}")

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object of which ``DiagnosisConfig(**value)`` is made."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class DiagnosisNetwork(nn.Module):
    """Measurements of leads, lead mixer, attention over beats, and a head that also sees the rhythm.

    Members lie side by side in every last dimension. Sizes F (features of a lead of a beat) and D (numbers of a beat)
    are those of all members together; the features are shared.

    Parameters
    ----------
    config
        Sizes.
    """

    mean: Tensor
    std: Tensor
    rhythm_mean: Tensor
    rhythm_std: Tensor

    def __init__(self, config: DiagnosisConfig) -> None:
        super().__init__()
        self.config, self.members = config, config.members
        self.measure = LeadMeasurements(config.before, config.after, config.fs, POSITIONS)
        self.n_measured = self.measure.size + config.n_intervals
        encoder = None if config.encoder is None else NetworkConfig.from_json(config.encoder)
        self.size = self.n_measured + (0 if encoder is None else encoder.embedding_size)
        n_leads, members, width = len(STANDARD_LEADS) + 1, config.members, config.width
        self.register_buffer("mean", torch.zeros(n_leads, self.size))
        self.register_buffer("std", torch.ones(n_leads, self.size))
        self.register_buffer("rhythm_mean", torch.zeros(config.n_rhythm))
        self.register_buffer("rhythm_std", torch.ones(config.n_rhythm))
        self.project = nn.Parameter(torch.randn(n_leads, self.size, members * width) / (12 * self.size) ** 0.5)
        with torch.no_grad():
            self.project[-1] = 0.0  # a lead of unknown name says nothing, until a training patient has one
        self.bias = nn.Parameter(torch.zeros(members * width))
        self.ask = nn.Parameter(0.1 * torch.randn(members, width, config.heads))
        self.head = nn.Parameter(torch.randn(members, width, config.n_classes) / width**0.5)
        self.head_rhythm = nn.Parameter(torch.zeros(members, config.n_rhythm, config.n_classes))
        self.head_bias = nn.Parameter(torch.zeros(members, config.n_classes))
        self.shared = None if encoder is None else SharedEncoder(encoder)

    def set_scalers(self, leads: tuple[Tensor, Tensor], rhythm: tuple[Tensor, Tensor]) -> None:
        """Set mean and standard deviation of the features of each lead (13, F), and of the rhythm (R,)."""
        for buffers, (mean, std) in (((self.mean, self.std), leads), ((self.rhythm_mean, self.rhythm_std), rhythm)):
            buffers[0].copy_(mean)
            buffers[1].copy_(std.clamp(min=1e-3))

    def encode_leads(self, waves: Tensor, intervals: Tensor, view: BeatView | None = None) -> Tensor:
        """Encode leads of beats to features (m, F).

        Parameters
        ----------
        waves
            (m, T) mV: one lead of one beat each.
        intervals
            (m, B) content of the stretch to the next beat (`beatlens.inputs.diagnoses.intervals`).
        view
            The same leads as the encoder of a beat network is given them; not read without one.
        """
        parts = [self.measure(waves), intervals]
        if self.shared is not None:
            parts.append(self.shared(view))
        return torch.cat(parts, dim=1)

    def scaled(self, features: Tensor, lead_ids: Tensor) -> Tensor:
        """Return features (..., F) of leads lead_ids (...) in units of their scaler, bounded.

        The first number of a stretch between beats says whether it is known; what isn't counts as usual.
        """
        bounded = ((features - self.mean[lead_ids]) / self.std[lead_ids]).clamp(-BOUND, BOUND)
        scaled, shared = SCALE * bounded[..., : self.n_measured], SHARED_SCALE * bounded[..., self.n_measured :]
        known = features[..., self.measure.size, None] > 0
        of_stretch = scaled[..., self.measure.size :] * known
        return torch.cat([scaled[..., : self.measure.size], of_stretch, shared], dim=-1)

    def lead_terms(self, features: Tensor, lead_ids: Tensor) -> Tensor:
        """Return what features (..., F) of leads lead_ids (...) bring to a mix: (..., D)."""
        scaled = self.scaled(features, lead_ids)
        if lead_ids.ndim == 0 or lead_ids.shape != features.shape[:-1]:  # the same leads in each row
            return torch.einsum(
                "...lf,lfd->...ld" if lead_ids.ndim else "...f,fd->...d", scaled, self.project[lead_ids]
            )
        result = scaled.new_zeros(*scaled.shape[:-1], self.project.shape[2])
        for lead in sorted(set(lead_ids.flatten().tolist())):
            result[lead_ids == lead] = scaled[lead_ids == lead] @ self.project[lead]
        return result

    def combine(self, terms: Tensor, present: Tensor) -> Tensor:
        """Mix `lead_terms` (n, L, D) over the leads present (n, L) to beats (n, D).

        An absent lead counts as one that is as usual.
        """
        return torch.relu(terms.masked_fill(~present[..., None], 0.0).sum(1) + self.bias)

    def mix_leads(self, features: Tensor, present: Tensor, lead_ids: Tensor) -> Tensor:
        """Mix features (n, L, F) of the leads present (n, L) bool, with lead_ids (L,) long, to beats (n, D).

        What is in absent leads has no influence, whatever it is.
        """
        features = features.masked_fill(~present[..., None], 0.0)
        return self.combine(self.lead_terms(features, lead_ids), present)

    def attention(self, beats: Tensor, record: Tensor, n_records: int) -> Tensor:
        """Return the weights (n, members, heads) of beats (n, D) in their records (n,) long.

        Those of a record's beats add up to 1.
        """
        asked = torch.einsum("nmw,mwh->nmh", beats.view(len(beats), self.members, -1), self.ask)
        power = torch.exp(SHARPNESS * torch.tanh(asked))
        total = power.new_zeros(n_records, *power.shape[1:]).index_add(0, record, power)
        return power / total[record]

    def pool(self, beats: Tensor, record: Tensor, n_records: int) -> Tensor:
        """Pool beats (n, D) over their records (n,) long, each below n_records, to (n_records, D).

        0 for a record without beats.
        """
        weight = self.attention(beats, record, n_records)
        weighted = (beats.view(*weight.shape, -1) * weight[..., None]).flatten(1)
        return weighted.new_zeros(n_records, beats.shape[1]).index_add(0, record, weighted)

    def classify(self, pooled: Tensor, rhythm: Tensor) -> Tensor:
        """Return logits (r, K), the mean over members, of pooled beats (r, D) and rhythm statistics (r, R)."""
        return self.member_logits(pooled, rhythm).mean(1)

    def member_logits(self, pooled: Tensor, rhythm: Tensor) -> Tensor:
        """Return what `classify` averages, (r, members, K)."""
        of_beats = torch.einsum("rmw,mwk->rmk", pooled.view(len(pooled), self.members, -1), self.head)
        of_rhythm = torch.einsum("rs,msk->rmk", self.scaled_rhythm(rhythm), self.head_rhythm)
        return of_beats + of_rhythm + self.head_bias

    def scaled_rhythm(self, rhythm: Tensor) -> Tensor:
        """Return rhythm statistics (r, R) in units of their scaler, bounded."""
        return ((rhythm - self.rhythm_mean) / self.rhythm_std).clamp(-BOUND, BOUND)

    def training_logits(self, scaled: Tensor, lead_ids: Tensor, rhythm: Tensor) -> Tensor:
        """Return `member_logits` of records of as many beats each, with dropout; their gradients are cheap.

        A member doesn't see a share of the features at all, the same for all records of a step.

        Parameters
        ----------
        scaled
            (r, beats, L, F), 0 in absent leads, of leads lead_ids (L,).
        lead_ids, rhythm
            (L,) long; (r, R) of `scaled_rhythm`.
        """
        n, n_beats = scaled.shape[:2]
        members, kept = self.members, 1.0 - self.config.dropout
        seen = (torch.rand(scaled.shape[2], self.size, members, 1) < kept) / kept
        project = self.project[lead_ids].view(*seen.shape[:3], -1) * seen
        terms = scaled.flatten(0, 1).flatten(1) @ project.flatten(0, 1).flatten(1)
        beats = torch.relu(terms + self.bias).view(n, n_beats, members, -1)
        power = torch.exp(SHARPNESS * torch.tanh(torch.einsum("nbmw,mwh->nbmh", beats, self.ask)))
        weight = power / power.sum(1, keepdim=True)
        pooled = (beats.view(*weight.shape, -1) * weight[..., None]).sum(1).flatten(2)
        head = self.head_rhythm * ((torch.rand(members, rhythm.shape[1], 1) < kept) / kept)
        of_beats = torch.einsum("rmw,mwk->rmk", pooled, self.head)
        return of_beats + torch.einsum("rs,msk->rmk", rhythm, head) + self.head_bias


def diagnosis_network(config: DiagnosisConfig, weights: dict[str, Any], device: str = "cpu") -> DiagnosisNetwork:
    """Build a network in evaluation mode from its sizes and its state.

    Raises
    ------
    ValueError
        Where names or shapes don't fit the sizes.
    """
    with torch.random.fork_rng(devices=[]):  # initial weights are overwritten: leave the caller's generator alone
        network = DiagnosisNetwork(config)
    try:
        network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in weights.items()})
    except RuntimeError as error:
        raise ValueError(f"weights: {' '.join(str(error).split())}; expected those of {config}") from None
    return network.eval().to(device)
