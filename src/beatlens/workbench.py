"""From configuration sections and files to a trained model and its bundle: what the programs train and bundle share."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens import __version__
from beatlens.batches import TrainingSet
from beatlens.beats import RR_FEATURES, BeatSettings
from beatlens.bundle import Bundle
from beatlens.calibration import calibrate
from beatlens.dataset import records_of_split, split_beats
from beatlens.inference import network_outputs
from beatlens.inputs import InputSpec, prepare_record
from beatlens.models.build import choose_device, make_deterministic, network_from_arrays
from beatlens.models.hybrid import HybridNet
from beatlens.models.settings import ModelSettings, NetworkConfig
from beatlens.noise import noise_sources
from beatlens.objective import macro_f1
from beatlens.prototypes.library import PrototypeLibrary
from beatlens.review import ReviewSettings
from beatlens.shards import BeatGeometry, Shard
from beatlens.training import HISTORY_COLUMNS, TrainingSettings, summary, train

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

TRAINING_SECTIONS = ("model", "training", "beats", "classes", "leads", "signal", "seed", "device", "compute_threads")
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
        self.tables = list(split_beats(shards, records_of_split(records, "select")))

    def __call__(self, network: HybridNet) -> float:
        """Score a network in evaluation mode."""
        targets, predictions = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
        for shard, table in self.tables:
            logits, _, _ = network_outputs(prepare_record(shard, table, self.spec), self.spec, network, self.device)
            labels = table["label"].to_numpy()
            rows = np.flatnonzero(np.isin(labels, list(self.spec.classes)))
            targets.append(np.array([self.spec.classes.index(label) for label in labels[rows]], dtype=np.int64))
            predictions.append(logits[rows].argmax(axis=1))
        return macro_f1(np.concatenate(targets), np.concatenate(predictions))


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
        n_rr=len(RR_FEATURES),
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
    signal = settings["signal"]
    noise = noise_sources(shards, "train", spec.geometry.fs, tuple(signal["band_hz"]), settings["seed"])
    network, history = train(
        training,
        config,
        training_settings,
        noise,
        settings["seed"],
        device,
        SelectScorer(shards, records, spec, device),
        state_path,
        key,
    )
    return network, history, training, device


def history_table(history: Sequence[Mapping[str, float]]) -> pd.DataFrame:
    """Return the history as a table, one row an epoch."""
    import pandas as pd

    return pd.DataFrame(list(history), columns=list(HISTORY_COLUMNS))


def split_listing(records: pd.DataFrame) -> dict[str, list[str]]:
    """Return the ``corpus/patient`` of each split, sorted."""
    return {
        str(split): sorted(
            {f"{corpus}/{patient}" for corpus, patient in zip(own["corpus"], own["patient"], strict=True)}
        )
        for split, own in records[records["role"] != "noise"].groupby("split")
    }


def records_digest(records: pd.DataFrame) -> str:
    """Return a sha256 of which records of which patients with how many beats were in which split."""
    columns = ["corpus", "record", "patient", "role", "split", "n_beats", "duration_s"]
    rows = records.sort_values(["corpus", "record"])[columns]
    return hashlib.sha256(rows.to_csv(index=False).encode()).hexdigest()


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


def bundle_model(
    shards: Sequence[Shard],
    records: pd.DataFrame,
    spec: InputSpec,
    weights: Mapping[str, npt.NDArray[Any]],
    model: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> Bundle:
    """Calibrate a trained model and make its bundle.

    Parameters
    ----------
    shards, records
        All shards and the table ``records.tsv``.
    spec
        How inputs are made.
    weights, model
        What training wrote.
    settings
        Section ``review`` of the configuration.

    Raises
    ------
    ValueError
        Where the records aren't those of the training.
    """
    digest = records_digest(records)
    if digest != model["corpora_digest"]:
        raise ValueError(f"records of digest {digest}; expected those of the training, {model['corpora_digest']}")
    trained = model["settings"]
    device = choose_device(trained["device"])
    make_deterministic(trained["compute_threads"], device)
    config = NetworkConfig.from_json(model["network"])
    seed = int(trained["seed"])
    noise = noise_sources(shards, "train", spec.geometry.fs, tuple(trained["signal"]["band_hz"]), seed)
    calibration, thresholds, conformal, reached = calibrate(
        shards,
        records,
        spec,
        network_from_arrays(config, weights, device),
        noise,
        TrainingSettings(**trained["training"]).noise,
        ReviewSettings(**settings["review"]),
        seed,
        device,
    )
    provenance = {
        "seed": seed,
        "saved_epoch": model["saved_epoch"],
        "training_settings": trained["training"],
        "review_settings": settings["review"],
        "training": model["training"],
        "training_device": model["device"],
        "calibration": reached,
        "split": model["split"],
        "corpora_digest": digest,
        "versions": model["versions"],
    }
    return Bundle(spec, config, weights, calibration, thresholds, conformal, trained["signal"], provenance)
