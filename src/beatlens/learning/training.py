"""Training of a network: deterministic for any number of cores, resumable from its last epoch.

The number of epochs is fixed and the weights of the last epoch are saved, so the last row of the history describes the
bundle. Patients of the split ``select`` are scored for the history; nothing depends on these scores.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from beatlens.core.seeds import derive_seed
from beatlens.learning.augmentation import Augmentation
from beatlens.learning.batches import TrainingSet
from beatlens.learning.checkpoint import EpochState, load_state, save_state
from beatlens.learning.objective import class_weights, forward, learning_rate, losses, macro_f1, to_tensors
from beatlens.learning.optimizer import AdamW
from beatlens.learning.settings import TrainingSettings
from beatlens.models.build import build_network
from beatlens.models.network import BeatNetwork
from beatlens.models.settings import NetworkConfig
from beatlens.signals.added_noise import NoiseSource

logger = logging.getLogger(__name__)

HISTORY_COLUMNS = ("epoch", "loss", "class_loss", "gate_loss", "lr", "train_macro_f1", "select_macro_f1")


def train(
    training: TrainingSet,
    network_config: NetworkConfig,
    settings: TrainingSettings,
    *,
    noise: Sequence[NoiseSource],
    seed: int,
    device: str,
    select_score: Callable[[BeatNetwork], float],
    state_path: Path | None = None,
    key: str = "",
    callbacks: Sequence[Callable[[int, BeatNetwork], None]] = (),
) -> tuple[BeatNetwork, list[dict[str, float]]]:
    """Train a network.

    Parameters
    ----------
    training
        Records of the split ``train``.
    network_config, settings
        Sizes and the section ``training``.
    noise
        Noise to add, of the part ``train``.
    seed
        Of the run.
    device
        ``cpu`` or ``cuda``; call `beatlens.models.build.make_deterministic` first.
    select_score
        Scores the network (in evaluation mode) after each epoch, NaN where there are no patients for it.
    state_path, key
        Where the state is kept between epochs, and what it must match to be gone on from; not kept where None.
    callbacks
        Called with epoch and network after each epoch.

    Returns
    -------
    network in evaluation mode, with the weights of the last epoch, and its history, one row an epoch
    (`HISTORY_COLUMNS`)
    """
    counts = training.class_counts
    weights = torch.from_numpy(class_weights(counts, settings.class_weight_power)).to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "training", "weights"))
        network = build_network(network_config)
    mean, std = training.rr_statistics()
    network.set_scaler(torch.from_numpy(mean), torch.from_numpy(std))
    network.to(device)
    optimizer = AdamW(network.parameters(), settings.weight_decay)
    n_rows = sum(len(record) for record in training.records)
    steps_per_epoch = max(1, round(n_rows / settings.batch_beats))
    state = load_state(state_path, key, network, optimizer) if state_path is not None else None
    state = state or EpochState(0, [])
    for epoch in range(state.epoch + 1, settings.epochs + 1):
        row = _epoch(
            epoch,
            training,
            network,
            optimizer,
            settings=settings,
            noise=noise,
            weights=weights,
            seed=seed,
            device=device,
            steps_per_epoch=steps_per_epoch,
        )
        network.eval()
        row["select_macro_f1"] = select_score(network)
        state.history.append(row)
        state.epoch = epoch
        logger.info(
            "epoch %d of %d: %s", epoch, settings.epochs, ", ".join(f"{k} {row[k]:.4g}" for k in HISTORY_COLUMNS[1:])
        )
        for callback in callbacks:
            callback(epoch, network)
        if state_path is not None:
            save_state(state_path, key, state, network, optimizer)
    return network.eval(), state.history


def _epoch(
    epoch: int,
    training: TrainingSet,
    network: BeatNetwork,
    optimizer: AdamW,
    *,
    settings: TrainingSettings,
    noise: Sequence[NoiseSource],
    weights: Tensor,
    seed: int,
    device: str,
    steps_per_epoch: int,
) -> dict[str, float]:
    rng = np.random.default_rng(derive_seed(seed, "training", "epoch", epoch))
    network.train()
    sums = np.zeros(3)
    targets, predictions = [], []
    rate = 0.0
    n = 0
    cuda = [torch.cuda.current_device()] if device == "cuda" else []
    with torch.random.fork_rng(devices=cuda):  # dropout draws from torch's generator, and from nothing else
        torch.manual_seed(derive_seed(seed, "training", "dropout", epoch))
        for step, batch in enumerate(training.batches(settings.batch_beats, rng, noise, Augmentation.of(settings))):
            done = (epoch - 1) * steps_per_epoch + min(step, steps_per_epoch - 1)
            rate = learning_rate(done, settings.epochs * steps_per_epoch, settings.learning_rate)
            tensors = to_tensors(batch, device)
            with torch.autocast(device, torch.bfloat16, enabled=settings.precision == "bfloat16"):
                logits, gate = forward(network, tensors, batch.n_beats)
            logits, gate = logits.float(), gate.float()
            total, class_loss, gate_loss = losses(logits, gate, tensors, weights, settings.gate_loss_weight)
            optimizer.zero_grad()
            total.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0, foreach=False)
            optimizer.step(rate)
            values = [float(total.detach()), float(class_loss.detach()), float(gate_loss.detach())]
            if not np.isfinite(values).all():
                raise ValueError(f"epoch {epoch}, step {step}: loss {values[0]}; expected a finite loss")
            sums += np.array(values) * len(batch.target)
            n += len(batch.target)
            labelled = (batch.target >= 0) & batch.competing.all(axis=1)
            targets.append(batch.target[labelled])
            predictions.append(logits.detach().mean(1).argmax(1).cpu().numpy()[labelled])
    loss, class_part, gate_part = (sums / max(n, 1)).tolist()
    score = macro_f1(np.concatenate(targets), np.concatenate(predictions))
    return {
        "epoch": epoch,
        "loss": loss,
        "class_loss": class_part,
        "gate_loss": gate_part,
        "lr": rate,
        "train_macro_f1": score,
    }


def summary(network: BeatNetwork, training: TrainingSet) -> dict[str, Any]:
    """Return what a bundle notes about a training: parameters, beats of each class, patients, records."""
    return {
        "n_parameters": sum(parameter.numel() for parameter in network.parameters()),
        "n_beats": {name: int(count) for name, count in zip(training.spec.classes, training.class_counts, strict=True)},
        "n_records": len(training.records),
        "patients": sorted({record.record.patient for record in training.records}),
    }
