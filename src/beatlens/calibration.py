"""Calibration and review thresholds from the patients of the split ``calibrate``, and the bundle that holds them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from beatlens.batches import Augmentation, TrainingSet
from beatlens.conformal import ConformalSets, fit_conformal
from beatlens.dataset import gate_labels, records_of_split, split_beats
from beatlens.inference import network_outputs
from beatlens.inputs import InputSpec, prepare_record
from beatlens.models.hybrid import HybridNet
from beatlens.noise import NoiseSettings, NoiseSource
from beatlens.objective import forward, to_tensors
from beatlens.review import Calibration, ReviewSettings, Thresholds, fit_calibration, fit_thresholds
from beatlens.seeds import derive_seed
from beatlens.shards import Shard

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)


def calibrate(
    shards: Sequence[Shard],
    records: pd.DataFrame,
    spec: InputSpec,
    network: HybridNet,
    noise: Sequence[NoiseSource],
    noise_settings: NoiseSettings,
    settings: ReviewSettings,
    seed: int,
    device: str,
) -> tuple[Calibration, Thresholds, ConformalSets, dict[str, Any]]:
    """Fit calibration, review thresholds and conformal sets.

    Parameters
    ----------
    shards, records
        All shards and the table ``records.tsv``.
    spec, network
        How inputs are made, and the trained network in evaluation mode on `device`.
    noise, noise_settings
        Noise of the part ``train`` and how training added it: the gate is calibrated on the same mixture.
    settings
        Section ``review``.
    seed
        Of the run.
    device
        ``cpu`` or ``cuda``.

    Returns
    -------
    calibration, thresholds, conformal sets and what they reach on the calibration beats

    Raises
    ------
    ValueError
        Without a labelled beat of a calibration patient.
    """
    outputs = []
    for shard, table in split_beats(shards, records_of_split(records, "calibrate")):
        inputs = prepare_record(shard, table, spec)
        logits, gates, nearest = network_outputs(inputs, spec, network, device)
        labels = table["label"].to_numpy()
        rows = np.flatnonzero(np.isin(labels, list(spec.classes)))
        target = np.array([spec.classes.index(label) for label in labels[rows]], dtype=np.int64)
        unflagged = table["reason"].to_numpy()[rows] == ""
        clean = gate_labels(table)[rows] == 0
        group = np.full(len(rows), inputs.patient)
        outputs.append((logits[rows], gates[rows], nearest[rows], target, unflagged, clean, group))
    if not sum(len(entry[0]) for entry in outputs):
        raise ValueError(
            f"calibration: no beat of the classes {list(spec.classes)} in the {len(outputs)} records of the split "
            "'calibrate'; expected labelled records of patients in that split (split.fractions or split.table)"
        )
    logits, gates, nearest, target, unflagged, clean, group = (
        np.concatenate(parts) for parts in zip(*outputs, strict=True)
    )
    gate, gate_target = noisy_gate(
        TrainingSet(shards, records, "calibrate", spec), network, noise, noise_settings, seed, device
    )
    calibration = fit_calibration(logits, target, group.tolist(), gate, gate_target)
    probability, p_noise = calibration.probabilities(logits), calibration.noise(gates)
    thresholds = fit_thresholds(probability, p_noise, nearest, target, unflagged, clean, settings)
    conformal = fit_conformal(probability, target, group.tolist(), settings.conformal_alpha)
    accepted = unflagged & (probability.max(axis=1) >= thresholds.confidence)
    accepted &= (p_noise <= thresholds.noise) & (nearest >= thresholds.similarity)
    wrong = probability.argmax(axis=1) != target
    summary = {
        "n_beats": len(target),
        "n_patients": len(np.unique(group)),
        "error": float(wrong.mean()),
        "error_accepted": float(wrong[accepted].mean()) if accepted.any() else None,
        "coverage": float(accepted.mean()),
        "expected_calibration_error": calibration_error(probability, target),
        "gate_n_noise": int(gate_target.sum()),
        "gate_n_clean": int((~gate_target).sum()),
    }
    logger.info("calibration: %s, %s, %s, %s", summary, asdict(calibration), asdict(thresholds), asdict(conformal))
    return calibration, thresholds, conformal, summary


def noisy_gate(
    labelled: TrainingSet,
    network: HybridNet,
    noise: Sequence[NoiseSource],
    noise_settings: NoiseSettings,
    seed: int,
    device: str,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return gate logits and labels of beats, some with added noise, whose label is known: (m,) each."""
    rng = np.random.default_rng(derive_seed(seed, "calibration", "noise"))
    scores, wanted = [], []
    with torch.inference_mode():
        for batch in labelled.batches(512, rng, noise, Augmentation(noise_settings)):
            _, gate = forward(network, to_tensors(batch, device), batch.n_beats)
            known = ~np.isnan(batch.gate)
            scores.append(gate.cpu().numpy()[known])
            wanted.append(batch.gate[known] == 1)
    return np.concatenate(scores), np.concatenate(wanted)


def calibration_error(probability: npt.NDArray[np.float64], target: npt.NDArray[np.int64], bins: int = 15) -> float:
    """Return the expected calibration error of the predicted class, over bins of equal width (Guo et al. 2017)."""
    confidence = probability.max(axis=1)
    hit = probability.argmax(axis=1) == target
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    n = np.bincount(place, minlength=bins)
    gap = np.abs(
        np.bincount(place, weights=hit, minlength=bins) - np.bincount(place, weights=confidence, minlength=bins)
    )
    return float(gap[n > 0].sum() / len(target))
