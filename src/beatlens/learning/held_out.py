"""Outputs for patients that a network has not seen: what calibration, review thresholds and fair scores rest on.

They come from the patients of the split ``calibrate``, where there are any. Otherwise they come from cross-fitting: the
training patients are dealt to folds, and each fold is run through a network trained on the others. The prototype bank
of that network holds nobody of the fold (Stone 1974; Chernozhukov et al. 2018).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.core.seeds import derive_seed
from beatlens.inputs.labelled_records import gate_labels, records_of_split, split_beats
from beatlens.inputs.network_inputs import InputSpec, prepare_record
from beatlens.learning.augmentation import Augmentation
from beatlens.learning.batches import TrainingSet
from beatlens.learning.objective import forward, to_tensors
from beatlens.models.network import BeatNetwork
from beatlens.prediction.predict import network_outputs
from beatlens.shards.patients import patient_keys, person
from beatlens.shards.shard import Shard
from beatlens.shards.splits import deal_patients
from beatlens.signals.added_noise import NoiseSettings, NoiseSource

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

HELD_OUT = "calibrate"
"""Split whose patients a network is run on without having seen them."""

ENOUGH_NOISY_BEATS = 50
MAX_NOISE_PASSES = 20
"""Beats are run again with other noise until `ENOUGH_NOISY_BEATS` are noisy, or `MAX_NOISE_PASSES` times."""


@dataclass(frozen=True)
class HeldOut:
    """Network outputs for labelled beats of unseen patients.

    Attributes
    ----------
    logits
        (n, K) class logits.
    gate
        (n,) gate logits.
    distance
        (n,) to the nearest prototype of another patient.
    target
        (n,) class index.
    unflagged
        (n,) no quality rule doubts the beat.
    clean
        (n,) neither annotated as noise nor flagged.
    patient
        (n,) ``corpus/patient``.
    noisy_gate, is_noise
        (m,) gate logits and labels of beats, some of them with added noise.
    """

    logits: FloatArray
    gate: FloatArray
    distance: FloatArray
    target: npt.NDArray[np.int64]
    unflagged: BoolArray
    clean: BoolArray
    patient: npt.NDArray[np.str_]
    noisy_gate: FloatArray
    is_noise: BoolArray

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return arrays for an npz file."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, npt.NDArray[Any]]) -> HeldOut:
        """Build from what `to_arrays` gave."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    @classmethod
    def joined(cls, parts: Sequence[HeldOut]) -> HeldOut:
        """Join the outputs of several networks on different patients."""
        columns = {field.name: [getattr(part, field.name) for part in parts] for field in fields(cls)}
        return cls(**{name: np.concatenate(values) for name, values in columns.items()})


def held_out_outputs(
    shards: Sequence[Shard],
    records: pd.DataFrame,
    spec: InputSpec,
    *,
    network: BeatNetwork,
    noise: Sequence[NoiseSource],
    noise_settings: NoiseSettings,
    seed: int,
    device: str,
) -> HeldOut:
    """Run a network over the patients of the split `HELD_OUT`.

    Parameters
    ----------
    shards, records
        All shards and the table ``records.tsv``.
    spec, network
        How inputs are made, and the trained network in evaluation mode on `device`.
    noise, noise_settings
        Noise of the part ``train`` and how training added it: the gate is calibrated on the same mixture.
    seed
        Of the run.
    device
        ``cpu`` or ``cuda``.

    Raises
    ------
    ValueError
        Without a labelled beat of such a patient.
    """
    check_held_out(records, spec.classes)
    parts = [found.held_out() for found in labelled_outputs(shards, records, spec, network, device)]
    if not any(len(part.target) for part in parts):
        raise ValueError(
            f"calibration: beats of the classes {list(spec.classes)} are annotated in the split {HELD_OUT!r}, but none "
            "lies within rpeaks.match_s of a detected one; expected annotations at R peaks"
        )
    labelled = TrainingSet(shards, records, HELD_OUT, spec)
    scores, is_noise = noisy_gate(
        labelled, network, noise=noise, noise_settings=noise_settings, seed=seed, device=device
    )
    return replace(HeldOut.joined(parts), noisy_gate=scores, is_noise=is_noise)


@dataclass(frozen=True)
class LabelledOutputs:
    """What a network says of one record's n beats of known class.

    Attributes
    ----------
    beats
        Their rows of the beat table.
    target, logits, gate, distance
        (n,) class index, (n, K) logits, (n,) gate logits and (n,) distance to the nearest prototype.
    """

    beats: pd.DataFrame
    target: npt.NDArray[np.int64]
    logits: FloatArray
    gate: FloatArray
    distance: FloatArray

    def held_out(self) -> HeldOut:
        """Return them without the table and without beats of added noise."""
        return HeldOut(
            logits=self.logits,
            gate=self.gate,
            distance=self.distance,
            target=self.target,
            unflagged=self.beats["reason"].to_numpy() == "",
            clean=gate_labels(self.beats) == 0,
            patient=patient_keys(self.beats),
            noisy_gate=np.empty(0, dtype=np.float32),
            is_noise=np.empty(0, dtype=bool),
        )


