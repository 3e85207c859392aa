"""Sanity and stability on a made shard: a planted leak is found, random networks differ, an inserted beat is mapped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from beatlens.beats.beat_table import rr_features
from beatlens.beats.settings import BeatSettings
from beatlens.core.files import write_table
from beatlens.evaluate.probes.artefact import artefact_test
from beatlens.evaluate.probes.sanity import class_sensitivity, randomisation, randomised
from beatlens.evaluate.probes.shared import PROBE_COLUMNS, ProbeSettings, probe_table
from beatlens.evaluate.probes.stability import insert_beat, inserted_beat, seed_to_seed, under_noise
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.explain.case.choice import CASE_COLUMNS, Case
from beatlens.explain.case.instance import make_instance
from beatlens.explain.explainer import Explainer
from beatlens.explain.players.waves import instance_edges
from beatlens.explain.settings import METHODS as EVERY
from beatlens.explain.settings import OF_ATTENTION, ExplainSettings
from beatlens.inputs.look_alikes import look_alikes_of
from beatlens.inputs.network_inputs import view_record
from beatlens.inputs.record_view import RecordViews
from beatlens.inputs.settings import LookAlikeSettings
from beatlens.inputs.stored_predictions import reference_table
from beatlens.models.settings import ModelSettings
from beatlens.prediction.predict import Beside, predict_beats
from beatlens.shards.shard import BeatGeometry, Shard
from beatlens.shards.writer import ShardWriter
from makers import add_record, make_bundle

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config/config.yaml").read_text(encoding="utf-8"))
METHODS = tuple(method for method in EVERY if method not in OF_ATTENTION)  # test_attention_report has the others
CLASSES, LEADS, FS = ("N", "V"), ("II", "V1"), 100.0
GEOMETRY, BEATS = BeatGeometry(FS, 25, 40), BeatSettings(**CONFIG["beats"])
SMALL = {"samples": 64}
EXPLAIN = ExplainSettings(
    **CONFIG["explain"]
    | {
        "methods": METHODS,
        "lime": CONFIG["explain"]["lime"] | SMALL,
        "kernelshap": SMALL,
        "timeshap": CONFIG["explain"]["timeshap"] | SMALL,
    }
)
EVALUATE = EvaluateSettings(**CONFIG["evaluate"] | {"bootstrap": 50})
PROBES = ProbeSettings(
    **CONFIG["probes"] | {"cases": 6, "reinitialisations": 2, "explainer_seeds": 1, "artefact_epochs": 12}
)
N_BEATS, N_PATIENTS = 24, 12


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    """Beats of one shape in two leads at an uneven rhythm, in noise."""
    path = tmp_path_factory.mktemp("shard")
    shape = np.exp(-0.5 * ((np.arange(-25, 40) - 0) / 2.0) ** 2) + 0.2 * np.exp(
        -0.5 * ((np.arange(-25, 40) - 28) / 5.0) ** 2
    )
    with ShardWriter(path) as writer:
        for k in range(N_PATIENTS):
            rng = np.random.default_rng(k)
            r_sample = 40 + np.cumsum(rng.integers(70, 95, N_BEATS))
            n_samples = int(r_sample[-1]) + 60
            signal = rng.normal(size=(2, n_samples)) * 0.03
            for r in r_sample:
                signal[:, r - 25 : r + 40] += np.outer([1.0, 0.6], shape)
            add_record(
                writer, signal, r_sample, ["N"] * N_BEATS, settings=BEATS, leads=LEADS, record=f"r{k}", patient=f"p{k}"
            )
    return Shard(path)


@pytest.fixture(scope="module")
def bundle():
    torch.manual_seed(0)
    network = ModelSettings("hybrid", 1, True, True, (8, 12), (5, 3), 4, 16, 4, 8, 12, 16, 0.0)
    return make_bundle(GEOMETRY, BEATS, network, signal=CONFIG["signal"])


def make_probes(shard, bundle, settings, rows=((0, 8), (1, 0), (2, 23))):
    network, beats, folder = bundle.network(), shard.beats(), shard.path / "predictions"
    beside = Beside(references=[reference_table(beats.iloc[:0], None, bundle.spec)])
    splits = dict.fromkeys(shard.beat_records(), "test")
    write_table(folder / "beats.parquet", predict_beats(shard, beats, splits, bundle, network, beside=beside))
    write_table(folder / "look_alikes.parquet", pd.concat(beside.references, ignore_index=True))
    explainer = Explainer(RecordViews([shard], [folder], bundle.spec), bundle, network, settings, seed=1)
    probes = []
    for record, row in rows:
        own = beats[beats["record"] == f"r{record}"]
        values = dict.fromkeys(CASE_COLUMNS, "") | {"case": f"case{record}", "corpus": "c", "record": f"r{record}"}
        values |= {"beat_id": own["beat_id"].iloc[row], "target": "beat", "class": "V"}
        case = Case(*values.values())
        probes.append(explainer.prepare(case))
    return probes


TWO_METHODS = replace(EXPLAIN, methods=("kernelshap", "integrated_gradients"))


@pytest.fixture(scope="module")
def probes(shard, bundle):
    return make_probes(shard, bundle, TWO_METHODS)


def test_the_explainer_points_to_a_planted_leak(shard, bundle):
    table = probe_table(artefact_test([shard], bundle, EXPLAIN, PROBES, 1), EVALUATE, 1, "digest")
    assert list(table.columns) == list(PROBE_COLUMNS)
    pointing = table[table["metric"] == "pointing"].set_index("method")
    assert set(pointing.index) == set(METHODS)
    exact = [name for name in METHODS if "cam" not in name]  # maps have 8 times fewer positions than samples
    assert (pointing.loc[exact, "value"] >= 0.95).all(), pointing["value"]
    assert (pointing["null_value"] < 0.05).all()
    lead = table[table["metric"] == "lead"].set_index("method")
    assert (lead.loc[exact, "value"] >= 0.95).all(), lead["value"]
    assert (lead["value"] > lead["null_value"]).all(), lead["value"]


def test_random_networks_are_new_only_in_their_parts(bundle):
    network = bundle.network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    other = randomised(network, ("head", "rhythm"), 5)
    assert not other.training
    for name, value in other.state_dict().items():
        part = name.split(".")[0]
        same = torch.equal(value, before[name])
        if part in {"encoder", "mixer"} or part.startswith("rr_"):
            assert same, name
        elif name.endswith("weight"):
            assert not same, name
        assert torch.equal(network.state_dict()[name], before[name])
    again = randomised(network, ("head", "rhythm"), 5)
    assert torch.equal(again.head[1].weight, other.head[1].weight)
    with pytest.raises(AttributeError):
        randomised(network, ("nose",), 1)


def test_sanity_rows(probes, bundle):
    rows = []
    for probe in probes[:2]:
        rows += randomisation(probe, PROBES)
        rows += class_sensitivity(probe, len(CLASSES))
    table = probe_table(rows, EVALUATE, 1, "digest")
    parts = bundle.network().parts
    details = ["+".join(parts[: k + 1]) for k in range(len(parts) - 1)] + ["all"]
    assert list(dict.fromkeys(table.loc[table["test"] == "randomisation", "detail"])) == details
    compared = table["n_cases"] > 0  # integrated gradients don't apply where they lack too much
    assert compared.any()
    assert set(table.loc[~compared, "method"]) <= {"integrated_gradients"}
    assert table.loc[compared, "value"].between(-1, 1).all()
    # Two classes: what speaks for one speaks against the other.
    two = table[table["test"] == "class_sensitivity"].set_index("method")
    assert two.loc["integrated_gradients", "value"] == pytest.approx(-1.0)
    assert two.loc["integrated_gradients", "null_value"] == pytest.approx(1.0)
    assert probe_table([], EVALUATE, 1, "digest").empty


def test_an_inserted_beat_moves_what_follows_and_nothing_else(shard, bundle):
    beats = shard.beats()
    own = beats[beats["record"] == "r0"].reset_index(drop=True)
    old = make_instance(view_record(shard, own, bundle.spec), [8], BEATS)
    waves = shard.waveforms(own, old.record.leads, bundle.spec.geometry) / old.record.lead_scale[:, None]
    logits = np.random.default_rng(0).normal(size=(len(own), len(CLASSES))).astype(np.float32)
    settings = LookAlikeSettings(0.8, 3, -1.0, 500, 0.1, 0.2, ())
    old = replace(old, look_alikes=look_alikes_of(logits, waves, bundle.spec.geometry, CLASSES, settings))
    new, moved = insert_beat(old, own["stretch"].to_numpy(), BEATS)
    assert [instance.record_rows[instance.target_rows].tolist() for instance in (old, new)] == [[8], [9]]
    said = [
        instance.look_alikes.say(
            waves[[8]][:, :, instance.look_alikes.samples], instance.record_rows[instance.target_rows]
        )
        for instance in (old, new)
    ]
    np.testing.assert_array_equal(*said)  # the same beats, itself left out
    np.testing.assert_array_equal(new.record.signal[:, moved], old.record.signal)
    length = new.record.signal.shape[1] - old.record.signal.shape[1]
    assert len(new.record.r_index) == len(old.record.r_index) + 1
    np.testing.assert_array_equal(moved[old.record.r_index], np.delete(new.record.r_index, 8))
    copied = slice(int(new.record.r_index[8]) - 10, int(new.record.r_index[8]) + 10)
    original = slice(copied.start - length, copied.stop - length)
    np.testing.assert_array_equal(new.record.signal[:, copied], old.record.signal[:, original])
    # The window holds the copied beat twice, then the target in its middle, and the first beat has left it.
    assert new.r_index.tolist() == new.record.r_index[7:12].tolist()
    assert int(new.r_index[new.target_rows[0]]) == int(moved[old.r_index[old.target_rows[0]]])
    # Segments of the target and of what follows are cut as they were, so that each has a partner.
    edges = instance_edges(old, 0.05)
    own_edges = edges[edges >= old.r_index[old.target_rows[0]]][:-1]
    assert set(moved[own_edges].tolist()) <= set(instance_edges(new, 0.05).tolist())
    # Features of beats well before the insertion are as they were.
    np.testing.assert_allclose(
        rr_features(own, BEATS)[:7][:, :2], rr_features(own.iloc[:9], BEATS)[:7][:, :2], atol=1e-6
    )
    first = make_instance(view_record(shard, own, bundle.spec), [0], BEATS)
    assert insert_beat(first, own["stretch"].to_numpy(), BEATS) is None


def test_stability_rows(shard, bundle, probes):
    rows = []
    for probe in probes:
        rows += seed_to_seed(probe, PROBES)
        rows += under_noise(probe, PROBES, bundle.signal | {"band_hz": [0.5, 40]})
        rows += inserted_beat(probe, PROBES, BEATS)
    several = make_probes(shard, bundle, TWO_METHODS)[0]
    instance = several.engine.instance
    both = replace(
        instance,
        windows=np.repeat(instance.windows, 2, axis=0),
        lengths=np.repeat(instance.lengths, 2),
        positions=instance.positions + np.array([0, 1]),
    )
    several.engine.instance = both  # a target of two beats
    assert list(inserted_beat(several, PROBES, BEATS)) == []
    table = probe_table(rows, EVALUATE, 1, "digest").set_index(["test", "method", "metric"])
    assert table.loc[("seed", "integrated_gradients", "spearman"), "value"] == pytest.approx(1.0)
    assert table.loc[("seed", "integrated_gradients", "rbo"), "value"] == pytest.approx(1.0)
    assert table.loc[("inserted_beat", "kernelshap", "jaccard"), "n_cases"] == 2  # the first beat has none before it
    assert table["value"].between(-1, 1 + 1e-9).all()
    quiet = [list(under_noise(p, replace(PROBES, noise_snr_db=120), bundle.signal | {"band_hz": [0.5, 40]}))
             for p in probes[:1]]  # fmt: skip
    assert all(probe.value > 0.99 for probe in quiet[0] if probe.metric == "spearman")
