"""From configuration sections and files to a trained model and its bundle: what the programs train and bundle share."""

from __future__ import annotations

import importlib.metadata
import logging
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from beatlens import __version__
from beatlens.beats.settings import BeatSettings
from beatlens.inputs.labelled_records import records_of_split, split_beats
from beatlens.inputs.look_alikes import LookAlikeSettings
from beatlens.inputs.network_inputs import InputSpec, prepare_record
from beatlens.learning.batches import TrainingSet
from beatlens.learning.held_out import HeldOut, check_held_out, fold_tables, held_out_outputs, spec_without
from beatlens.learning.objective import macro_f1
from beatlens.learning.training import HISTORY_COLUMNS, TrainingSettings, summary, train
from beatlens.models.build import choose_device, make_deterministic
from beatlens.models.hybrid import HybridNet
from beatlens.models.settings import ModelSettings, NetworkConfig
from beatlens.prediction.predict import network_outputs
from beatlens.prototypes.library import PrototypeLibrary
from beatlens.shards.record_table import records_digest, split_listing
from beatlens.shards.shard import BeatGeometry, Shard
from beatlens.signals.added_noise import NoiseSource, noise_sources

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

TRAINING_SECTIONS = (
    "model", "training", "look_alikes", "beats", "classes", "leads", "signal", "seed", "device", "compute_threads",
)  # fmt: skip
"""Sections of the configuration that training takes and that ``model.json`` hands on to the bundle."""
PACKAGES = ("numpy", "pandas", "scipy", "scikit-learn", "torch")


def input_spec(settings: Mapping[str, Any], library: Path, waves: Path) -> InputSpec:
    """Return how inputs are made, from the configuration and the prototype library's files."""
    beats = BeatSettings(**settings["beats"])
    return InputSpec(
        classes=tuple(settings["classes"]),
        leads=tuple(settings["leads"]),
        geometry=BeatGeometry.from_seconds(settings["signal"]["fs"], beats.before_s, beats.after_s),
        beats=beats,
        bank=PrototypeLibrary.load(library, waves).bank,
        look_alikes=LookAlikeSettings(**settings["look_alikes"]),
    )


class SelectScorer:
    """Macro-F1 over the labelled beats of the patients of the split ``select``; NaN where there are none.

    Parameters
    ----------
    shards, records
        All shards and the table ``records.tsv``.
    spec
        How inputs are made.
    device
        ``cpu`` or ``cuda``.
    """

    def __init__(self, shards: Sequence[Shard], records: pd.DataFrame, spec: InputSpec, device: str) -> None:
        self.spec, self.device = spec, device
        self.shards, self.wanted = shards, records_of_split(records, "select")

    def __call__(self, network: HybridNet) -> float:
        """Score a network in evaluation mode."""
        targets, predictions = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
        for shard, table in split_beats(self.shards, self.wanted):
            inputs = prepare_record(shard, table, self.spec)
            logits = network_outputs(inputs, self.spec, network, self.device).logits
            labels = table["label"].to_numpy()
            rows = np.flatnonzero(np.isin(labels, list(self.spec.classes)))
            targets.append(np.array([self.spec.classes.index(label) for label in labels[rows]], dtype=np.int64))
            predictions.append(logits[rows].argmax(axis=1))
        return macro_f1(np.concatenate(targets), np.concatenate(predictions))


def _noise(shards: Sequence[Shard], spec: InputSpec, settings: Mapping[str, Any]) -> list[NoiseSource]:
    return noise_sources(shards, "train", spec.geometry.fs, tuple(settings["signal"]["band_hz"]), settings["seed"])


def train_model(
    shards: Sequence[Shard],
    records: pd.DataFrame,
    spec: InputSpec,
    settings: Mapping[str, Any],
    state_path: Path | None,
    key: str,
) -> tuple[HybridNet, list[dict[str, float]], TrainingSet, str]:
    """Train by the sections `TRAINING_SECTIONS`; return network, history, training set and device."""
    device = choose_device(settings["device"])
    make_deterministic(settings["compute_threads"], device)
    training_settings = TrainingSettings(**settings["training"])
    training = TrainingSet(shards, records, "train", spec)
    config = NetworkConfig(
        settings=ModelSettings(**settings["model"]),
        n_classes=len(spec.classes),
        beat_length=spec.geometry.length,
        n_rr=len(spec.beats.rr_features),
        n_similarity=spec.bank.n_features,
        context=spec.beats.context,
    )
    logger.info(
        "training on %s: %d records, beats of each class %s, %d prototypes",
        device,
        len(training.records),
        dict(zip(spec.classes, training.class_counts.tolist(), strict=True)),
        len(spec.bank),
    )
    network, history = train(
        training,
        config,
        training_settings,
        _noise(shards, spec, settings),
        settings["seed"],
        device,
        SelectScorer(shards, records, spec, device),
        state_path,
        key,
    )
    return network, history, training, device


