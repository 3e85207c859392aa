"""From sections of the configuration and files to a trained model: what the programs that train and bundle share."""

from __future__ import annotations

import importlib.metadata
import logging
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from beatlens.models.network import BeatNetwork
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

    def __call__(self, network: BeatNetwork) -> float:
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


@dataclass(frozen=True)
class TrainingJob:
    """What a network is to learn from, and how.

    Attributes
    ----------
    shards, records
        All shards and the table ``records.tsv``, whose split ``train`` teaches.
    spec
        How inputs are made.
    settings
        The sections `TRAINING_SECTIONS` of the configuration.
    state_path, key
        Where the state is kept between epochs, and what it must match to be gone on from; not kept where None.
    callbacks
        Called with epoch and network after each epoch.
    """

    shards: Sequence[Shard]
    records: pd.DataFrame
    spec: InputSpec
    settings: Mapping[str, Any]
    state_path: Path | None = None
    key: str = ""
    callbacks: Sequence[Callable[[int, BeatNetwork], None]] = ()

    @property
    def training(self) -> TrainingSettings:
        """The section ``training``."""
        return TrainingSettings(**self.settings["training"])

    @property
    def noise(self) -> list[NoiseSource]:
        """Noise to add, of the part ``train``."""
        signal = self.settings["signal"]
        band_hz = tuple(signal["band_hz"])
        return noise_sources(self.shards, "train", self.spec.geometry.fs, band_hz, self.settings["seed"])

    @property
    def network_config(self) -> NetworkConfig:
        """Sizes of the network."""
        return NetworkConfig(
            settings=ModelSettings(**self.settings["model"]),
            n_classes=len(self.spec.classes),
            beat_length=self.spec.geometry.length,
            n_rr=len(self.spec.beats.rr_features),
            n_similarity=self.spec.bank.n_features,
            context=self.spec.beats.context,
        )


@dataclass(frozen=True)
class TrainedModel:
    """What training gives.

    Attributes
    ----------
    network
        In evaluation mode on `device`, with the weights of the last epoch.
    history
        One row an epoch (`beatlens.learning.training.HISTORY_COLUMNS`).
    training_set
        What it learnt from.
    device
        ``cpu`` or ``cuda``.
    """

    network: BeatNetwork
    history: list[dict[str, float]]
    training_set: TrainingSet
    device: str


def train_model(job: TrainingJob) -> TrainedModel:
    """Train a network."""
    device = choose_device(job.settings["device"])
    make_deterministic(job.settings["compute_threads"], device)
    training = TrainingSet(job.shards, job.records, "train", job.spec)
    logger.info(
        "training on %s: %d records, beats of each class %s, %d prototypes",
        device,
        len(training.records),
        dict(zip(job.spec.classes, training.class_counts.tolist(), strict=True)),
        len(job.spec.bank),
    )
    network, history = train(
        training,
        job.network_config,
        job.training,
        noise=job.noise,
        seed=job.settings["seed"],
        device=device,
        select_score=SelectScorer(job.shards, job.records, job.spec, device),
        state_path=job.state_path,
        key=job.key,
        callbacks=job.callbacks,
    )
    return TrainedModel(network, history, training, device)


def fold_state(state_path: Path, fold: int) -> Path:
    """Return where the state of the network that leaves out a fold is kept."""
    return state_path.with_name(f"{state_path.stem}_fold{fold}{state_path.suffix}")


def held_out_tables(records: pd.DataFrame, classes: Sequence[str], settings: Mapping[str, Any]) -> list[pd.DataFrame]:
    """Return for each network that is run over unseen patients the table of records in which these are set aside.

    With ``training.folds`` of 2 or more these are the networks of `train_fold`, otherwise the trained network.

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


def held_out_of(job: TrainingJob, trained: TrainedModel) -> HeldOut:
    """Run a network over the patients set aside in its job's table of records (`beatlens.learning.held_out`)."""
    return held_out_outputs(
        job.shards,
        job.records,
        job.spec,
        network=trained.network,
        noise=job.noise,
        noise_settings=job.training.noise,
        seed=job.settings["seed"],
        device=trained.device,
    )


def train_fold(job: TrainingJob, fold: int) -> HeldOut:
    """Train a network without a fold of the training patients, of ``training.folds``, and run it over them.

    Its prototypes are those of the other patients. What `held_out_tables` raises is raised before any training.
    """
    table = held_out_tables(job.records, job.spec.classes, job.settings)[fold]
    without = replace(job, records=table, spec=spec_without(job.spec, table))
    return held_out_of(without, train_model(without))


def train_with_held_out(job: TrainingJob) -> tuple[TrainedModel, HeldOut]:
    """Do in one process what the workflow's jobs do: `train_model`, and what networks say of patients not seen.

    What `held_out_tables` raises is raised before any training.
    """
    held_out_tables(job.records, job.spec.classes, job.settings)
    path = job.state_path
    parts = [
        train_fold(replace(job, state_path=fold_state(path, fold) if path is not None else None), fold)
        for fold in range(job.settings["training"]["folds"])
    ]
    trained = train_model(job)
    return trained, HeldOut.joined(parts or [held_out_of(job, trained)])


def history_table(history: Sequence[Mapping[str, float]]) -> pd.DataFrame:
    """Return the history as a table, one row an epoch."""
    import pandas as pd

    return pd.DataFrame(list(history), columns=list(HISTORY_COLUMNS))


def model_description(job: TrainingJob, trained: TrainedModel) -> dict[str, Any]:
    """Return the JSON object beside the weights: sizes, settings, training summary, split, versions."""
    return {
        "network": trained.network.config.to_json(),
        "settings": {name: job.settings[name] for name in TRAINING_SECTIONS},
        "saved_epoch": job.settings["training"]["epochs"],
        "device": trained.device,
        "training": summary(trained.network, trained.training_set),
        "split": split_listing(job.records),
        "corpora_digest": records_digest(job.records),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python, beatlens and the numeric packages."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "beatlens": __version__, **found}