def labelled_outputs(
    shards: Sequence[Shard], records: pd.DataFrame, spec: InputSpec, network: BeatNetwork, device: str
) -> Iterator[LabelledOutputs]:
    """Run a network over the patients of the split `HELD_OUT`, record by record."""
    for shard, table in split_beats(shards, records_of_split(records, HELD_OUT)):
        found = network_outputs(prepare_record(shard, table, spec), spec, network, device)
        rows = np.flatnonzero(table["label"].isin(spec.classes))
        beats = table.iloc[rows].reset_index(drop=True)
        target = np.array([spec.classes.index(label) for label in beats["label"]], dtype=np.int64)
        yield LabelledOutputs(beats, target, found.logits[rows], found.gates[rows], found.distance[rows])


def check_held_out(records: pd.DataFrame, classes: Sequence[str]) -> None:
    """Raise where no patient of the split `HELD_OUT` has a labelled beat."""
    left = records[records["split"] == HELD_OUT]
    if not sum(int(left[f"n_{name}"].sum()) for name in classes):
        raise ValueError(
            f"calibration: no beat of the classes {list(classes)} in the {len(left)} records of the split "
            f"{HELD_OUT!r}; expected labelled records of patients in that split (split.fractions or split.table), or "
            "training.folds of 2 or more"
        )


def noisy_gate(
    labelled: TrainingSet,
    network: BeatNetwork,
    *,
    noise: Sequence[NoiseSource],
    noise_settings: NoiseSettings,
    seed: int,
    device: str,
) -> tuple[FloatArray, BoolArray]:
    """Return gate logits and labels of beats, some with added noise, whose label is known: (m,) each."""
    import torch

    rng = np.random.default_rng(derive_seed(seed, "calibration", "noise"))
    scores, wanted = [], []
    with torch.inference_mode():
        for _ in range(MAX_NOISE_PASSES):
            for batch in labelled.batches(512, rng, noise, Augmentation(noise_settings)):
                _, gate = forward(network, to_tensors(batch, device), batch.n_beats)
                known = ~np.isnan(batch.gate)
                scores.append(gate.mean(1).cpu().numpy()[known])
                wanted.append(batch.gate[known] == 1)
            if sum(int(noisy.sum()) for noisy in wanted) >= ENOUGH_NOISY_BEATS:
                break
    return np.concatenate(scores), np.concatenate(wanted)


def fold_tables(
    records: pd.DataFrame, classes: Sequence[str], folds: int, seed: int, option: str = "training.folds"
) -> list[pd.DataFrame]:
    """Return the table of records for each fold: its patients are moved from the split train to `HELD_OUT`.

    Patients are dealt so that each fold has its share of the patients of every class. `option` is the configuration's
    name for `folds`, which errors name.

    Raises
    ------
    ValueError
        With fewer than two training patients a fold, or with patients in the split `HELD_OUT` already.
    """
    training = records[records["split"] == "train"]
    keys = [person(*key) for key in zip(training["corpus"], training["patient"], strict=True)]
    patients = sorted(set(keys))
    if (records["split"] == HELD_OUT).any():
        raise ValueError(f"{option} is {folds}, but patients are set aside in the split {HELD_OUT!r}; expected 0")
    if len(patients) < 2 * folds:
        raise ValueError(f"{option} is {folds} with {len(patients)} training patients; expected two a fold")
    row_of = {key: row for row, key in enumerate(patients)}
    has = np.zeros((len(patients), len(classes)), dtype=bool)
    for column, name in enumerate(classes):
        for key, count in zip(keys, training[f"n_{name}"], strict=True):
            has[row_of[key], column] |= count > 0
    draws = np.array([derive_seed(seed, "folds", *key) / 2**63 for key in patients])
    dealt = deal_patients(has, draws, [1.0 / folds] * folds)
    everybody = [person(*key) for key in zip(records["corpus"], records["patient"], strict=True)]
    tables = []
    for fold in range(folds):
        left_out = {key for key, place in zip(patients, dealt.tolist(), strict=True) if place == fold}
        moved = [split == "train" and key in left_out for key, split in zip(everybody, records["split"], strict=True)]
        tables.append(records.assign(split=records["split"].mask(moved, HELD_OUT)))
    return tables


def spec_without(spec: InputSpec, records: pd.DataFrame) -> InputSpec:
    """Return `spec` with a bank that holds only prototypes of patients of the split train."""
    training = records[records["split"] == "train"]
    return replace(spec, bank=spec.bank.subset(np.isin(spec.bank.patients, patient_keys(training))))