def fold_state(state_path: Path, fold: int) -> Path:
    """Return where the state of the network that leaves out a fold is kept."""
    return state_path.with_name(f"{state_path.stem}_fold{fold}{state_path.suffix}")


def held_out_tables(records: pd.DataFrame, classes: Sequence[str], settings: Mapping[str, Any]) -> list[pd.DataFrame]:
    """Return the table of records of each network that is run over patients it hasn't seen, who are set aside there.

    With ``training.folds`` of 2 or more these are the networks of `train_fold`, else the network itself.

    Raises
    ------
    ValueError
        Where patients can't be dealt to so many folds, or nobody with a labelled beat is set aside.
    """
    folds = settings["training"]["folds"]
    tables = fold_tables(records, classes, folds, settings["seed"]) if folds else [records]
    for table in tables:
        check_held_out(table, classes)
    return tables


def held_out_of(
    shards: Sequence[Shard],
    records: pd.DataFrame,
    spec: InputSpec,
    network: HybridNet,
    settings: Mapping[str, Any],
    device: str,
) -> HeldOut:
    """Run a network over the patients set aside in a table of records (`beatlens.learning.held_out`)."""
    added, seed = TrainingSettings(**settings["training"]).noise, settings["seed"]
    return held_out_outputs(shards, records, spec, network, _noise(shards, spec, settings), added, seed, device)


def train_fold(
    shards: Sequence[Shard],
    records: pd.DataFrame,
    spec: InputSpec,
    settings: Mapping[str, Any],
    fold: int,
    state_path: Path | None,
    key: str,
) -> HeldOut:
    """Train a network without a fold of the training patients, of ``training.folds``, and run it over them.

    Its prototypes are those of the other patients. What `held_out_tables` raises is raised before any training.
    """
    table = held_out_tables(records, spec.classes, settings)[fold]
    own = spec_without(spec, table)
    network, _, _, device = train_model(shards, table, own, settings, state_path, key)
    return held_out_of(shards, table, own, network, settings, device)


def train_with_held_out(
    shards: Sequence[Shard],
    records: pd.DataFrame,
    spec: InputSpec,
    settings: Mapping[str, Any],
    state_path: Path | None,
    key: str,
) -> tuple[HybridNet, list[dict[str, float]], TrainingSet, str, HeldOut]:
    """Do in one process what the workflow's jobs do: `train_model`, and what networks say of patients not seen.

    What `held_out_tables` raises is raised before any training.
    """
    held_out_tables(records, spec.classes, settings)
    folds = settings["training"]["folds"]
    states = [fold_state(state_path, fold) if state_path is not None else None for fold in range(folds)]
    parts = [train_fold(shards, records, spec, settings, k, state, key) for k, state in enumerate(states)]
    network, history, training, device = train_model(shards, records, spec, settings, state_path, key)
    parts = parts or [held_out_of(shards, records, spec, network, settings, device)]
    return network, history, training, device, HeldOut.joined(parts)


def history_table(history: Sequence[Mapping[str, float]]) -> pd.DataFrame:
    """Return the history as a table, one row an epoch."""
    import pandas as pd

    return pd.DataFrame(list(history), columns=list(HISTORY_COLUMNS))


def model_description(
    network: HybridNet,
    training: TrainingSet,
    spec: InputSpec,
    settings: Mapping[str, Any],
    records: pd.DataFrame,
    device: str,
) -> dict[str, Any]:
    """Return the JSON object beside the weights: sizes, settings, training summary, split, versions."""
    return {
        "network": network.config.to_json(),
        "settings": {name: settings[name] for name in TRAINING_SECTIONS},
        "saved_epoch": settings["training"]["epochs"],
        "device": device,
        "training": summary(network, training),
        "split": split_listing(records),
        "corpora_digest": records_digest(records),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python, beatlens and the numeric packages."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "beatlens": __version__, **found}
