"""The label-free space, the validation of prototypes, seed mining and the small functions to look at a library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from beatlens.beats.rr_intervals import RR_COLUMNS
from beatlens.beats.settings import BeatSettings
from beatlens.figures.paper.scale import PaperScale
from beatlens.figures.space import space_figure
from beatlens.figures.templates import template_figure
from beatlens.inputs.labelled_records import split_beats
from beatlens.inputs.network_inputs import InputSpec, prepare_record
from beatlens.prototypes.mining import PrototypeSettings, mine, training_patients
from beatlens.prototypes.seeds import seed_bank, similar_beats
from beatlens.prototypes.settings.library import LibrarySettings
from beatlens.prototypes.space import BeatSample, FeatureSpace, beat_map, cluster_table, fit_space
from beatlens.prototypes.space import sample_beats as take_sample
from beatlens.prototypes.templates import ClassTemplates, class_templates
from beatlens.prototypes.validation import summarise, validate
from beatlens.shards.shard import BeatGeometry
from beatlens.workbench.run import open_run

ROOT = Path(__file__).parents[2]
CLASSES = ("N", "S", "V")


@pytest.fixture(scope="module")
def settings(config):
    return LibrarySettings(**config["library"])


@pytest.fixture(scope="module")
def world(tmp_path_factory, plant_shards, config):
    folder = tmp_path_factory.mktemp("run")
    leads = ("II", "V1")
    beats = BeatSettings(**config["beats"])
    shards = plant_shards(folder / "preprocess", {str(k): leads for k in range(5)}, beats)
    records = pd.concat([shard.records for shard in shards], ignore_index=True).assign(split="train")
    geometry = BeatGeometry.from_seconds(100, beats.before_s, beats.after_s)
    chosen = PrototypeSettings(**config["prototypes"])
    library = mine(
        shards, records, classes=CLASSES, leads=leads, geometry=geometry, beats=beats, settings=chosen, seed=1
    )
    library.save(folder / "prototypes" / "library.csv", folder / "prototypes" / "waves.npz")
    run = config | {"classes": list(CLASSES), "leads": list(leads), "signal": config["signal"] | {"fs": 100}}
    (folder / "run_config.yaml").write_text(yaml.safe_dump(run))
    return folder, shards, library, InputSpec(CLASSES, leads, geometry, beats, library.bank)


def loaded(world):
    _, shards, _, spec = world
    return [prepare_record(s, t, spec) for s in shards for _, t in s.beats().groupby("record", sort=False)]


def test_global_clusters_find_the_shapes_without_labels(world, settings):
    sample = take_sample(loaded(world), settings, 1)
    clean = ~sample.table["annotated_noise"].to_numpy()
    quiet = BeatSample(sample.waves[clean], sample.rr[clean], sample.table[clean].reset_index(drop=True))
    space = fit_space(quiet, settings, 1)
    table = cluster_table(space, quiet)
    assert table["size"].sum() == clean.sum()
    assert np.average(table["purity"], weights=table["size"]) > 0.95  # S by its early beat, V by its width
    assert set(table["main_label"]) == set(CLASSES)
    blind = BeatSample(quiet.waves, quiet.rr, quiet.table.assign(label=""))
    np.testing.assert_array_equal(fit_space(blind, settings, 1).centres, space.centres)


def test_components_are_those_of_a_singular_value_decomposition(settings, resize):
    resize("BLOCK_BEATS", 70)
    rng = np.random.default_rng(0)
    waves = (rng.standard_normal((300, 12)) * np.linspace(3, 0.1, 12)).astype(np.float32)
    table = pd.DataFrame({"beat_id": "b", "corpus": "c", "patient": "p", "label": "", "reason": "",
                          "annotated_noise": False, "rr_before_s": 1.0}, index=range(300))  # fmt: skip
    sample = BeatSample(waves, rng.standard_normal((300, 2)).astype(np.float32), table)
    space = fit_space(sample, settings, 1)
    unit = waves / np.linalg.norm(waves, axis=1, keepdims=True)
    _, values, axes = np.linalg.svd(unit - unit.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs((space.axes * axes[:8]).sum(axis=1)), 1, atol=1e-5)
    assert space.scale[0] == pytest.approx(values[0] / np.sqrt(300), rel=1e-5)
    features = space.project(waves, sample.rr)
    assert features.shape == (300, 10)
    brute = np.linalg.norm(features[:, None] - space.centres[None], axis=2).argmin(axis=1)
    np.testing.assert_array_equal(space.assign(features), brute)


def test_a_patients_share_of_the_sample_is_limited(world, config):
    few = LibrarySettings(**config["library"] | {"max_patient_beats": 7})
    sample = take_sample(loaded(world), few, 1)
    assert sample.table.groupby("patient").size().tolist() == [7] * 5


def test_the_space_is_saved_and_drawn(world, settings, tmp_path):
    sample = take_sample(loaded(world), settings, 1)
    space = fit_space(sample, settings, 1)
    arrays = beat_map(space, sample, 1)
    space.save(tmp_path / "space.npz", **arrays)
    for name, value in vars(FeatureSpace.load(tmp_path / "space.npz")).items():
        np.testing.assert_array_equal(value, getattr(space, name))
    figure = space_figure(world[2], space, arrays, CLASSES)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Beats and prototypes", "Purity against size"]


def test_suspicious_prototypes_are_named(settings):
    library = pd.DataFrame(
        {
            "prototype": range(5), "class": "V", "beat_id": list("abcde"), "corpus": "c", "patient": "p",
            "size": [50, 1, 50, 50, 50], "neighbours": [40, 40, 40, 40, 0], "purity": [0.9, 0.9, 0.1, 0.45, np.nan],
            "purity_lo": [0.8, 0.8, 0.04, 0.3, 0.0], "purity_hi": [0.95, 0.95, 0.2, 0.6, 1.0],
            "noise_ratio": [0.0, 0.0, 0.0, 0.9, np.nan],
        }
    )  # fmt: skip
    table = validate(library, settings)
    assert table["suspicious"].tolist() == ["", "small", "impure", "noisy", "lonely"]
    summary = summarise(library, table, ["V", "F"]).set_index("class")
    assert summary.loc["V", ["prototypes", "suspicious", "beats"]].tolist() == [5, 4, 201]
    assert summary.loc["V", "noise_ratio"] == pytest.approx(0.225)
    assert summary.loc["F", "prototypes"] == 0


def test_seeds_find_beats_of_their_kind_and_never_themselves(world, tmp_path):
    folder, shards, _, spec = world
    beats = shards[0].beats()
    clean = beats[~beats["annotated_noise"]]
    chosen = [clean.loc[clean["label"] == name, "beat_id"].iloc[3] for name in ("N", "V")]
    pd.DataFrame({"beat_id": chosen, "label": ["N", "V"]}).to_csv(tmp_path / "seeds.csv", index=False)
    command = [sys.executable, str(ROOT / "scripts" / "mine_seeds.py"), "--run", str(folder), "--top", "20"]
    files = ["--seeds", str(tmp_path / "seeds.csv"), "--output", str(tmp_path / "found.csv")]
    subprocess.run([*command, *files], check=True, env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True)
    found = pd.read_csv(tmp_path / "found.csv")
    assert found.groupby("seed").size().tolist() == [20, 20]
    own = beats.set_index("beat_id").loc[found["beat_id"]]
    for name in RR_COLUMNS:
        np.testing.assert_allclose(found[name].to_numpy(float), own[name].to_numpy(float), err_msg=name)
    assert not (found["seed"] == found["beat_id"]).any()
    assert (found.loc[found["seed_label"] == "V", "label"] == "V").all()
    assert set(found.loc[found["seed_label"] == "N", "label"]) <= {"N", "S"}  # one shape, told apart by rhythm
    assert found.groupby("seed")["similarity"].apply(lambda values: (values.diff().dropna() <= 0).all()).all()
    bank = seed_bank(shards, pd.DataFrame({"beat_id": chosen, "label": ["N", "V"]}), spec)
    assert similar_beats(shards, bank, spec, 20)["beat_id"].tolist() == found["beat_id"].tolist()
    few = similar_beats(shards, bank, spec, 20, max_records=2)
    assert few.drop_duplicates(["corpus", "record"]).shape[0] <= 2
    whole = similar_beats(shards, bank, spec, len(beats))  # a part of what all records give
    assert set(few["beat_id"]) <= set(whole["beat_id"])
    with pytest.raises(ValueError, match="no beat of this run"):
        seed_bank(shards, pd.DataFrame({"beat_id": ["planted/r1/1"], "label": ["N"]}), spec)


def test_a_seed_may_be_named_by_its_annotation(world, monkeypatch):
    _, shards, _, spec = world

    def moved(*arguments):  # as if each annotation lay a sample behind its detection
        for shard, table in split_beats(*arguments):
            yield shard, table.assign(matched=True, matched_r_sample=table["r_sample"] + 1)

    monkeypatch.setattr("beatlens.prototypes.seeds.split_beats", moved)
    first = shards[0].beats().iloc[3]
    beat, name = first["beat_id"], f"{first['corpus']}/{first['record']}/{first['r_sample'] + 1}"
    banks = [seed_bank(shards, pd.DataFrame({"beat_id": [own], "label": ["N"]}), spec) for own in (beat, name)]
    assert [bank.beat_ids.tolist() for bank in banks] == [[beat], [beat]]
    np.testing.assert_array_equal(banks[0].waves, banks[1].waves)
    with pytest.raises(ValueError, match="2 ids of 1 beats"):
        seed_bank(shards, pd.DataFrame({"beat_id": [beat, name], "label": ["N", "N"]}), spec)


def test_each_patient_counts_once_in_a_class_template(world):
    _, shards, library, spec = world
    records = pd.concat([shard.records for shard in shards], ignore_index=True).assign(split="train")
    records.loc[records["patient"] == records["patient"].iloc[0], "split"] = "test"
    patients = list(training_patients(shards, records, spec))
    assert len(patients) == 4
    found = class_templates(patients, (*CLASSES, "Q"), spec.leads, spec.geometry)
    for k, name in enumerate(CLASSES):
        for place in range(len(spec.leads)):
            medians = []
            for (own,) in patients:
                clean = (own.beats["reason"] == "") & ~own.beats["annotated_noise"].astype(bool)
                rows = (clean & (own.beats["label"] == name)).to_numpy()
                medians.append(np.median(own.waves[rows, place] * own.record.lead_scale[place], axis=0))
            np.testing.assert_allclose(found.quartiles[1, k, place], np.median(medians, axis=0), atol=1e-6)
            np.testing.assert_allclose(found.quartiles[2, k, place], np.quantile(medians, 0.75, axis=0), atol=1e-6)
            assert found.patients[k, place] == 4
    assert not found.patients[3].any()
    assert np.isnan(found.quartiles[:, 3]).all()


def test_templates_are_saved_and_drawn(world, tmp_path):
    _, shards, _, spec = world
    found = class_templates([[inputs] for inputs in loaded(world)], (*CLASSES, "Q"), spec.leads, spec.geometry)
    found.save(tmp_path / "templates.npz")
    again = ClassTemplates.load(tmp_path / "templates.npz")
    np.testing.assert_array_equal(again.quartiles, found.quartiles)
    assert (again.classes, again.leads, again.fs, again.before) == (found.classes, found.leads, 100.0, found.before)
    written = [text.get_text() for text in template_figure(again, PaperScale(25, 10)).axes[0].texts]
    assert written.count("5 patients") == 6
    assert written.count("no clean beat") == 2


def test_a_library_can_be_looked_at(world):
    prototypes = open_run(world[0]).prototypes()
    library = prototypes.library
    narrow = prototypes.of("V")
    assert set(narrow.table["class"]) == {"V"}
    assert len(narrow) == len(narrow.table) == len(narrow.library.median) > 0
    facts = prototypes.describe(0)
    assert set(facts["wave_mv"]) == set(facts["leads"].split(";"))
    np.testing.assert_allclose(facts["wave_mv"]["II"], library.bank.waves[0, 0] * library.scale[0, 0])
    written = " ".join(text.get_text() for text in prototypes.plot("V").axes[0].texts)
    assert written.count("purity") == (prototypes.table["class"] == "V").sum()
    assert "purity 1.00" in written
    with pytest.raises(ValueError, match="expected one of N, S, V"):
        prototypes.of("X")
