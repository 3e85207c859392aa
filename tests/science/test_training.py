"""Mining, training, calibration and inference on records whose classes are planted."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import beatlens.prediction.predict
from beatlens.beats.settings import BeatSettings
from beatlens.core.files import read_json
from beatlens.inputs.labelled_records import records_of_split, split_beats
from beatlens.inputs.network_inputs import prepare_record
from beatlens.learning.augmentation import Augmentation
from beatlens.learning.batches import TrainingSet
from beatlens.learning.held_out import HeldOut, fold_tables, noisy_gate, spec_without
from beatlens.learning.make_bundle import bundle_model
from beatlens.learning.simulated_rhythm import RhythmPool
from beatlens.learning.train_and_bundle import (
    TrainingJob,
    fold_state,
    input_spec,
    model_description,
    train_model,
    train_with_held_out,
)
from beatlens.models.build import network_to_arrays
from beatlens.prediction.bundle import Bundle
from beatlens.prediction.bundle_file import SCHEMA_VERSION
from beatlens.prediction.predict import predict_beats
from beatlens.prototypes.library import PrototypeLibrary
from beatlens.prototypes.mining import PrototypeSettings, mine
from beatlens.shards.shard import BeatGeometry, Shard
from beatlens.signals.added_noise import NoiseSettings, noise_sources

LEADS = {
    "1": ("II", "V1"), "2": ("II", "V1"), "3": ("V5", "II"), "4": ("II",), "5": ("II", "V1"), "6": ("II", "V5"),
    "7": ("II", "V1"), "8": ("V1", "II"), "9": ("II", "V1"), "10": ("II",), "11": ("II", "V1"), "12": ("II", "V1"),
}  # fmt: skip
SPLITS = ["train"] * 7 + ["select"] + ["calibrate"] * 2 + ["test"] * 2


@pytest.fixture(scope="module")
def settings(config):
    value = copy.deepcopy(config)
    value |= {"classes": ["N", "S", "V"], "leads": ["II", "V1", "V5"], "device": "cpu", "compute_threads": 1}
    value["signal"]["fs"] = 100
    value["model"] |= {"channels": [8, 12, 16], "embedding": 16, "lstm_hidden": 16, "head_hidden": 16}
    value["training"] |= {"epochs": 8, "batch_beats": 64, "learning_rate": 0.01}
    value["prototypes"] |= {"per_class": 4}
    return value


@pytest.fixture(scope="module")
def planted(tmp_path_factory, plant_shards, settings):
    folder = tmp_path_factory.mktemp("planted")
    return plant_shards(folder, LEADS, BeatSettings(**settings["beats"]), n_shards=2, n_beats=90)


@pytest.fixture(scope="module")
def records(planted):
    table = pd.concat([shard.records for shard in planted], ignore_index=True)
    table["split"] = table["patient"].map(dict(zip(LEADS, SPLITS, strict=True)))
    table["n_beats"] = 90
    for name in "NSV":
        beats = pd.concat([shard.beats() for shard in planted], ignore_index=True)
        counts = beats[beats["label"] == name].groupby("record").size()
        table[f"n_{name}"] = table["record"].map(counts).fillna(0).astype(int)
    return table.sort_values("record").reset_index(drop=True)


def mined(shards, records, settings):
    beats = BeatSettings(**settings["beats"])
    geometry = BeatGeometry.from_seconds(settings["signal"]["fs"], beats.before_s, beats.after_s)
    return mine(
        shards, records, classes=tuple(settings["classes"]), leads=tuple(settings["leads"]),
        geometry=geometry, beats=beats,
        settings=PrototypeSettings(**settings["prototypes"]), seed=settings["seed"],
    )  # fmt: skip


@pytest.fixture(scope="module")
def library(planted, records, settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    mined(planted, records, settings).save(folder / "library.csv", folder / "waves.npz")
    return folder / "library.csv", folder / "waves.npz"


@pytest.fixture(scope="module")
def spec(settings, library):
    return input_spec(settings, *library)


@pytest.fixture(scope="module")
def trained(planted, records, spec, settings):
    return train_with_held_out(TrainingJob(planted, records, spec, settings))


@pytest.fixture(scope="module")
def bundle(planted, records, spec, settings, trained, tmp_path_factory):
    model, held_out = trained
    description = model_description(TrainingJob(planted, records, spec, settings), model)
    description = json.loads(json.dumps(description))
    scales = pd.concat([shard.records for shard in planted])
    made = bundle_model(
        records,
        spec,
        weights=network_to_arrays(model.network),
        model=description,
        held_out=held_out,
        settings=settings,
        scales=scales,
    )
    made.save(tmp_path_factory.mktemp("model") / "bundle")
    return made


def predictions(shards, records, bundle, peaks="detected"):
    splits = dict(zip(zip(records["corpus"], records["record"], strict=True), records["split"], strict=True))
    network = bundle.network()
    tables = [predict_beats(shard, shard.beats(peaks), splits, bundle, network) for shard in shards]
    return pd.concat(tables, ignore_index=True)


def test_prototypes_are_clean_beats_of_training_patients(planted, records, settings, library):
    loaded = PrototypeLibrary.load(*library)
    table = loaded.table
    train = set(records.loc[records["split"] == "train", "patient"])
    assert set(table["patient"]) <= train
    assert table.groupby("class").size().to_dict() == {"N": 4, "S": 4, "V": 4}
    assert table.groupby(["class", "patient"]).size().max() <= settings["prototypes"]["max_per_patient"]
    beats = pd.concat([shard.beats() for shard in planted]).set_index("beat_id").loc[table["beat_id"]]
    assert (beats["label"].to_numpy() == table["class"].to_numpy()).all()
    assert not beats["annotated_noise"].any()
    assert (table.loc[table["class"] == "V", "purity"].dropna() > 0.7).all()
    assert (
        table.loc[table["class"] == "S", "mean_rr_before_s"].max()
        < table.loc[table["class"] == "N", "mean_rr_before_s"].min()
    )
    shard = next(shard for shard in planted if (table["corpus"][0], table["record"][0]) in shard)
    rows = shard.beats()
    wave = shard.waveforms(rows[rows["beat_id"] == table["beat_id"][0]], loaded.bank.leads, BeatGeometry(100.0, 25, 40))
    np.testing.assert_allclose(np.nan_to_num(wave[0]), loaded.bank.waves[0] * loaded.scale[0][:, None], atol=1e-6)


def test_a_class_of_one_beat_has_a_prototype(tmp_path, plant_shards, settings):
    shards = plant_shards(tmp_path, {"1": ("II",)}, BeatSettings(**settings["beats"]), n_beats=5, classes=("N", "V"))
    table = shards[0].records.assign(split="train", n_beats=5)
    beats = shards[0].beats()
    assert (beats["label"] == "V").sum() >= 1
    library = mined(shards, table, settings)
    assert set(library.bank.labels) == {"N", "V"}
    with pytest.raises(ValueError, match="no clean training beat"):
        mined(shards, table.assign(split="test"), settings)


def test_a_planted_leak_of_own_patient_prototypes_changes_no_training_input(planted, records, spec):
    own = TrainingSet(planted, records, "train", spec)
    leaked = own.records[0]
    bank = spec.bank
    waves = np.zeros((20, *bank.waves.shape[1:]), dtype=np.float32)
    waves[:, leaked.lead_index] = leaked.waves(0, 20)
    more = bank.__class__(
        np.concatenate([bank.waves, waves]),
        np.concatenate([bank.present, np.isin(np.arange(3), leaked.lead_index)[None].repeat(20, 0)]),
        bank.leads,
        bank.classes,
        np.concatenate([bank.labels, np.array(bank.classes)[leaked.target[:20]]]),
        np.concatenate([bank.patients, np.full(20, leaked.record.patient)]),
        np.concatenate([bank.beat_ids, [f"leak{k}" for k in range(20)]]),
        bank.top_similar,
    )
    open_spec = spec.__class__(spec.classes, spec.leads, spec.geometry, spec.beats, more)
    runs = [(0, 0, 20), (1, 0, 20)]
    rng = np.random.default_rng(0)
    clean = own.batch(runs, rng).similarity
    found = TrainingSet(planted, records, "train", open_spec).batch(runs, rng).similarity
    np.testing.assert_allclose(found[:20], clean[:20], atol=1e-6)
    assert clean[:20].max() < 1 - 1e-4
    assert (found[20:] >= clean[20:] - 1e-6).all()
    assert (found[20:] > clean[20:] + 1e-4).any()  # other patients do see them


def test_training_beats_are_labelled_beats_of_training_patients_alone(planted, records, spec):
    training = TrainingSet(planted, records, "train", spec)
    assert {record.record.patient for record in training.records} == {f"planted/{k}" for k in range(1, 8)}
    beats = pd.concat([shard.beats() for shard in planted])
    labels = beats[beats["patient"].isin([str(k) for k in range(1, 8)])]["label"]
    assert dict(zip(spec.classes, training.class_counts.tolist(), strict=True)) == labels.value_counts().to_dict()
    rng = np.random.default_rng(0)
    settings = Augmentation(NoiseSettings(0.0, (-6.0, 24.0), 0.0, 6.0), 0.1, 0.5)
    seen = [
        batch.target for batch in training.batches(64, rng, noise_sources([], "train", 100.0, (0.5, 45.0), 1), settings)
    ]
    np.testing.assert_array_equal(np.bincount(np.concatenate(seen)), training.class_counts)  # each once an epoch


def test_batches_hold_the_beats_they_say(planted, records, spec):
    training = TrainingSet(planted, records, "train", spec)
    batch = training.batch([(2, 30, 50), (0, 0, 10)], np.random.default_rng(0))
    record = training.records[2]
    k = 7  # target 37 of record 2
    rows = batch.windows[k, : batch.lengths[k]]
    assert batch.target[k] == record.target[37]
    for slot, beat in zip(rows, range(35, 40), strict=True):
        for lead in range(2):
            pair = np.flatnonzero((batch.row == slot) & (batch.lead_ids[batch.column] == [1, 10][lead]))
            np.testing.assert_array_equal(batch.waves[pair[0]], record.waves(beat, beat + 1)[0, lead])
        np.testing.assert_array_equal(batch.rr[slot], record.record.rr[beat])


def test_augmentation_drops_a_lead_only_where_there_are_several(planted, records, spec):
    training = TrainingSet(planted, records, "train", spec)
    quiet = NoiseSettings(0.0, (-6.0, 24.0), 0.0, 6.0)
    rng = np.random.default_rng(0)
    for k, record in enumerate(training.records):
        batch = training.batch([(k, 10, 30)], rng, (), Augmentation(quiet, 0.3, 1.0))
        assert (np.bincount(batch.row) == 1).all()
        own = record.waves(8, 32)
        kept = [
            j
            for j in range(len(record.record.leads))
            if np.corrcoef(own[:, j].ravel(), batch.waves.ravel())[0, 1] > 0.9999
        ]
        assert kept
        gain = (batch.waves / own[:, kept[0]])[np.abs(own[:, kept[0]]) > 0.3]
        assert gain.std() < 1e-5
        assert gain.mean() != pytest.approx(1.0, abs=1e-4)


def test_only_runs_of_normal_beats_get_a_simulated_rhythm(planted, records, spec):
    training = TrainingSet(planted, records, "train", spec)
    quiet = NoiseSettings(0.0, (-6.0, 24.0), 0.0, 6.0)
    augmentation = Augmentation(quiet, rhythm_fraction=1.0)
    rhythms = RhythmPool.draw(spec.beats, np.random.default_rng(1))
    normal, premature = spec.classes.index("N"), spec.classes.index("S")
    kinds = set()
    for k, record in enumerate(training.records):
        for start in range(4, len(record.target) - 8, 5):
            batch = training.batch([(k, start, start + 4)], np.random.default_rng(start), (), augmentation, rhythms)
            low, high = start - 2, start + 6  # the context is of five beats
            own = np.array_equal(batch.rr, record.record.rr[low:high])
            kinds.add(own)
            assert own == (record.target[low:high] != normal).any()
            if own:
                np.testing.assert_array_equal(batch.target, record.target[start : start + 4])
                assert batch.competing.all()
            else:
                assert set(batch.target) <= {normal, premature}
                assert (np.flatnonzero(batch.competing.all(axis=0)) == [normal, premature]).all()
    assert kinds == {True, False}
    other = TrainingSet(planted, records, "train", replace(spec, look_alikes=None))
    with pytest.raises(ValueError, match=r"look_alikes.rhythm_classes are \[\]; expected a normal and a premature"):
        list(other.batches(64, np.random.default_rng(0), (), augmentation))


def test_training_and_inference_see_the_same_typical_beat(planted, records, spec):
    training = TrainingSet(planted, records, "train", spec)
    for shard, table in split_beats(planted, records_of_split(records, "train")):
        inputs = prepare_record(shard, table, spec)
        own = next(record for record in training.records if record.record.patient == inputs.record.patient)
        np.testing.assert_allclose(own.typical(), inputs.record.typical, atol=1e-6)
        np.testing.assert_allclose(inputs.record.typical, np.median(inputs.waves, axis=0), atol=1e-6)
        np.testing.assert_allclose(own.typical(3)[:, :-3], own.typical()[:, 3:], atol=1e-6)
        np.testing.assert_array_equal(own.waves(5, 6, 3)[:, :, :-3], own.waves(5, 6)[:, :, 3:])


def test_a_random_filter_changes_beats_and_typical_beat_alike():
    rng = np.random.default_rng(4)
    waves = rng.normal(size=(6, 2, 90)).astype(np.float32)
    typical = waves.mean(axis=0)
    waves[0] = typical
    augmentation = Augmentation(NoiseSettings(0.1, (0.0, 6.0), 0.0, 6.0), shape_jitter=0.5)
    shaped, usual = augmentation.reshape(waves, typical, np.random.default_rng(1))
    np.testing.assert_allclose(shaped[0], usual, atol=1e-5)
    np.testing.assert_allclose(np.ptp(usual, axis=1), np.ptp(typical, axis=1), rtol=1e-4)
    mixed, _ = augmentation.reshape(0.3 * waves[1:2] + 0.7 * waves[2:3], typical, np.random.default_rng(1))
    np.testing.assert_allclose(mixed[0], 0.3 * shaped[1] + 0.7 * shaped[2], atol=1e-4)
    assert np.abs(usual - typical).max() > 0.1
    impulse = np.zeros((1, 1, 90), dtype=np.float32)
    impulse[0, 0, 45] = 1.0
    response = np.flatnonzero(augmentation.reshape(impulse, impulse[0], rng)[0])
    assert (response.min(), response.max()) == (45 - 8, 45 + 8)


def test_the_network_learns_what_was_planted(planted, records, bundle):
    found = predictions(planted, records, bundle)
    beats = pd.concat([shard.beats() for shard in planted], ignore_index=True)
    test = found[(found["split"] == "test") & ~beats["annotated_noise"]]
    for name in "NSV":
        hit = ((test["label"] == name) & (test["pred"] == name)).sum()
        f1 = 2 * hit / ((test["label"] == name).sum() + (test["pred"] == name).sum())
        assert f1 > 0.9, name
    np.testing.assert_allclose(found[["p_N", "p_S", "p_V"]].sum(axis=1), 1.0, atol=1e-6)
    assert (found["pred"] == found[["p_N", "p_S", "p_V"]].idxmax(axis=1).str[2:]).all()
    assert (found["review"] == (found["reason"] != "")).all()
    assert found["beat_id"].tolist() == beats["beat_id"].tolist()
    assert found["label"].tolist() == beats["label"].tolist()


def test_predictions_depend_neither_on_chunks_nor_on_shards(
    planted, records, bundle, resize, tmp_path, plant_shards, settings
):
    expected = predictions(planted, records, bundle).set_index("beat_id")
    resize("CHUNK_BEATS", 17)
    other = plant_shards(tmp_path, LEADS, BeatSettings(**settings["beats"]), n_shards=3, n_beats=90)
    found = predictions(other, records, bundle).set_index("beat_id").loc[expected.index]
    numbers = ["p_N", "p_S", "p_V", "p_noise", "distance"]
    np.testing.assert_allclose(found[numbers], expected[numbers], atol=1e-6)
    assert found[["pred", "review", "reason"]].equals(expected[["pred", "review", "reason"]])


def test_training_is_the_same_twice_and_after_a_kill(planted, records, spec, settings, tmp_path, trained):
    short = copy.deepcopy(settings)
    short["training"]["epochs"] = 3
    model = train_model(TrainingJob(planted, records, spec, short))
    network, history = model.network, model.history
    expected = network_to_arrays(network)

    class Kill(Exception):
        pass

    def die(epoch):
        def callback(done, network):
            if done == epoch:
                raise Kill

        return callback

    state = tmp_path / "state.npz"
    with pytest.raises(Kill):
        train_model(TrainingJob(planted, records, spec, short, state, "a", callbacks=[die(3)]))
    assert state.exists()
    resumed = train_model(TrainingJob(planted, records, spec, short, state, "a"))
    for name, value in network_to_arrays(resumed.network).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    assert resumed.history == history
    state.unlink()
    with pytest.raises(Kill):
        train_model(TrainingJob(planted, records, spec, short | {"seed": 2}, state, "another", callbacks=[die(3)]))
    anew = train_model(TrainingJob(planted, records, spec, short, state, "a")).network  # never resumed on a mismatch
    np.testing.assert_array_equal(network_to_arrays(anew)["head.1.weight"], expected["head.1.weight"])


def test_mixed_precision_learns_the_same_and_leaves_float32(planted, records, spec, settings, trained):
    mixed = copy.deepcopy(settings)
    mixed["training"]["precision"] = "bfloat16"
    model = train_model(TrainingJob(planted, records, spec, mixed))
    network, history = model.network, model.history
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    found, expected = history[-1], trained[0].history[-1]
    assert found["class_loss"] != expected["class_loss"]
    assert found["class_loss"] == pytest.approx(expected["class_loss"], abs=0.05)
    assert found["select_macro_f1"] > 0.9


def test_the_history_is_that_of_the_saved_weights(planted, records, spec, trained):
    from beatlens.learning.train_and_bundle import SelectScorer

    network, history = trained[0].network, trained[0].history
    assert [row["epoch"] for row in history] == list(range(1, 9))
    assert SelectScorer(planted, records, spec, "cpu")(network) == history[-1]["select_macro_f1"]
    assert history[-1]["loss"] < history[0]["loss"]


def test_the_gate_tells_noise_of_test_patients(planted, records, bundle):
    sources = noise_sources([], "test", 100.0, (0.5, 45.0), 1)
    settings = NoiseSettings(0.4, (-3.0, 0.0), 0.0, 6.0)
    gate, noisy = noisy_gate(
        TrainingSet(planted, records, "test", bundle.spec), bundle.network(),
        noise=sources, noise_settings=settings, seed=3, device="cpu",
    )  # fmt: skip
    assert 20 < noisy.sum() < len(noisy)
    louder = gate[noisy][:, None] > gate[~noisy][None]
    assert louder.mean() > 0.9  # area under the ROC curve


def test_without_calibration_patients_the_bundle_says_what_is_missing(planted, records, spec, settings, trained):
    model, held_out = trained
    moved = records.assign(split=records["split"].replace({"calibrate": "none"}))
    job = TrainingJob(planted, moved, spec, settings)
    with pytest.raises(ValueError, match="'calibrate'"):
        train_with_held_out(job)
    description = model_description(job, model)
    with pytest.raises(ValueError, match="expected those of the training"):
        bundle_model(
            records,
            spec,
            weights=network_to_arrays(model.network),
            model=description,
            held_out=held_out,
            settings=settings,
            scales=records,
        )


def test_cross_fitting_never_shows_a_network_the_patients_it_is_run_on(planted, records, spec, settings, tmp_path):
    crossed = records.assign(split=records["split"].replace({"calibrate": "train"}))
    short = settings | {"training": settings["training"] | {"folds": 3, "epochs": 2}}
    tables = fold_tables(crossed, "NSV", 3, settings["seed"])
    held = [set(table.loc[table["split"] == "calibrate", "patient"]) for table in tables]
    assert set.union(*held) == set(crossed.loc[crossed["split"] == "train", "patient"])
    assert sum(map(len, held)) == len(set.union(*held))
    for table, own in zip(tables, held, strict=True):
        bank = spec_without(spec, table).bank
        assert len(bank)
        assert not {name.partition("/")[2] for name in bank.patients} & own
    state = tmp_path / "state.npz"
    job = TrainingJob(planted, crossed, spec, short, state, "a")
    _, first = train_with_held_out(job)
    assert sorted(tmp_path.iterdir()) == sorted([state, *(fold_state(state, k) for k in range(3))])
    assert sorted(set(first.patient)) == sorted(f"planted/{patient}" for patient in set.union(*held))
    _, again = train_with_held_out(job)  # from the states: nothing is trained
    for name, value in first.to_arrays().items():
        np.testing.assert_array_equal(again.to_arrays()[name], value, err_msg=name)
    assert HeldOut.from_arrays(first.to_arrays()).logits is first.logits
    with pytest.raises(ValueError, match="set aside"):
        fold_tables(records, "NSV", 3, 1)


def test_without_training_patients_training_says_what_is_missing(planted, records, spec, settings):
    with pytest.raises(ValueError, match="no labelled training beat"):
        train_model(TrainingJob(planted, records.assign(split="none"), spec, settings))


def test_a_bundle_reads_as_written_without_torch_and_refuses_damage(bundle, settings, tmp_path):
    bundle.save(tmp_path / "bundle")
    code = (
        "import sys; sys.modules['torch'] = None; from beatlens.prediction.bundle import Bundle; import numpy as np;"
        "bundle = Bundle.load(sys.argv[1]);"
        "print(bundle.calibrated_probabilities(np.zeros((1, 3))).sum(), len(bundle.bank));"
        "import beatlens.prediction.predict, beatlens.prototypes.mining;"
        "import beatlens.prediction.strips, beatlens.shards.joined_predictions"
    )
    source = Path(beatlens.prediction.predict.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "bundle")],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(source)},
    )
    assert done.returncode == 0, done.stderr
    total, prototypes = done.stdout.split()
    assert float(total) == pytest.approx(1.0)
    assert prototypes == "12"
    loaded = Bundle.load(tmp_path / "bundle")
    assert loaded.thresholds == bundle.thresholds
    assert loaded.calibration == bundle.calibration
    assert loaded.network_config == bundle.network_config
    assert loaded.provenance == bundle.provenance
    assert loaded.provenance["split"]["train"] == sorted(f"planted/{k}" for k in range(1, 8))
    for name, value in bundle.weights.items():
        np.testing.assert_array_equal(loaded.weights[name], value)
    data = bytearray((tmp_path / "bundle" / "weights.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "bundle" / "weights.npz").write_bytes(bytes(data))
    with pytest.raises(ValueError, match=r"weights\.npz: sha256"):
        Bundle.load(tmp_path / "bundle")
    assert read_json(tmp_path / "bundle" / "bundle.json")["schema_version"] == SCHEMA_VERSION
    assert (loaded.origin, loaded.familiar) == (bundle.origin, bundle.familiar)
    assert dict(loaded.origin.beats) == loaded.provenance["training"]["n_beats"]
    assert {**loaded.rpeaks, "match_s": settings["rpeaks"]["match_s"]} == settings["rpeaks"]
    assert loaded.quality == settings["quality"]
    assert loaded.spec.look_alikes == bundle.spec.look_alikes is not None


def test_a_shard_without_beats_gives_an_empty_table(tmp_path, plant_shards, records, bundle, settings):
    shards = plant_shards(tmp_path, {"1": ("II",)}, BeatSettings(**settings["beats"]), n_beats=4)
    full = predict_beats(shards[0], shards[0].beats(), {("planted", "r1"): "test"}, bundle, bundle.network())
    empty = predict_beats(shards[0], shards[0].beats().iloc[:0], {}, bundle, bundle.network())
    assert len(empty) == 0
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()
    assert isinstance(shards[0], Shard)
