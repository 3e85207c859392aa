"""The engine against a naive re-run of the whole chain, on random networks, signals and masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from beatlens.decision.calibration import Calibration
from beatlens.explain.case.baselines import ABSENT, fill_signal
from beatlens.explain.case.target import Target
from beatlens.explain.engine.perturbation import PerturbationEngine
from beatlens.explain.players.coalition import cell_players, refined_players, segment_edges, segment_players
from beatlens.explain.settings import BASELINES, LEAD_OFF
from beatlens.inputs.look_alikes import look_alikes_of
from beatlens.inputs.network_inputs import record_similarities
from beatlens.inputs.prototype_bank import class_features
from beatlens.inputs.settings import LookAlikeSettings
from beatlens.models.build import network_from_arrays, network_to_arrays
from beatlens.shards.shard import cut_beats
from makers import CLASSES, GEOMETRY, make_bank, make_instance, make_network, make_record
from naive import naive_signal

CALIBRATION = Calibration(1.3, (0.1, -0.2, 0.1), 1.0, 0.0)


@pytest.fixture(scope="module", params=[("hybrid", 1), ("context", 1), ("hybrid", 2), ("crossmodal", 1)], ids=str)
def network(request):
    net = make_network(*request.param)
    return network_from_arrays(net.config, network_to_arrays(net))


def random_instance(rng, leads, *, at_edges, targets=(2,), n_beats=5):
    """Beats of a record: at its edges the first and the last reach beyond it."""
    margin = 0 if at_edges else 40
    r_index = margin + 6 + np.cumsum(rng.integers(25, 60, size=n_beats)) - 25
    record = make_record(rng, leads, r_index, int(r_index[-1] + (8 if at_edges else 60)))
    contrast = rng.normal(size=(len(leads), GEOMETRY.length)).astype(np.float32)
    return make_instance(record, targets, rng, contrast=contrast)


def naive_outputs(instance, net, bank, baseline, players, masks):
    logits, gates = [], []
    for cells, rhythm in zip(players.cells_on(masks), players.rhythm_on(masks), strict=True):
        signal = naive_signal(instance, baseline, cells, players.edges)
        waves = cut_beats(signal, instance.r_index, GEOMETRY) / instance.record.lead_scale[:, None]
        rr = instance.rr if rhythm else np.tile(instance.rr_off, (len(instance.rr), 1))
        similarity = record_similarities(waves, instance.record.leads, bank, instance.record.patient)
        features = class_features(similarity, bank)[instance.target_rows]
        with torch.no_grad():
            encoded = net.encode_leads(
                torch.from_numpy(waves.reshape(-1, GEOMETRY.length)),
                torch.from_numpy(np.tile(instance.record.typical, (len(waves), 1))),
            )
            encoded = encoded.view(len(waves), len(instance.record.leads), -1)
            present = torch.ones(encoded.shape[:2], dtype=torch.bool)
            embeddings = net.mix_leads(encoded, present, torch.from_numpy(instance.record.lead_ids))
            arrays = (rr, features, instance.windows, instance.lengths, instance.positions)
            logit, gate = net.classify(embeddings, *(torch.from_numpy(array) for array in arrays))
        logits.append(logit.numpy())
        gates.append(gate.numpy())
    return np.array(logits), np.array(gates)


def in_leads(record, kept):
    return replace(
        record.with_signal(record.signal[kept]),
        leads=tuple(record.leads[k] for k in kept),
        lead_ids=record.lead_ids[kept],
        lead_scale=record.lead_scale[kept],
        typical=record.typical[kept],
    )


def naive_absent(instance, cells):
    """Return the instance without the leads that are wholly off, and their cells."""
    kept = np.flatnonzero(cells.any(axis=1))
    small = replace(
        instance,
        record=in_leads(instance.record, kept),
        contrast=instance.contrast[kept],
    )
    return small, cells[kept]


def test_contrast_beats_are_brought_to_the_signals_level_and_to_where_they_fit():
    rng = np.random.default_rng(6)
    leads = ("II", "V1")
    instance = random_instance(rng, leads, at_edges=False)
    peaks, shifts, level = 60 + 60 * np.arange(5), (0, 1, -2, 2, -1), np.array([[0.3], [-0.2]], dtype=np.float32)
    signal = np.zeros((2, 360), dtype=np.float32)
    places = np.arange(-GEOMETRY.before, GEOMETRY.after)
    for r, shift in zip(peaks, shifts, strict=True):
        moved = instance.contrast[:, np.clip(places - shift + GEOMETRY.before, 0, GEOMETRY.length - 1)]
        signal[:, r + places] = moved + level
    instance = replace(instance, record=replace(instance.record.with_signal(signal), r_index=peaks))
    beats = (peaks[:, None] + places).ravel() - instance.start
    fill = fill_signal(instance, "contrast_beat")
    np.testing.assert_allclose(fill[:, beats], signal[:, instance.start : instance.stop][:, beats], atol=1e-6)
    # A beat that is unlike the contrast doesn't move the level of the others.
    signal[:, 180 + places] += rng.normal(size=(2, GEOMETRY.length)).astype(np.float32) * 5
    other = fill_signal(replace(instance, record=instance.record.with_signal(signal)), "contrast_beat")
    kept = np.delete(np.arange(fill.shape[1]), 180 + places - instance.start)
    np.testing.assert_allclose(other[:, kept], fill[:, kept], atol=0.3)


@pytest.mark.parametrize("baseline", ["interpolation", "median_beat"])
def test_an_absent_lead_is_as_one_that_the_record_has_not_got(network, baseline):
    rng = np.random.default_rng(5)
    leads = ("II", "V1", "V5")
    instance = random_instance(rng, leads, at_edges=False)
    bank = make_bank(rng, leads)
    engine = PerturbationEngine(
        instance, network, bank=bank, calibration=CALIBRATION, baseline=baseline, lead_off="absent"
    )
    filled = PerturbationEngine(instance, network, bank=bank, calibration=CALIBRATION, baseline=baseline)
    edges = segment_edges(instance.start, instance.stop, 20, instance.r_index)
    cells = rng.random((12, 3, len(edges) - 1)) < 0.7
    cells[:4, 1] = cells[:2, 2] = False
    rhythm = np.ones(12, dtype=bool)
    logits, gates = engine.outputs(cells, rhythm, edges)
    for k in range(12):
        small, own = naive_absent(instance, cells[k])
        players = cell_players(small.record.leads, edges, rhythm=False)
        expected = naive_outputs(
            small, network, bank.for_leads(small.record.leads), baseline, players, own.reshape(1, -1)
        )
        np.testing.assert_allclose(logits[k], expected[0][0], atol=1e-5)
        np.testing.assert_allclose(gates[k], expected[1][0], atol=1e-5)
    as_filled = filled.outputs(cells, rhythm, edges)[0]
    assert np.abs(as_filled[:4] - logits[:4]).max() > 1e-3
    np.testing.assert_allclose(as_filled[4:], logits[4:], atol=1e-6)
    nothing = np.zeros((1, *cells.shape[1:]), dtype=bool)  # no lead at all: beats without signal, still a number
    assert np.isfinite(engine.outputs(nothing, rhythm[:1], edges)[0]).all()
    with pytest.raises(ValueError, match="lead_off 'gone'"):
        PerturbationEngine(instance, network, bank=bank, calibration=CALIBRATION, baseline=baseline, lead_off="gone")


def random_masks(rng, n, n_players):
    """Masks of all densities, full and empty included."""
    masks = rng.random((n, n_players)) < rng.random((n, 1))
    masks[0], masks[1] = True, False
    return masks


def naive_look_alikes(instance, logits, waves, record_logits, settings):
    """Mix the log probabilities of each target with the mean of those of its look-alikes, beat by beat."""
    record_waves = (
        cut_beats(instance.record.signal, instance.record.r_index, GEOMETRY) / instance.record.lead_scale[:, None]
    )

    def shape(wave):
        part = wave[:, GEOMETRY.before - 8 : GEOMETRY.before + 15]
        return (part - part.mean(axis=1, keepdims=True)).ravel()

    def evidence(values):
        log = values - np.log(np.exp(values.astype(float)).sum())
        return np.array([np.logaddexp(log[0], log[1]), log[2]])  # the first two classes differ in rhythm

    result = logits.copy()
    for k, row in enumerate(instance.target_rows):
        own = shape(waves[row])
        likeness = {}
        for other, wave in enumerate(record_waves):
            size = np.linalg.norm(own) * np.linalg.norm(shape(wave))
            if instance.record.r_index[other] != instance.r_index[row] and size:
                likeness[other] = own @ shape(wave) / size
        alike = [n for n in sorted(likeness, key=likeness.get)[-settings.beats :] if likeness[n] >= 0.1]
        if alike:
            said = np.mean([evidence(record_logits[n]) for n in alike], axis=0)
            result[k] += (settings.weight * (said - evidence(logits[k])))[[0, 0, 1]]
    return result


@pytest.mark.parametrize("lead_off", LEAD_OFF)
def test_a_perturbed_beat_finds_its_look_alikes_anew(network, lead_off):
    rng = np.random.default_rng(5)
    leads, targets = ("II", "V1"), (1, 2)
    instance, bank = random_instance(rng, leads, at_edges=False, targets=targets), make_bank(rng, leads)
    settings = LookAlikeSettings(0.8, 2, 0.1, 50, 0.08, 0.15, CLASSES[:2])
    record_logits = rng.normal(size=(len(instance.record.r_index), len(CLASSES))).astype(np.float32) * 3
    waves = cut_beats(instance.record.signal, instance.record.r_index, GEOMETRY) / instance.record.lead_scale[:, None]
    alike = look_alikes_of(record_logits, waves, GEOMETRY, CLASSES, settings)
    players = segment_players(leads, segment_edges(instance.start, instance.stop, 7), rhythm=True)
    masks = random_masks(rng, 60, len(players))
    cells, rhythm = players.cells_on(masks), players.rhythm_on(masks)
    if lead_off == ABSENT:
        cells[2:30, 1] = False
    plain = PerturbationEngine(
        instance, network, bank=bank, calibration=CALIBRATION, baseline="contrast_beat", lead_off=lead_off
    )
    alone, gates = plain.outputs(cells, rhythm, players.edges)
    engine = plain.of(instance=replace(instance, look_alikes=alike))
    found, same = engine.outputs(cells, rhythm, players.edges)
    np.testing.assert_array_equal(gates, same)
    shared = 0
    for k in range(len(masks)):
        shown = cut_beats(naive_signal(instance, "contrast_beat", cells[k], players.edges), instance.r_index, GEOMETRY)
        shown, own = shown / instance.record.lead_scale[:, None], instance
        if lead_off == ABSENT:
            kept = np.flatnonzero(cells[k].any(axis=1))
            shown = shown[:, kept]
            own = replace(instance, record=in_leads(instance.record, kept))
        expected = naive_look_alikes(own, alone[k], shown, record_logits, settings)
        np.testing.assert_allclose(found[k], expected, atol=1e-5)
        shared += (found[k] != alone[k]).any()
    assert 10 < shared
    assert (found != alone).any(axis=(0, 2)).all()


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("at_edges", [False, True])
@pytest.mark.parametrize(("leads", "targets"), [(("II",), (2,)), (("II", "V1", "X9"), (1, 2, 4))])
def test_reuse_equals_naive(network, baseline, at_edges, leads, targets):
    rng = np.random.default_rng(len(baseline) + at_edges)
    bank = make_bank(rng, leads)
    instance = random_instance(rng, leads, at_edges=at_edges, targets=targets)
    engine = PerturbationEngine(instance, network, bank=bank, calibration=CALIBRATION, baseline=baseline)
    edges = segment_edges(instance.start, instance.stop, 7)
    for players in (
        segment_players(leads, edges, rhythm=True),
        cell_players(leads, edges, rhythm=True),
        refined_players(leads, edges, [3, 4, 9], rhythm=False),
    ):
        masks = random_masks(rng, 12, len(players))
        for lead in range(len(leads)):  # a whole lead off
            off = np.unique(players.cell_player[lead])
            masks[2 + lead, off[off >= 0]] = False
        expected, expected_gates = naive_outputs(instance, network, bank, baseline, players, masks)
        logits, gates = engine.outputs(players.cells_on(masks), players.rhythm_on(masks), players.edges)
        np.testing.assert_allclose(logits, expected, atol=1e-5, rtol=0)
        np.testing.assert_allclose(gates, expected_gates, atol=1e-5, rtol=0)


def test_one_beat_one_lead(network):
    rng = np.random.default_rng(5)
    bank = make_bank(rng, ("II",))
    instance = random_instance(rng, ("II",), at_edges=True, targets=(0,), n_beats=1)
    engine = PerturbationEngine(instance, network, bank=bank, calibration=CALIBRATION, baseline="interpolation")
    players = segment_players(instance.record.leads, segment_edges(instance.start, instance.stop, 100), rhythm=True)
    masks = np.array([[True, True], [False, False], [False, True]])
    expected, _ = naive_outputs(instance, network, bank, "interpolation", players, masks)
    logits, _ = engine.outputs(players.cells_on(masks), players.rhythm_on(masks), players.edges)
    np.testing.assert_allclose(logits, expected, atol=1e-5, rtol=0)


def test_states_are_encoded_once(network):
    """Masks that differ outside a beat share its encoding, whatever their number."""
    rng = np.random.default_rng(6)
    leads = ("II", "V1")
    instance = random_instance(rng, leads, at_edges=False)
    engine = PerturbationEngine(instance, network, bank=make_bank(rng, leads), calibration=CALIBRATION, baseline="zero")
    players = cell_players(leads, segment_edges(instance.start, instance.stop, 7), rhythm=True)
    masks = np.ones((50, len(players)), dtype=bool)
    masks[25:, players.rhythm] = False
    engine.values(masks, players, Target("beat", 0, "probability"))
    assert engine.n_encoded == len(instance.r_index) * len(leads)


def test_targets_after_calibration(network):
    rng = np.random.default_rng(8)
    leads = ("II", "V1")
    instance = random_instance(rng, leads, at_edges=False, targets=(1, 2, 3))
    engine = PerturbationEngine(
        instance, network, bank=make_bank(rng, leads), calibration=CALIBRATION, baseline="lead_mean"
    )
    players = segment_players(leads, segment_edges(instance.start, instance.stop, 7), rhythm=True)
    masks = random_masks(rng, 12, len(players))
    logits, _ = engine.outputs(players.cells_on(masks), players.rhythm_on(masks), players.edges)
    p = CALIBRATION.probabilities(logits.reshape(-1, 3)).reshape(logits.shape)
    expected = 1 - np.prod(1 - p[:, :, 2], axis=1)
    np.testing.assert_allclose(engine.values(masks, players, Target("window", 2, "probability")), expected, atol=1e-12)
    odds = engine.values(masks, players, Target("window", 2, "logit"))
    np.testing.assert_allclose(1 / (1 + np.exp(-odds)), expected, atol=1e-12)
    with pytest.raises(ValueError, match="expected one"):
        engine.values(masks, players, Target("beat", 2, "probability"))


@pytest.mark.parametrize("baseline", ["interpolation", "zero"])
@pytest.mark.parametrize("length", [1, 2, 7, 60])
def test_calls_share_encodings_whatever_the_length_of_a_segment(network, baseline, length, resize):
    """Encodings are kept across calls; too many segments in a beat for a code, or a full store, change no number."""
    rng = np.random.default_rng(length)
    leads = ("II", "V1")
    instance, bank = random_instance(rng, leads, at_edges=True, targets=(1, 2)), make_bank(rng, leads)
    engine = PerturbationEngine(instance, network, bank=bank, calibration=CALIBRATION, baseline=baseline)
    players = cell_players(leads, segment_edges(instance.start, instance.stop, length), rhythm=True)
    for n in (6, 3, 12):
        masks = random_masks(rng, n, len(players))
        expected, _ = naive_outputs(instance, network, bank, baseline, players, masks)
        for _ in range(2):
            before = engine.n_encoded
            logits, _ = engine.outputs(players.cells_on(masks), players.rhythm_on(masks), players.edges)
            np.testing.assert_allclose(logits, expected, atol=1e-5, rtol=0)
        if length > 2:
            assert engine.n_encoded == before
    resize("MAX_STATES", 20)
    logits, _ = engine.outputs(players.cells_on(masks), players.rhythm_on(masks), players.edges)
    np.testing.assert_allclose(logits, expected, atol=1e-5, rtol=0)
