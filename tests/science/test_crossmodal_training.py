"""The cross-modal network learns planted classes, and its bundle says the same after it was written and read."""

from __future__ import annotations

import copy
import json

import numpy as np
import pandas as pd
import pytest
import torch

from beatlens.alerts.find import embed
from beatlens.beats.settings import BeatSettings
from beatlens.evaluate.probes.sanity import randomised
from beatlens.learning.make_bundle import bundle_model
from beatlens.learning.train_and_bundle import TrainingJob, input_spec, model_description, train_with_held_out
from beatlens.models.build import network_to_arrays
from beatlens.models.crossmodal import CrossModalNet
from beatlens.prediction.bundle import Bundle
from beatlens.prediction.predict import predict_beats
from beatlens.prototypes.mining import PrototypeSettings, mine
from beatlens.shards.shard import BeatGeometry

LEADS = {"1": ("II", "V1"), "2": ("V5", "II"), "3": ("II",), "4": ("II", "V1"), "5": ("II", "V1"), "6": ("II", "V1")}
SPLITS = dict(zip(LEADS, ["train"] * 4 + ["calibrate", "test"], strict=True))


@pytest.fixture(scope="module")
def settings(config):
    value = copy.deepcopy(config)
    value |= {"classes": ["N", "S", "V"], "leads": ["II", "V1", "V5"], "device": "cpu", "compute_threads": 1}
    value["signal"]["fs"] = 100
    value["model"] |= {"name": "crossmodal", "members": 1, "channels": [8, 12, 16], "embedding": 16, "head_hidden": 16}
    value["training"] |= {"epochs": 5, "batch_beats": 64, "learning_rate": 0.01}
    value["prototypes"] |= {"per_class": 3}
    return value


@pytest.fixture(scope="module")
def run(tmp_path_factory, plant_shards, settings):
    """Train and bundle; return shards, records, bundle and the folder where it lies."""
    folder, beats = tmp_path_factory.mktemp("crossmodal"), BeatSettings(**settings["beats"])
    shards = plant_shards(folder, LEADS, beats, n_shards=1, n_beats=45)
    table = pd.concat([shard.beats() for shard in shards])
    records = shards[0].records.assign(n_beats=45)
    records["split"] = records["patient"].map(SPLITS)
    for name in settings["classes"]:
        counts = table[table["label"] == name].groupby("record").size()
        records[f"n_{name}"] = records["record"].map(counts).fillna(0).astype(int)
    library = mine(
        shards, records, classes=tuple(settings["classes"]), leads=tuple(settings["leads"]),
        geometry=BeatGeometry.from_seconds(100, beats.before_s, beats.after_s), beats=beats,
        settings=PrototypeSettings(**settings["prototypes"]), seed=1,
    )  # fmt: skip
    library.save(folder / "library.csv", folder / "waves.npz")
    spec = input_spec(settings, folder / "library.csv", folder / "waves.npz")
    job = TrainingJob(shards, records, spec, settings)
    trained, held_out = train_with_held_out(job)
    bundle = bundle_model(
        records,
        spec,
        weights=network_to_arrays(trained.network),
        model=json.loads(json.dumps(model_description(job, trained))),
        held_out=held_out,
        settings=settings,
        scales=shards[0].records,
    )
    bundle.save(folder / "bundle")
    return shards, records, bundle, folder / "bundle"


def predict(shards, records, bundle):
    splits = dict(zip(zip(records["corpus"], records["record"], strict=True), records["split"], strict=True))
    return pd.concat([predict_beats(shard, shard.beats(), splits, bundle, bundle.network()) for shard in shards])


def test_it_learns_and_its_bundle_is_read_as_it_was_written(run):
    shards, records, bundle, folder = run
    loaded = Bundle.load(folder)
    assert loaded.network_config == bundle.network_config
    assert isinstance(loaded.network(), CrossModalNet)
    first, second = predict(shards, records, bundle), predict(shards, records, loaded)
    pd.testing.assert_frame_equal(first, second)
    unseen = first[(first["split"] != "train") & (first["label"] != "")]
    assert (unseen["pred"] == unseen["label"]).mean() > 0.85


def test_beats_have_embeddings_of_the_bundles_size(run):
    _, _, bundle, _ = run
    waves = np.random.default_rng(0).normal(size=(5, 2, bundle.geometry.length)).astype(np.float32)
    found = embed(waves, waves[0], [1, 6], bundle.network())
    assert found.shape == (5, bundle.network_config.embedding_size)
    one = embed(waves[:, :1], waves[0, :1], [1], bundle.network())
    assert not np.allclose(found, one)


def test_every_part_can_be_randomised(run):
    network = run[2].network()
    other = randomised(network, network.parts, 5)
    same = {name for name, value in other.state_dict().items() if torch.equal(value, network.state_dict()[name])}
    assert all(name.startswith(("rr_", "place.", "rhythm.")) or name.endswith("bias") for name in same), same
