"""The engine of records against a naive re-run of the whole chain, on random networks, signals and masks."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from beatlens.explain.diagnoses.engine import RecordEngine
from beatlens.explain.diagnoses.instance import RecordInstance
from beatlens.explain.diagnoses.players import record_waves, waves_in_leads
from beatlens.explain.diagnoses.target import DiagnosisTarget
from beatlens.explain.players.coalition import cell_players
from beatlens.explain.players.waves import beat_players, instance_edges
from made_records import LEADS, Alike, make_example, make_network, naive_logits
from naive import naive_signal

BASELINES = ("interpolation", "lead_mean", "zero", "median_beat")


@pytest.fixture(scope="module", params=[(1, False), (2, False), (2, True)], ids=["1", "2", "2 and a shared encoder"])
def network(request):
    return make_network(*request.param)


def grids(instance, segment_s=0.12):
    edges = instance_edges(instance, segment_s)
    return {
        "cells": cell_players(instance.record.leads, edges, True),
        "waves in leads": waves_in_leads(instance, True),
        "beats": beat_players(instance, True),
    }


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("at_edges", [False, True], ids=["inside", "at edges"])
def test_logits_equal_the_naive_rerun(network, baseline, at_edges):
    rng = np.random.default_rng(4 + at_edges)
    instance = RecordInstance(make_example(rng, at_edges=at_edges))
    engine = RecordEngine(instance, network, calibration=Alike(), baseline=baseline)
    for players in grids(instance).values():
        masks = rng.random((8, len(players))) < rng.choice([0.2, 0.5, 0.9], size=(8, 1))
        masks[0], masks[1] = True, False
        cells, rhythm = players.cells_on(masks), players.rhythm_on(masks)
        cells[2, 1], cells[3, :2] = False, False  # a lead that is off, and two
        found = engine.logits(cells, rhythm, players.edges)
        wanted = [
            naive_logits(
                instance.record,
                network,
                naive_signal(instance, baseline, one, players.edges),
                instance.record.rhythm if on else instance.record.constant_rhythm,
            )
            for one, on in zip(cells, rhythm, strict=True)
        ]
        np.testing.assert_allclose(found, wanted, atol=1e-5, err_msg=players.kind)


def test_the_unperturbed_record_has_the_logits_of_its_prediction(network):
    instance = RecordInstance(make_example(np.random.default_rng(8)))
    players = grids(instance)["beats"]
    found = RecordEngine(instance, network, calibration=Alike(), baseline="zero").logits(
        players.cells_on(np.ones((1, len(players)), bool)), np.ones(1, bool), players.edges
    )
    np.testing.assert_allclose(
        found[0], naive_logits(instance.record, network, instance.record.signal, instance.record.rhythm), atol=1e-6
    )


def test_an_absent_lead_is_as_one_that_the_record_has_not_got(network):
    rng = np.random.default_rng(5)
    instance = RecordInstance(make_example(rng))
    players = grids(instance)["waves in leads"]
    masks = rng.random((8, len(players))) < 0.5
    cells = players.cells_on(masks)
    cells[:, 1] = False
    cells[:, [0, 2], 0] = True  # no other lead is wholly off
    make = partial(RecordEngine, network=network, calibration=Alike(), baseline="median_beat", lead_off="absent")
    found = make(instance).logits(cells, players.rhythm_on(masks), players.edges)
    kept = np.array([0, 2])
    other = make(RecordInstance(instance.record.in_leads(kept)))
    np.testing.assert_allclose(found, other.logits(cells[:, kept], players.rhythm_on(masks), players.edges), atol=1e-5)


def test_each_state_is_encoded_once(network):
    rng = np.random.default_rng(6)
    instance = RecordInstance(make_example(rng))
    players = waves_in_leads(instance, True)
    engine = RecordEngine(instance, network, calibration=Alike(), baseline="zero")
    target = DiagnosisTarget(1, "logit")
    masks = rng.random((300, len(players))) < 0.5
    first = engine.values(masks, players, target)
    encoded = engine.n_encoded
    # four waves switch a lead of a beat in at most 2**4 ways
    assert encoded <= 16 * len(instance.r_index) * len(LEADS)
    again = engine.values(masks[::-1], players, target)[::-1]
    np.testing.assert_array_equal(first, again)
    assert engine.n_encoded == encoded


def test_rhythm_off_is_a_constant_rhythm_and_changes_nothing_else(network):
    instance = RecordInstance(make_example(np.random.default_rng(7)))
    steady = replace(instance.record, rr_s=np.full(4, np.median(instance.record.rr_s)))
    players = record_waves(instance, True)
    masks = np.ones((1, len(players)), bool)
    masks[0, players.rhythm] = False
    engine = RecordEngine(instance, network, calibration=Alike(), baseline="zero")
    found = engine.values(masks, players, DiagnosisTarget(2, "logit"))
    assert found[0] == pytest.approx(naive_logits(steady, network, steady.signal, steady.rhythm)[2], abs=1e-5)


def test_rhythm_off_at_the_rate_of_others_is_a_constant_series_of_their_interval(network):
    instance = RecordInstance(make_example(np.random.default_rng(7)), usual_rr_s=0.4)
    steady, others = instance.record, replace(instance.record, rr_s=np.full(4, 0.4))
    players = record_waves(instance, True)
    masks = np.ones((1, len(players)), bool)
    masks[0, players.rhythm] = False
    engine = RecordEngine(instance, network, calibration=Alike(), baseline="zero")
    found = engine.values(masks, players, DiagnosisTarget(2, "logit"))
    wanted = naive_logits(others, network, others.signal, others.rhythm)[2]
    assert found[0] == pytest.approx(wanted, abs=1e-5)
    assert abs(wanted - naive_logits(steady, network, steady.signal, steady.constant_rhythm)[2]) > 1e-3


def test_waves_cover_a_record_once():
    instance = RecordInstance(make_example(np.random.default_rng(9), n_beats=9))
    players = record_waves(instance, True)
    assert players.names == ("P", "QRS", "ST-T", "TQ", "rhythm")
    at = {name: np.repeat(players.cell_player[0], np.diff(players.edges)) == k for k, name in enumerate(players.names)}
    r = instance.r_index
    assert at["QRS"][r].all()
    assert at["P"][r[1:] - 8].all()
    assert at["ST-T"][r + 12].all()
    assert sum(part.sum() for part in at.values()) == instance.stop
    assert len(waves_in_leads(instance, True)) == 4 * len(LEADS) + 1


def test_a_record_without_beats_or_leads_cannot_be_explained():
    example = make_example(np.random.default_rng(1))
    none = np.empty(0, dtype=np.int64)
    with pytest.raises(ValueError, match="c/r: 0 beats in 3 leads"):
        RecordInstance(replace(example, r_index=none, next_r=none))
    with pytest.raises(ValueError, match="5 beats in 0 leads"):
        RecordInstance(example.in_leads(none))
