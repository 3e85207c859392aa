"""Attention of a cross-modal network on a case: same bits, sums kept, the right gradient, and what it is worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from beatlens.decision.calibration import Calibration
from beatlens.evaluate.attention.case_report import beat_direction
from beatlens.evaluate.attention.heads import head_importance
from beatlens.explain.attention.capture import capture
from beatlens.explain.attention.case import case_attention, relevant_attention, signal_target
from beatlens.explain.attention.placing import TokenWords, instance_tokens, place_bands
from beatlens.explain.case.target import Target
from beatlens.explain.engine.perturbation import PerturbationEngine
from beatlens.explain.methods.attention import KINDS, attention_map
from beatlens.explain.methods.registry import signal_model
from makers import make_bank, make_instance, make_network, make_record

LOGIT = Target("beat", 2, "logit")


def make_engine(network=None, n_beats=5, targets=(2,), leads=("II", "V1")):
    rng = np.random.default_rng(0)
    r_index = 15 + 45 * np.arange(n_beats)
    instance = make_instance(make_record(rng, leads, r_index, int(r_index[-1]) + 30), targets, rng)
    return PerturbationEngine(
        instance,
        network or make_network("crossmodal", 2),
        bank=make_bank(np.random.default_rng(1), leads),
        calibration=Calibration(1.3, (0.1, -0.2, 0.1), 0.7, 0.2),
        baseline="zero",
    )


@pytest.fixture(scope="module")
def engine():
    return make_engine()


def test_a_capture_leaves_every_bit_of_a_networks_logits(engine):
    model = signal_model(engine, LOGIT)
    inputs = model.tensor(model.instance.window)[None], model.tensor(model.instance.rr)[None]
    with torch.no_grad():
        before, gates, _ = model.outputs(*inputs)
        with capture(engine.network) as calls:
            during, gates_during, _ = model.outputs(*inputs)
    assert torch.equal(before, during)
    assert torch.equal(gates, gates_during)
    np.testing.assert_array_equal(case_attention(model)[0], before[0].numpy())
    assert {tuple(call.weights.shape[:2]) for call in calls} == {(1, 2)}
    assert len(calls) == 4  # two directions of two members


def test_targets_that_a_network_runs_a_few_at_a_time_keep_their_places(monkeypatch):
    model = signal_model(make_engine(targets=(0, 2, 3)), Target("window", 2, "logit"))
    whole, relevant = case_attention(model)[1], relevant_attention(model)
    monkeypatch.setattr("beatlens.models.crossmodal.PASS_LEADS", 1)  # one target a pass
    parts, relevant_parts = case_attention(model)[1], relevant_attention(model)
    for stream in ("waveform", "spectrogram"):
        assert whole.asked_by(stream).shape[1] == 3
        np.testing.assert_allclose(parts.asked_by(stream), whole.asked_by(stream), atol=1e-6)
        np.testing.assert_allclose(relevant_parts.asked_by(stream), relevant.asked_by(stream), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("streams", ["waveform", "spectrogram"])
def test_maps_keep_the_mass_of_their_tokens(kind, streams):
    model = signal_model(make_engine(targets=(0, 2)), Target("window", 2, "logit"))
    found = attention_map(model, kind, streams=streams, baseline="zero")
    assert found.values.shape == (2, model.instance.stop - model.instance.start)
    assert found.values.min() > -1e-12
    if kind == "attention_relevance":
        relevant = relevant_attention(model)
        expected = relevant.asked_by({"waveform": "spectrogram", "spectrogram": "waveform"}[streams])
        assert found.values.sum() == pytest.approx(expected.sum(axis=4).mean(), rel=1e-6)
    else:
        assert found.values.sum() == pytest.approx(1.0)
    if streams == "spectrogram":
        np.testing.assert_allclose(found.bands.values.sum(axis=1), found.values, atol=1e-12)
        assert (found.bands.low_hz < found.bands.high_hz).all()


def test_a_token_lies_where_its_samples_are(engine):
    instance, (maps,) = engine.instance, instance_tokens(engine.instance, engine.network.config)
    mass = np.zeros(len(maps.waveform))
    place = int(np.flatnonzero((maps.waveform.beat == -1) & (maps.waveform.lead == 1))[0])
    mass[place] = 2.0
    placed = place_bands(mass, maps.waveform, instance, 0)[1, 0]
    r = int(instance.r_index[1]) - instance.start  # the beat before the target
    inside = np.flatnonzero(placed)
    assert placed.sum() == pytest.approx(2.0)
    assert inside[0] == r - instance.record.geometry.before
    assert TokenWords(instance, 0).of(maps.waveform, place).endswith("of the beat before in V1")


def test_relevance_is_weight_times_gradient_by_finite_differences(engine):
    """The target's gradient with respect to one weight, against the target where that weight is a little larger."""
    model = signal_model(engine, LOGIT)
    relevant, (_, plain) = relevant_attention(model), case_attention(model)
    module = engine.network.fusion[1].waveform_attends
    query, key = np.unravel_index(int(relevant.waveform[1, 0, 0].argmax()), relevant.waveform.shape[3:])
    with torch.no_grad():
        values, h = {}, 1e-2
        for sign in (-1, 1):

            def nudge(part, args, output, sign=sign):
                value = torch.nn.functional.linear(
                    args[2], part.in_proj_weight.chunk(3)[2], part.in_proj_bias.chunk(3)[2]
                )
                width = part.head_dim
                change = torch.zeros_like(output[0])
                change[0, query, :width] = sign * h * value[0, key, :width]  # of head 0
                return output[0] + change @ part.out_proj.weight.T, output[1]

            handle = module.register_forward_hook(nudge)
            values[sign] = float(signal_target(model))
            handle.remove()
    gradient = (values[1] - values[-1]) / (2 * h)
    found = relevant.waveform[1, 0, 0, query, key]
    assert found > 1e-4
    assert found == pytest.approx(plain.waveform[1, 0, 0, query, key] * gradient, rel=0.02)
    other = relevant_attention(signal_model(engine, replace(LOGIT, class_index=0)))
    assert not np.allclose(other.waveform, relevant.waveform)  # it depends on the class


