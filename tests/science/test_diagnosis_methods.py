"""Gradients and TimeSHAP of diagnoses against captum, against the engine, and against Shapley values by enumeration."""

from __future__ import annotations

from functools import partial
from itertools import product
from math import comb

import numpy as np
import pytest
import torch
from captum.attr import InputXGradient, IntegratedGradients

from beatlens.explain.case.baselines import fill_signal
from beatlens.explain.diagnoses.engine import RecordEngine
from beatlens.explain.diagnoses.gradients import RecordModel, record_gradients
from beatlens.explain.diagnoses.instance import RecordInstance
from beatlens.explain.diagnoses.methods import TABLE
from beatlens.explain.diagnoses.target import DiagnosisTarget
from beatlens.explain.players.waves import beat_players
from beatlens.explain.settings import ExplainSettings, TimeShapSettings
from made_records import Alike, make_example, make_network, naive_logits
from naive import naive_signal

BASELINES = ("lead_mean", "zero", "median_beat")


@pytest.fixture(scope="module", params=[False, True], ids=["", "shared encoder"])
def network(request):
    return make_network(2, request.param)


def engine_of(net, seed, baseline="zero", **options):
    instance = RecordInstance(make_example(np.random.default_rng(seed), **options), usual_rr_s=0.5)
    return RecordEngine(instance, net, calibration=Alike(), baseline=baseline)


def tensors(engine):
    instance = engine.instance
    ends = instance.window, fill_signal(instance, engine.baseline), instance.record.rhythm, instance.rhythm_off
    return [torch.from_numpy(np.ascontiguousarray(part))[None] for part in ends]


@pytest.mark.parametrize("at_edges", [False, True], ids=["inside", "at edges"])
def test_the_differentiable_record_is_the_record(network, at_edges):
    engine = engine_of(network, 3, at_edges=at_edges)
    record, model = engine.instance.record, RecordModel(engine, DiagnosisTarget(1, "logit"))
    rng = np.random.default_rng(1)
    changed = [record.signal, 0.3 * record.signal, record.signal + rng.normal(size=record.signal.shape)]
    changed.append(np.where(np.arange(len(record.leads))[:, None] == 1, 0.0, record.signal))  # a flat lead
    signals = np.stack(changed).astype(np.float32)
    rhythm = torch.from_numpy(record.rhythm).expand(len(signals), -1)
    with torch.no_grad():
        found = model.values(torch.from_numpy(signals), rhythm).numpy()
    wanted = [naive_logits(record, network, signal, record.rhythm)[1] for signal in signals]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    again = RecordModel(engine, DiagnosisTarget(1, "probability")).values(torch.from_numpy(signals), rhythm)
    np.testing.assert_allclose(again.detach(), 1 / (1 + np.exp(-found)), atol=1e-6)


@pytest.mark.parametrize("baseline", BASELINES)
def test_integrated_gradients_are_captums_and_add_up(network, baseline):
    engine = engine_of(network, 5, baseline)
    target = DiagnosisTarget(2, "logit")
    signal, start, rhythm, off = tensors(engine)
    found = record_gradients(engine, target, steps=48, rhythm=True, at_end=False)
    oracle = IntegratedGradients(RecordModel(engine, target).values).attribute(
        (signal, rhythm), baselines=(start, off), n_steps=48, method="riemann_middle", internal_batch_size=48
    )
    scale = float(oracle[0].abs().max())
    np.testing.assert_allclose(found.values, oracle[0][0].numpy(), atol=1e-4 * scale)
    assert found.rhythm == pytest.approx(float(oracle[1].sum()), rel=1e-4)
    total = found.values.sum() + found.rhythm + found.completeness_error
    assert total == pytest.approx(found.full - found.empty, abs=1e-9)
    fine = record_gradients(engine, target, steps=192, rhythm=True, at_end=False)
    assert abs(fine.completeness_error) < 0.05 * abs(fine.full - fine.empty)


def test_gradient_x_input_is_captums(network):
    engine = engine_of(network, 6, "zero")  # counted from zero, as captum does
    target = DiagnosisTarget(0, "logit")
    signal, _, rhythm, _ = tensors(engine)
    found = record_gradients(engine, target, steps=1, rhythm=False, at_end=True)
    model = RecordModel(engine, target)
    oracle = InputXGradient(partial(model.values, rhythm=rhythm)).attribute(signal.requires_grad_())
    np.testing.assert_allclose(found.values, oracle[0].detach().numpy(), rtol=1e-4, atol=1e-6)
    assert found.rhythm is None


def test_timeshap_gives_beats_their_shapley_values(network):
    engine = engine_of(network, 7, "median_beat")
    target, settings = (
        DiagnosisTarget(1, "logit"),
        ExplainSettings(target="logit", timeshap=TimeShapSettings(tolerance=0.0)),
    )
    found = TABLE["timeshap"](engine, target, settings, 1)
    record, players = engine.instance.record, beat_players(engine.instance, True)
    n = len(players)
    value = {}
    for mask in product([False, True], repeat=n):
        signal = naive_signal(engine.instance, "median_beat", players.cells_on(np.array([mask]))[0], players.edges)
        rhythm = record.rhythm if mask[players.rhythm] else engine.instance.rhythm_off
        value[mask] = float(naive_logits(record, network, signal, rhythm)[1])
    shapley = np.zeros(n)
    for mask, full in value.items():
        for k in np.flatnonzero(mask):
            without = tuple(on and place != k for place, on in enumerate(mask))
            shapley[k] += (full - value[without]) / (n * comb(n - 1, sum(mask) - 1))
    events = found.earlier.events
    assert events.names == players.names
    np.testing.assert_allclose(events.values, shapley, atol=1e-4)
    assert found.full - found.empty == pytest.approx(sum(events.values), abs=1e-4)
    assert found.values.sum() + found.rhythm + found.unassigned == pytest.approx(found.full - found.empty, abs=1e-6)
