"""Training of the network of diagnoses on the records of some patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from beatlens.inputs.diagnoses.intervals import INTERVAL_CONTENT
from beatlens.inputs.diagnoses.record_features import RecordFeatures
from beatlens.inputs.diagnoses.rhythm import RHYTHM_STATISTICS
from beatlens.learning.diagnoses.encoder import GivenEncoder, new_network
from beatlens.learning.diagnoses.settings import DiagnosisSettings
from beatlens.models.diagnosis import DiagnosisConfig, DiagnosisNetwork
from beatlens.shards.shard import BeatGeometry

HEAD_DECAY = 0.1
"""Weight decay of the head as a share of that of the leads' maps."""


def network_config(
    settings: DiagnosisSettings, n_classes: int, geometry: BeatGeometry, encoder: GivenEncoder | None = None
) -> DiagnosisConfig:
    """Return the sizes that the section ``diagnoses``, the data and a shared encoder fix."""
    return DiagnosisConfig(
        n_classes=n_classes,
        n_intervals=len(INTERVAL_CONTENT),
        n_rhythm=len(RHYTHM_STATISTICS),
        before=geometry.before,
        after=geometry.after,
        fs=geometry.fs,
        members=settings.members,
        width=settings.width,
        heads=settings.heads,
        dropout=settings.dropout,
        encoder=None if encoder is None else encoder.sizes,
    )


def beat_extent(settings: Mapping[str, Any]) -> BeatGeometry:
    """Return the extent of a beat that the sections ``signal`` and ``beats`` ask for."""
    beats = settings["beats"]
    return BeatGeometry.from_seconds(settings["signal"]["fs"], beats["before_s"], beats["after_s"])


@dataclass(frozen=True)
class Trained:
    """A trained network in evaluation mode, and the loss of each step."""

    network: DiagnosisNetwork
    loss: list[float]


def train_diagnoses(
    records: RecordFeatures,
    labels: npt.NDArray[np.int64],
    config: DiagnosisConfig,
    settings: DiagnosisSettings,
    seed: int,
    encoder: GivenEncoder | None = None,
) -> Trained:
    """Train on records with known labels; scalers are of these records.

    A step takes every record, some beats of each, drawn anew. The loss is the binary cross-entropy, summed over the
    diagnoses, of each member by itself.

    Parameters
    ----------
    records
        n records.
    labels
        (n, K) 1 or 0.
    config, settings
        Sizes, and the section ``diagnoses``.
    seed
        Of initial weights, beats and dropout.
    encoder
        Shared with a network of beats, where the sizes have one; it stays as it is.
    """
    usable = np.flatnonzero(records.answerable)
    if not len(usable) or (labels[usable] < 0).any():
        raise ValueError(f"diagnoses: {len(usable)} training records with beats; expected some, all with known labels")
    records, wanted = records.rows(usable), torch.from_numpy(labels[usable]).float()
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = new_network(config, encoder)
        network.set_scalers(_lead_scaler(records, network), _scaler(records.rhythm))
        with torch.no_grad():
            share = wanted.mean(0).clamp(0.5 / len(wanted), 1 - 0.5 / len(wanted))
            network.head_bias.copy_(torch.log(share / (1 - share)))
        loss = _steps(network, records, wanted, settings, rng)
    return Trained(network.eval(), loss)


def _steps(
    network: DiagnosisNetwork,
    records: RecordFeatures,
    wanted: Tensor,
    settings: DiagnosisSettings,
    rng: np.random.Generator,
) -> list[float]:
    optimiser = torch.optim.AdamW(
        [
            {"params": [network.project], "weight_decay": settings.weight_decay},
            {
                "params": [network.ask, network.head, network.head_rhythm],
                "weight_decay": HEAD_DECAY * settings.weight_decay,
            },
            {"params": [network.bias, network.head_bias], "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.steps, pct_start=0.2
    )
    with torch.no_grad():
        scaled = network.scaled(records.features, records.lead_ids) * records.present[records.record][..., None]
        rhythm = network.scaled_rhythm(records.rhythm)
    counts = torch.bincount(records.record, minlength=len(records)).numpy()
    first, losses = np.cumsum(counts) - counts, []
    for _ in range(settings.steps):
        drawn = first[:, None] + (rng.random((len(records), settings.beats)) * counts[:, None]).astype(np.int64)
        shown = scaled[torch.from_numpy(drawn)]
        shown = shown * (torch.rand(len(records), 1, shown.shape[2], 1) >= settings.lead_dropout)
        logits = network.training_logits(shown, records.lead_ids, rhythm)
        error = nn.functional.binary_cross_entropy_with_logits(
            logits, wanted[:, None].expand_as(logits), reduction="none"
        )
        loss = error.mean((0, 1)).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return losses


def _lead_scaler(records: RecordFeatures, network: DiagnosisNetwork) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of the features of each lead of the vocabulary, each record counting alike."""
    mean, std = network.mean.clone(), network.std.clone()
    counts = torch.bincount(records.record, minlength=len(records))
    weight = (1.0 / counts[records.record].double())[:, None]
    known = (records.features[..., network.measure.size] > 0)[..., None]
    for place, lead in enumerate(records.lead_ids.tolist()):
        values, shown = records.features[:, place].double(), weight * records.present[records.record, place, None]
        shown = shown.expand_as(values).clone()
        shown[:, network.measure.size : network.n_measured] *= known[:, place]
        total = shown.sum(0)
        if float(total[0]) > 0:
            centre = (shown * values).sum(0) / total.clamp(min=1e-9)
            spread = (shown * (values - centre).square()).sum(0) / total.clamp(min=1e-9)
            mean[lead], std[lead] = centre.float(), spread.sqrt().float()
    return mean, std


def _scaler(values: Tensor) -> tuple[Tensor, Tensor]:
    return values.mean(0), values.std(0, correction=0)