def test_rollout_gives_half_of_each_query_back_to_its_own_token(engine):
    model = signal_model(engine, LOGIT)
    plain, rolled = (attention_map(model, kind, streams="waveform", baseline="zero") for kind in KINDS[:2])
    (maps,) = instance_tokens(engine.instance, engine.network.config)
    own = (maps.waveform.beat == 0) / (maps.waveform.beat == 0).sum()
    expected = (plain.values + place_bands(own, maps.waveform, engine.instance, 0).sum(axis=1)) / 2
    np.testing.assert_allclose(rolled.values, expected, atol=1e-12)


def test_a_head_that_the_network_ignores_is_worth_nothing(engine):
    network = make_network("crossmodal", 2)
    width = network.fusion[0].waveform_attends.head_dim
    with torch.no_grad():
        network.fusion[0].waveform_attends.out_proj.weight[:, width:] = 0
    found = head_importance(signal_model(make_engine(network), replace(LOGIT, units="probability")))
    assert found["waveform"].shape == (2, 2)
    assert found["waveform"][0, 1] == pytest.approx(0, abs=1e-6)
    assert (np.abs(found["spectrogram"]) > 1e-5).any()


def test_tokens_beyond_the_record_get_no_attention_and_count_for_nothing():
    engine = make_engine(n_beats=1, targets=(0,), leads=("II",))
    _, attention = case_attention(signal_model(engine, LOGIT))
    direction = beat_direction(attention, "waveform", 0, 0)
    tokens = attention.tokens[0].spectrogram
    assert len(direction.keys) == tokens.valid.sum() < len(tokens)
    np.testing.assert_allclose(attention.waveform[..., ~tokens.valid], 0)
    np.testing.assert_allclose(direction.weights.sum(axis=2), 1, atol=1e-6)


@pytest.mark.parametrize("name", ["hybrid", "context"])
def test_a_network_without_attention_says_what_to_change(name):
    model = signal_model(make_engine(make_network(name)), LOGIT)
    with pytest.raises(ValueError, match=r"HybridNet has no torch.nn.MultiheadAttention; .* crossmodal"):
        attention_map(model, "attention", streams="both", baseline="zero")


def test_a_frozen_network_and_the_noise_gate_have_no_relevance():
    network = make_network("crossmodal", 1).requires_grad_(False)
    model = signal_model(make_engine(network), Target("noise", None, "logit"))
    assert attention_map(model, "attention_relevance", streams="both", baseline="zero").values.sum() == 0
    assert relevant_attention(signal_model(make_engine(network), LOGIT)).waveform.sum() > 0
