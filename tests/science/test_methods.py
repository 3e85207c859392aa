"""Every method on one engine: against captum, closed forms and planted games, and on inputs at the edge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from captum.attr import GuidedBackprop, IntegratedGradients, LayerGradCam

from beatlens.decision.calibration import Calibration
from beatlens.explain.case.baselines import fill_signal
from beatlens.explain.case.target import Target
from beatlens.explain.engine.differentiable import SignalModel
from beatlens.explain.engine.fast_network import folded_layers
from beatlens.explain.engine.perturbation import PerturbationEngine
from beatlens.explain.methods.gradients import class_activation, path_gradients
from beatlens.explain.methods.kernelshap import solve_kernelshap
from beatlens.explain.methods.occlusion import occlusion_masks, solve_occlusion
from beatlens.explain.methods.registry import TABLE, explain
from beatlens.explain.methods.sampling import shapley_coalitions
from beatlens.explain.methods.timeshap import explain_timeshap, prune
from beatlens.explain.players.coalition import segment_edges, segment_players
from beatlens.explain.players.waves import BETWEEN, beat_players, wave_players
from beatlens.explain.settings import METHODS, PLAYERS, ExplainSettings
from beatlens.inputs.look_alikes import look_alikes_of
from beatlens.inputs.settings import LookAlikeSettings
from beatlens.shards.shard import cut_beats
from makers import CLASSES, GEOMETRY, make_bank, make_instance, make_network, make_record

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config/config.yaml").read_text(encoding="utf-8"))
SMALL = {"samples": 64}
EXPLAIN = CONFIG["explain"] | {
    "lime": CONFIG["explain"]["lime"] | SMALL,
    "kernelshap": SMALL,
    "timeshap": CONFIG["explain"]["timeshap"] | SMALL,
    "baseline": "zero",
}
CALIBRATION = Calibration(1.3, (0.1, -0.2, 0.1), 0.7, 0.2)
SETTINGS = ExplainSettings(**EXPLAIN)


def even_instance(leads=("II", "V1"), n_beats=5, targets=(2,), step=45):
    rng = np.random.default_rng(0)
    r_index = 15 + step * np.arange(n_beats)
    return make_instance(make_record(rng, leads, r_index, int(r_index[-1]) + 30), targets, rng)


def make_engine(instance, net=None, baseline="zero"):
    return PerturbationEngine(
        instance,
        net or make_network(),
        bank=make_bank(np.random.default_rng(1), instance.record.leads),
        calibration=CALIBRATION,
        baseline=baseline,
    )


def network_for(method):
    """Return a network that a method can explain."""
    return make_network("crossmodal" if method.startswith("attention") else "hybrid")


def model_of(engine, target):
    return SignalModel(
        engine.instance, engine.network, bank=engine.bank, calibration=engine.calibration, target=target, device="cpu"
    )


TARGETS = [
    Target("beat", 2, "logit"),
    Target("beat", 1, "probability"),
    Target("noise", None, "logit"),
    Target("noise", None, "probability"),
    Target("window", 2, "logit"),
    Target("window", 0, "probability"),
]


def with_look_alikes(instance, min_similarity=0.1):
    settings = LookAlikeSettings(0.8, 2, min_similarity, 50, 0.08, 0.15, (CLASSES[0], CLASSES[2]))
    logits = np.random.default_rng(1).normal(size=(len(instance.record.r_index), len(CLASSES))).astype(np.float32)
    waves = cut_beats(instance.record.signal, instance.record.r_index, GEOMETRY) / instance.record.lead_scale[:, None]
    return replace(instance, look_alikes=look_alikes_of(logits, waves, GEOMETRY, CLASSES, settings))


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize(("name", "members"), [("hybrid", 1), ("context", 1), ("hybrid", 3), ("crossmodal", 2)])
def test_the_differentiable_target_is_the_engines(target, name, members):
    instance = with_look_alikes(even_instance(targets=(1, 2, 4) if target.kind == "window" else (2,)))
    engine = make_engine(instance, make_network(name, members))
    players = segment_players(instance.record.leads, segment_edges(instance.start, instance.stop, 9), rhythm=True)
    full, empty = engine.values(np.array([[True] * len(players), [False] * len(players)]), players, target)
    found = path_gradients(model_of(engine, target), "zero", steps=4, rhythm=True, at_end=False)
    np.testing.assert_allclose([found.full, found.empty], [full, empty], atol=2e-5)


@pytest.mark.parametrize(("min_similarity", "alike"), [(-1.0, True), (0.999, False), (None, False)])
def test_gradients_are_finite_differences_with_and_without_look_alikes(min_similarity, alike):
    """In float64, along a direction so short that the look-alikes stay the same, since they change by leaps."""
    instance = even_instance()
    if min_similarity is not None:
        instance = with_look_alikes(instance, min_similarity)
        own = np.isfinite(
            instance.look_alikes.say(
                (
                    cut_beats(instance.record.signal, instance.r_index[2:3], GEOMETRY)
                    / instance.record.lead_scale[:, None]
                )[..., instance.look_alikes.samples],
                np.array([2]),
            )
        )
        assert own.all() == alike
    model = model_of(make_engine(instance, make_network("context", 2).double()), Target("beat", 2, "logit"))
    signal = torch.from_numpy(instance.record.signal[None, :, instance.start : instance.stop]).double().requires_grad_()
    rr = torch.from_numpy(instance.rr[None]).double()
    (gradient,) = torch.autograd.grad(model.values(signal, rr).sum(), signal)
    direction = torch.from_numpy(np.random.default_rng(2).normal(size=signal.shape))
    with torch.no_grad():
        high, low = (float(model.values(signal + step * direction, rr)) for step in (1e-6, -1e-6))
    assert abs(high - low) > 1e-9
    assert float((gradient * direction).sum()) == pytest.approx((high - low) / 2e-6, rel=1e-3)


@pytest.mark.parametrize("name", ["context", "hybrid", "crossmodal"])
def test_integrated_gradients_are_captums_and_complete(name):
    instance = even_instance()
    engine = make_engine(instance, make_network(name))
    model = model_of(engine, Target("beat", 2, "logit"))
    signal = torch.from_numpy(instance.record.signal[None, :, instance.start : instance.stop])
    rr = torch.from_numpy(instance.rr[None])
    start = torch.from_numpy(fill_signal(instance, "zero"))[None]
    off = torch.from_numpy(instance.rr_off).expand_as(rr)
    expected = IntegratedGradients(model.values).attribute(
        (signal, rr), (start, off), n_steps=200, method="riemann_middle"
    )
    found = path_gradients(model, "zero", steps=200, rhythm=True, at_end=False)
    np.testing.assert_allclose(found.values, expected[0][0].detach().numpy(), atol=1e-5)
    assert found.rhythm == pytest.approx(float(expected[1].sum()), abs=1e-5)
    assert found.completeness_error == pytest.approx(
        found.full - found.empty - found.values.sum() - found.rhythm, abs=1e-9
    )


@pytest.mark.parametrize("baseline", ["lead_mean", "zero"])
@pytest.mark.parametrize("name", ["context", "hybrid"])
def test_more_points_make_integrated_gradients_complete_but_for_a_jump(name, baseline):
    """Where all leads are 0 the similarity to prototypes is 0 by definition and just beside it it is not.

    So from the baseline ``zero`` a hybrid network's path begins with a jump that no gradient sees. It is what is
    missing in the end, and no more than that; from other baselines, and without prototypes, nothing is.
    """
    network = make_network(name)
    with torch.no_grad():  # so that much depends on prototypes, which come last among what is fused
        fused = network.head[1]
        fused.weight[..., -network.config.n_similarity :] *= 8
    model = model_of(make_engine(even_instance(), network), Target("beat", 2, "logit"))
    instance = model.instance
    ends = [
        (
            torch.from_numpy(fill_signal(instance, baseline)),
            torch.from_numpy(instance.rr_off).expand(len(instance.rr), -1),
        ),
        (torch.from_numpy(instance.record.signal[:, instance.start : instance.stop]), torch.from_numpy(instance.rr)),
    ]
    beside = [(low + 1e-5 * (high - low))[None] for low, high in zip(*ends, strict=True)]
    few, many = (path_gradients(model, baseline, steps=n, rhythm=True, at_end=False) for n in (4, 1000))
    with torch.no_grad():
        jump = float(model.values(*beside)) - many.empty
    tolerance = 0.002 * abs(many.full - many.empty)
    assert abs(jump) > tolerance if (name, baseline) == ("hybrid", "zero") else abs(jump) < tolerance
    assert many.completeness_error == pytest.approx(jump, abs=tolerance)
    assert abs(few.completeness_error - jump) > abs(many.completeness_error - jump)


def test_integrated_gradients_that_lack_too_much_say_that_they_do_not_apply():
    """One point of the path isn't enough; gradient x input takes one and doesn't mean to add up."""
    settings = ExplainSettings(**EXPLAIN | {"integrated_gradients": {"steps": 1}})
    engine = make_engine(even_instance(), make_network("context"))
    found, more, at_end = (
        explain(engine, Target("beat", 2, "logit"), method, chosen, 1)
        for method, chosen in (
            ("integrated_gradients", settings),
            ("integrated_gradients", ExplainSettings(**EXPLAIN | {"integrated_gradients": {"steps": 64}})),
            ("gradient_input", settings),
        )
    )
    assert abs(found.completeness_error) > 0.05 * abs(found.full - found.empty)
    assert "of full minus empty" in found.absent
    assert not found.values.any()
    assert found.rhythm is None
    assert more.absent is None
    assert more.values.any()
    assert abs(at_end.completeness_error) > 0.05 * abs(at_end.full - at_end.empty)
    assert at_end.absent is None


def test_jumps_of_the_look_alikes_are_attributed_to_what_crosses_the_limit():
    """A network that says the same of every signal: all that the target does are the jumps of its look-alikes.

    Two beats look like the target and say its class. On the way from the median beat the target, of which one lead is
    nearly flat, becomes similar to them; so the target jumps, and by the lead that isn't flat.
    """
    instance = even_instance(n_beats=11, targets=(4,))
    record = instance.record
    signal = np.array(record.signal)
    signal[1] *= 1e-3
    wave = signal[:, record.r_index[4] - GEOMETRY.before : record.r_index[4] + GEOMETRY.after].copy()
    rng = np.random.default_rng(3)
    for k in (1, 7):
        part = slice(record.r_index[k] - GEOMETRY.before, record.r_index[k] + GEOMETRY.after)
        signal[:, part] = wave + 0.05 * wave.std() * rng.normal(size=wave.shape)
    instance = replace(instance, record=record.with_signal(signal.astype(np.float32)))
    waves = cut_beats(instance.record.signal, record.r_index, GEOMETRY) / record.lead_scale[:, None]
    logits = np.zeros((len(record.r_index), len(CLASSES)), np.float32)
    logits[[1, 7], 2] = 4.0
    settings = LookAlikeSettings(0.8, 3, 0.8, 50, 0.08, 0.15, ())
    instance = replace(instance, look_alikes=look_alikes_of(logits, waves, GEOMETRY, CLASSES, settings))
    network = make_network("context")
    with torch.no_grad():
        for parameter in network.head.parameters():
            parameter.zero_()
    engine = make_engine(instance, network, baseline="median_beat")
    model = model_of(engine, Target("beat", 2, "logit"))
    for silent in ("zero", "lead_mean"):  # no limit is crossed by a beat that comes out of nothing
        found = path_gradients(model, silent, steps=64, rhythm=True, at_end=False)
        assert np.abs(found.values).sum() < 1e-6
        assert found.lacking
    found = path_gradients(model, "median_beat", steps=64, rhythm=True, at_end=False)
    change = found.full - found.empty
    assert change > 1.0
    assert found.completeness_error == pytest.approx(0.0, abs=0.05 * change)
    by_lead = found.values.sum(axis=1)
    assert by_lead[0] > 0.95 * change
    reach = (
        np.abs(np.arange(instance.stop - instance.start) - (record.r_index[4] - instance.start))
        > 0.16 * record.geometry.fs
    )
    assert not found.values[:, reach].any()


def with_relus_as_layers(net):
    """Have the lead mixer and the rhythm gates use layers for their ReLUs, since captum guides no functions."""
    mixer = net.mixer
    mixer.relu = torch.nn.ReLU()
    mixer.terms = lambda features, ids: mixer.relu(mixer.project(features) + mixer.project_lead(mixer.leads(ids)))
    for gate in (net.rhythm.before.input, net.rhythm.after.input):
        gate.relu = torch.nn.ReLU()
        gate.forward = lambda beats, gate=gate: gate.gates(
            torch.cat([gate.relu(gate.narrow(beats[:, : gate.embedding])), beats[:, gate.embedding :]], dim=1)
        )
    return net


def test_gradcam_is_captums_per_lead_and_guided_too():
    instance = even_instance()
    target = Target("beat", 2, "logit")
    engine = make_engine(instance, with_relus_as_layers(make_network()))
    model = model_of(engine, target)
    rr = torch.from_numpy(instance.rr[None])

    class Wrapped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = engine.network

        def forward(self, signal):
            return model.values(signal, rr)

    wrapped = Wrapped()
    signal = torch.from_numpy(instance.record.signal[None, :, instance.start : instance.stop])
    layer = engine.network.encoder.stacks[0][-1]
    cam = LayerGradCam(wrapped, layer).attribute(signal)
    cam = torch.nn.functional.interpolate(cam, size=GEOMETRY.length, mode="linear")
    own = model_of(make_engine(instance), target)
    found = class_activation(own, "zero", guided=False)
    # The middle of the window shows the target alone, so that its map stands there unmixed.
    expected = cam.detach().view(5, 2, GEOMETRY.length)[2]
    first = int(instance.r_index[2]) - GEOMETRY.before - instance.start
    np.testing.assert_allclose(found.values[:, first : first + GEOMETRY.length], expected.numpy(), atol=1e-5)
    with pytest.warns(UserWarning, match="backward hooks"):  # captum says that it sets hooks
        guide = GuidedBackprop(wrapped).attribute(signal.requires_grad_())
    guided = class_activation(own, "zero", guided=True)
    expected = found.values * guide[0].detach().abs().numpy()
    np.testing.assert_allclose(guided.values, expected, atol=1e-5)


def test_waves_and_beats_cover_the_window_in_order():
    instance = even_instance(step=80)
    for players in (wave_players(instance, rhythm=True), beat_players(instance, rhythm=True)):
        assert (players.edges[0], players.edges[-1]) == (instance.start, instance.stop)
        assert players.names[players.rhythm] == "rhythm"
        for number, r in enumerate(instance.r_index):
            segment = np.searchsorted(players.edges, r, side="right") - 1
            name = players.names[players.cell_player[0, segment]]
            assert name == f"{'QRS' if players.kind == 'waves' else 'beat'} {number + 1}"
    waves = wave_players(instance, rhythm=False)
    order = [waves.names[k] for k in waves.cell_player[0] if waves.names[k] != BETWEEN]
    assert order[:8] == ["P 1", "QRS 1", "ST 1", "T 1", "P 2", "QRS 2", "ST 2", "T 2"]
    # RR .8 s: QT = .4 sqrt(.8), T ends .318 s after R.
    last = waves.edges[np.flatnonzero(waves.cell_player[0] == waves.names.index("T 2"))[0] + 1]
    assert last - instance.r_index[1] == round((0.4 * np.sqrt(0.8) - 0.04) * 100)
    fast = wave_players(even_instance(step=20), rhythm=False)  # 300 a minute: nothing crosses half way to the next beat
    assert all(np.diff(fast.edges) > 0)
    assert (np.diff(even_instance(step=20).r_index) == 20).all()


def test_occlusion_in_closed_form():
    weights = np.array([2.0, -1.0, 0.5])
    masks = occlusion_masks(3)
    solution = solve_occlusion(masks @ weights + masks[:, 0] * masks[:, 1], 3)
    np.testing.assert_allclose(solution.values, [3.0, 0.0, 0.5])  # each loses the interaction as well
    assert solution.completeness_error == pytest.approx(2.5 - 3.5)
    assert solution.n_evaluations == 5


def planted(masks, players):
    """2 from lead V1's segment 17, 1 from the rhythm, -.5 from lead II's segment 15."""
    cells, rhythm = players.cells_on(masks), players.rhythm_on(masks)
    where = np.searchsorted(players.edges, [170, 150])
    return 2.0 * cells[:, 1, where[0]] + rhythm - 0.5 * cells[:, 0, where[1]]


def test_timeshap_prunes_both_ends_and_finds_the_planted_cells():
    events = segment_players(("II", "V1"), segment_edges(0, 400, 10), rhythm=True)

    def solve(players):
        coalitions = shapley_coalitions(len(players), 200, np.random.default_rng(0))
        return solve_kernelshap(coalitions, planted(coalitions.masks, players))

    assert prune(planted, events, 0.02) == (15, 18, 2 + 4 * 39)
    found = explain_timeshap(planted, solve, events, tolerance=0.02, top_events=2, top_leads=2)
    assert found.events[0].names == ("150-160", "160-170", "170-180", "pruned", "rhythm")
    np.testing.assert_allclose(found.events[1].values, [-0.5, 0, 2, 0, 1], atol=1e-9)
    np.testing.assert_allclose(found.leads[1].values, [-0.5, 2, 0, 1], atol=1e-9)
    values = dict(zip(found.cells[0].names, found.cells[1].values, strict=True))
    assert values["V1@170-180"] == pytest.approx(2.0)
    assert values["II@150-160"] == pytest.approx(-0.5)
    assert values["rest"] == pytest.approx(0.0, abs=1e-9)
    assert prune(lambda masks, players: np.zeros(len(masks)), events, 0.02)[:2] == (39, 40)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("players", PLAYERS)
def test_every_method_with_all_players_adds_up(method, players):
    settings = ExplainSettings(**EXPLAIN | {"players": players})
    engine = make_engine(even_instance(targets=(1, 2, 4)), network_for(method))
    found = explain(engine, Target("window", 2, "logit"), method, settings, 1)
    assert found.values.shape == (2, engine.instance.stop - engine.instance.start)
    assert np.isfinite(found.values).all()
    if found.absent:
        assert method == "integrated_gradients"
        assert not found.values.any()
    elif found.units != "relative":
        total = found.values.sum() + found.rhythm + (found.unassigned or 0.0)
        assert total == pytest.approx(found.full - found.empty - found.completeness_error, abs=1e-4)
    again = explain(engine, Target("window", 2, "logit"), method, settings, 1)
    np.testing.assert_allclose(found.values, again.values, atol=1e-6)


def test_values_go_to_samples_by_their_distance_to_the_line_that_fills_them():
    """With the baseline ``interpolation``, of a player alone: what lies on the line has nothing, however far from 0."""
    instance = even_instance()
    instance.record.signal[:] += 5.0
    settings = ExplainSettings(**EXPLAIN | {"segment_s": 0.1})
    found = explain(
        make_engine(instance, baseline="interpolation"), Target("beat", 2, "logit"), "occlusion", settings, 1
    )
    assert found.players.names[-1] == "rhythm"
    for name, value in zip(found.players.names[:-1], found.players.values, strict=False):
        lead, (low, high) = instance.record.leads.index(name.split("@")[0]), map(int, name.split("@")[1].split("-"))
        signal = instance.record.signal[lead].astype(float)
        ends = [k for k in (low - 1, high) if 0 <= k < len(signal)]
        distance = np.abs(signal[low:high] - np.interp(np.arange(low, high), ends, signal[ends]))
        own = found.values[lead, low - instance.start : high - instance.start]
        np.testing.assert_allclose(own, value * distance / distance.sum(), atol=1e-6)


def test_the_table_has_every_method_of_the_configuration():
    assert tuple(TABLE) == METHODS
    with pytest.raises(ValueError, match="explain.methods"):
        explain(make_engine(even_instance()), Target("beat", 2, "logit"), "magic", SETTINGS, 1)
    with pytest.raises(ValueError, match="explain.players"):
        ExplainSettings(**EXPLAIN | {"players": "magic"})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["one beat, one lead", "constant model", "flat record", "noise gate"])
def test_inputs_at_the_edge(method, kind):
    instance = even_instance(("II",), 1, (0,)) if kind == "one beat, one lead" else even_instance()
    net = network_for(method)
    if kind == "constant model":
        for module in (net.head[-1], net.gate[-1]):
            torch.nn.init.zeros_(module.weight)
    if kind == "flat record":
        instance.record.signal[:] = 0.0
    target = Target("noise", None, "logit") if kind == "noise gate" else Target("beat", 2, "logit")
    found = explain(make_engine(instance, net), target, method, SETTINGS, 1)
    assert found.values.shape == (len(instance.record.leads), instance.stop - instance.start)
    assert np.isfinite(found.values).all()
    if kind == "constant model" and method not in {"attention", "attention_rollout"}:  # they know of no target
        np.testing.assert_allclose(found.values, 0, atol=1e-9)
        assert found.full == pytest.approx(found.empty)
    if kind == "noise gate" and found.units != "relative":  # the gate sees neither the neighbours nor the rhythm
        drawn = method in {"lime", "kernelshap", "timeshap"}  # what 64 masks leave to chance: the next test
        assert found.rhythm == pytest.approx(0.0, abs=0.01 if drawn else 1e-12)


@pytest.mark.parametrize("method", ["lime", "kernelshap", "timeshap"])
def test_a_player_without_influence_has_nothing_but_chance(method):
    """The rhythm for the noise gate: within four standard errors of 0, which shrink as the budget grows."""
    values, chance = [], []
    for samples in (64, 4096):
        budget = {"samples": samples}
        own = {"lime": EXPLAIN["lime"] | budget, "kernelshap": budget, "timeshap": EXPLAIN["timeshap"] | budget}
        settings = ExplainSettings(**EXPLAIN | own)
        found = explain(make_engine(even_instance()), Target("noise", None, "logit"), method, settings, 1)
        errors = [e for e, player in zip(found.standard_error, found.players.names, strict=True) if "rhythm" in player]
        assert abs(found.rhythm) <= 4 * sum(errors)
        values.append(abs(found.rhythm))
        chance.append(sum(errors))
    assert values[1] < 1e-3
    assert chance[1] < chance[0] / 5


def test_an_encoder_of_other_layers_is_refused():
    net = make_network()
    net.encoder.stacks[0][2] = torch.nn.GELU()
    with pytest.raises(TypeError, match="expected Conv1d, BatchNorm1d and ReLU"):
        folded_layers(net.encoder.stacks[0])
    with pytest.raises(ValueError, match="evaluation mode"):
        make_engine(even_instance(), make_network().train())
