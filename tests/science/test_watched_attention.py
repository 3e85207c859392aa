"""Attention of watched beats: where the explainer puts it, what its gradients are, and what is absent is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from beatlens.beats.settings import BeatSettings
from beatlens.core.files import read_table
from beatlens.decision.calibration import Calibration
from beatlens.explain.attention.capture import explicit_attention
from beatlens.explain.attention.modules import module_names
from beatlens.explain.attention.placing import instance_tokens, place_bands
from beatlens.explain.attention.weights import STREAMS, WAVEFORM, tokens_of
from beatlens.explain.case.instance import make_instance
from beatlens.explain.case.target import Target
from beatlens.explain.engine.differentiable import SignalModel
from beatlens.explain.watch.attention import attention_maps
from beatlens.explain.watch.cohort import choose_cohort
from beatlens.explain.watch.maps import NO_GRADIENT, NOT_FINITE, Pass
from beatlens.explain.watch.settings import OF_ATTENTION, WatchSettings, leading
from beatlens.explain.watch.watch import Watch
from beatlens.figures.paper.scale import PaperScale
from beatlens.figures.watch import Watched, watch_figure
from beatlens.inputs.labelled_records import records_of_split, split_beats
from beatlens.inputs.network_inputs import InputSpec, prepare_record
from beatlens.learning.objective import forward
from beatlens.run.fingerprint import import_closure
from makers import CLASSES, GEOMETRY, make_bank, make_network

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config/config.yaml").read_text(encoding="utf-8"))
BEATS = BeatSettings(**CONFIG["beats"])
LEADS = {"1": ("II", "V1"), "2": ("V1",), "3": ("V1", "II")}


@pytest.fixture(scope="module")
def shards(tmp_path_factory, plant_shards):
    return plant_shards(tmp_path_factory.mktemp("planted"), LEADS, BEATS, n_beats=20)


@pytest.fixture(scope="module")
def spec():
    return InputSpec(CLASSES, ("II", "V1"), GEOMETRY, BEATS, make_bank(np.random.default_rng(0), ("II", "V1")), None)


@pytest.fixture(scope="module")
def records(shards):
    return shards[0].records.assign(split="select")


@pytest.fixture(scope="module")
def cohort(shards, records, spec):
    return choose_cohort(shards, records, spec, cases=3, seed=1)


def passed(network, cohort):
    return Pass(network, cohort.batch, forward=forward, layers=())


def watch(cohort, tmp_path, methods=None, **given):
    settings = WatchSettings(1, 2, methods, None)
    return Watch(cohort, settings, epochs=[1], folder=tmp_path / "on", output=tmp_path / "out", **given)


def expected_maps(model, of_class):
    """Return maps of a beat (L, samples) by the explainer's placing, and each one's mass on other beats."""
    names = module_names(model.network)
    inputs = model.tensor(model.instance.window)[None], model.tensor(model.instance.rr)[None]
    with explicit_attention(model.network) as calls:
        logits = model.outputs(*inputs)[0]
        gradients = torch.autograd.grad(logits[0, 0, of_class], [call.weights for call in calls])
    (tokens,) = instance_tokens(model.instance, model.network.config)
    numbers = {
        "attention": [call.weights for call in calls],
        "attention_relevance": [(c.weights * g).clamp(min=0) for c, g in zip(calls, gradients, strict=True)],
    }
    found, elsewhere = {}, {}
    for kind, weights in numbers.items():
        mass = {
            stream: np.mean(
                [w.detach().double().mean(dim=(0, 1, 2)).numpy() for c, w in zip(calls, weights, strict=True)
                 if c.module in names[stream]], axis=0
            )
            for stream in STREAMS
        }  # fmt: skip
        of_beat = 0.0
        for asking, asked in ((WAVEFORM, tokens.spectrogram), ("spectrogram", tokens.waveform)):
            inside = np.where(asked.beat == 0, mass[asking], 0.0)
            of_beat = of_beat + place_bands(inside, asked, model.instance, 0).sum(axis=1)
        found[kind] = of_beat
        elsewhere[kind] = 1 - of_beat.sum() / sum(part.sum() for part in mass.values())
    of_target = 0.0
    for stream in STREAMS:
        part = tokens_of(tokens, stream)
        even = (part.beat == 0) / (part.beat == 0).sum()
        of_target = of_target + place_bands(even, part, model.instance, 0).sum(axis=1)
    found["attention_rollout"] = (found["attention"] + of_target) / 2
    elsewhere["attention_rollout"] = elsewhere["attention"] / 2
    return found, elsewhere


def test_it_is_where_the_explainer_puts_it_class_by_class(shards, records, spec, cohort):
    network = make_network("crossmodal", 2)
    maps = {kind: attention_maps(passed(network, cohort), kind) for kind in OF_ATTENTION}
    edges = np.array([round(k * GEOMETRY.length / 3) for k in range(4)])
    seen = set()
    for shard, table in split_beats(shards, records_of_split(records, "select")):
        record = prepare_record(shard, table, spec).record
        for row, beat in enumerate(table["beat_id"]):
            if beat not in cohort.beat_ids:
                continue
            k = cohort.beat_ids.index(beat)
            instance = make_instance(record, np.array([row]), BEATS)
            first = int(record.r_index[row]) - GEOMETRY.before - instance.start
            for of_class in range(len(CLASSES)):
                model = SignalModel(
                    instance, network, bank=spec.bank.for_leads(record.leads),
                    calibration=Calibration(1.0, (0.0,) * 3, 1.0, 0.0),
                    target=Target("beat", of_class, "logit"), device="cpu",
                )  # fmt: skip
                expected, elsewhere = expected_maps(model, of_class)
                for kind, found in maps.items():
                    for lead, name in enumerate(cohort.leads):
                        if name not in record.leads:
                            assert np.isnan(found.values[k, of_class, lead]).all()
                            continue
                        samples = expected[kind][record.leads.index(name), first : first + GEOMETRY.length]
                        by_slot = [samples[low:high].sum() for low, high in zip(edges[:-1], edges[1:], strict=True)]
                        np.testing.assert_allclose(found.values[k, of_class, lead], by_slot, atol=2e-6, rtol=1e-4)
                    assert found.elsewhere[k, of_class] == pytest.approx(elsewhere[kind], abs=1e-5)
            seen.add(len(record.leads))
    assert seen == {1, 2}  # beats of one lead and of two went through the network in groups
    relevance = maps["attention_relevance"].values
    assert not np.allclose(np.nan_to_num(relevance[:, 0]), np.nan_to_num(relevance[:, 2]))


def test_files_figures_and_drift_have_it_where_the_network_has_it(cohort, tmp_path):
    watching = watch(cohort, tmp_path)
    watching(1, make_network("crossmodal", 2))
    watching.hand_over()
    drift = read_table(tmp_path / "out" / "drift.csv")
    assert set(drift["method"]) == {"hirescam", "gradcam", "gradcam_plus_plus", *OF_ATTENTION}
    of_attention = drift[drift["method"] == "attention_relevance"]
    assert of_attention[["entropy", "magnitude"]].notna().to_numpy().all()
    watched = Watched.load(tmp_path / "out" / "cohort.npz", [tmp_path / "out" / "1.npz"])
    assert leading(watched.methods) == ("hirescam", "attention_relevance")
    n_leads = int(np.isfinite(watched.cohort["signal"][0]).all(axis=1).sum())
    for kind, rows, said in (
        ("attention_relevance", 3, "for each class"),
        ("attention", 1, "the same for every class"),
    ):
        axes = watch_figure(watched, "N_1", kind, PaperScale(25, 10), "two_sided").axes[0]
        assert len(axes.images) == rows * n_leads + 1
        texts = [text.get_text() for text in axes.texts]
        assert any(said in text for text in texts)
        assert sum("% elsewhere" in text for text in texts) == rows
    hybrid = watch(cohort, tmp_path / "hybrid").arrays(1, make_network())
    assert not set(hybrid) & set(OF_ATTENTION)


def test_frozen_layers_have_it_and_what_no_gradient_reaches_is_labelled(cohort):
    network = make_network("crossmodal", 1)
    expected = attention_maps(passed(network, cohort), "attention_relevance")
    network.requires_grad_(False)
    frozen = attention_maps(passed(network, cohort), "attention_relevance")
    np.testing.assert_allclose(frozen.values, expected.values, rtol=1e-5)

    def cut(network, tensors, n_beats):
        logits, gates = forward(network, tensors, n_beats)
        return logits.detach(), gates

    def broken(network, tensors, n_beats):
        logits, gates = forward(network, tensors, n_beats)
        return logits * torch.nan, gates

    for change, said in ((cut, NO_GRADIENT), (broken, NOT_FINITE)):
        found = attention_maps(Pass(network, cohort.batch, forward=change, layers=()), "attention_relevance")
        assert found.absent == said

    def never(network, tensors, n_beats):  # a class that nothing speaks for
        logits, gates = forward(network, tensors, n_beats)
        return logits * torch.tensor([1.0, 0.0, 1.0]), gates

    silent = attention_maps(Pass(network, cohort.batch, forward=never, layers=()), "attention_relevance")
    assert np.nansum(silent.values[:, 1]) == 0
    assert np.isnan(silent.elsewhere[:, 1]).all()


def test_a_network_without_attention_says_what_to_change(cohort, tmp_path):
    with pytest.raises(ValueError, match=r"HybridNet has no torch.nn.MultiheadAttention; .* crossmodal"):
        watch(cohort, tmp_path, ["attention"]).arrays(1, make_network())
    other = nn.Module()
    other.attends = nn.MultiheadAttention(4, 1)
    with pytest.raises(ValueError, match=r"where its tokens lie isn't known; expected the network of .*crossmodal"):
        watch(cohort, tmp_path, ["attention"]).arrays(1, other)


def test_no_explainer_is_part_of_a_training():
    """An edit of what explains, perturbs or places a case must not retrain a network."""
    root = Path(__file__).parents[2]
    modules = set(import_closure(root / "scripts/train.py", root / "src/beatlens"))
    of_explain = {name.removeprefix("beatlens.explain.") for name in modules if name.startswith("beatlens.explain.")}
    assert {name for name in of_explain if not name.startswith("watch")} == {
        "attention", "attention.capture", "attention.modules", "attention.weights",
        "methods", "methods.activation_maps",
    }  # fmt: skip
