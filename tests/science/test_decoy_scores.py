"""Scores against decoys: closed forms on maps that are right, wrong and blind, and whether a network uses a decoy."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from beatlens.decision.calibration import Calibration
from beatlens.evaluate.explanations.decoys import (
    AGAINST,
    AGAINST_UNUSED,
    OTHER_BEATS,
    CaseDecoys,
    case_decoys,
    decoy_scores,
)
from beatlens.evaluate.explanations.localisation import Truth
from beatlens.evaluate.explanations.truths import NullMaps
from beatlens.explain.case.target import Target
from beatlens.explain.engine.perturbation import PerturbationEngine
from makers import GEOMETRY, make_bank, make_instance, make_network, make_record


@pytest.fixture(scope="module")
def prepared() -> SimpleNamespace:
    """Return the third of five beats, with a network that heeds one lead alone."""
    rng = np.random.default_rng(0)
    r_index = 15 + 45 * np.arange(5)
    instance = make_instance(make_record(rng, ("II", "V1"), r_index, int(r_index[-1]) + 30), (2,), rng)
    network = make_network("context")
    mixed = network.mix_leads
    network.mix_leads = lambda features, present, ids: mixed(features[:, :1], present[:, :1], ids[:1])
    engine = PerturbationEngine(
        instance,
        network,
        bank=make_bank(np.random.default_rng(1), instance.record.leads),
        calibration=Calibration(1.0, (0.0, 0.0, 0.0), 1.0, 0.0),
        baseline="zero",
    )
    case = SimpleNamespace(target="beat", beat_id="c/r/105")
    return SimpleNamespace(engine=engine, instance=instance, target=Target("beat", 2, "logit"), case=case)


def masks(prepared: SimpleNamespace) -> tuple[Truth, CaseDecoys]:
    """Truth in the first samples of the beat in II; one decoy in II, which is heeded, one in V1, which isn't."""
    shape = prepared.instance.window.shape
    first = int(prepared.instance.r_index[2] - prepared.instance.start) - GEOMETRY.before
    inside, heeded, idle = np.zeros((3, *shape), dtype=bool)
    inside[0, first : first + 8] = heeded[0, first + 8 : first + 16] = idle[1, first : first + 8] = True
    everywhere = np.ones(shape[1], dtype=bool)
    return Truth(inside, np.ones(shape, dtype=bool)), CaseDecoys({"notch": heeded, "bump": idle}, everywhere)


def test_scores_of_right_wrong_and_blind_maps_and_the_decoy_that_is_used(prepared: SimpleNamespace) -> None:
    truth, decoys = masks(prepared)
    heeded, idle = decoys.samples["notch"], decoys.samples["bump"]
    maps = {"right": truth.inside * 1.0, "heeds": truth.inside + 3.0 * heeded, "wrong": idle * 1.0}
    attributions = {name: SimpleNamespace(values=values) for name, values in maps.items()}
    nulls = NullMaps({"uniform": [np.ones(truth.inside.shape)]})
    with torch.no_grad():
        scores = list(decoy_scores(prepared, attributions, truth, decoys, nulls, seed=1))
    table = pd.DataFrame([vars(score) for score in scores]).set_index(["method", "truth", "metric"])
    value, null = table["value"], table["null_value"]
    assert value["right", AGAINST, "auprc"] == value["right", AGAINST, "pointing_game"] == 1.0
    assert value["right", AGAINST, "decoy_mass"] == value["wrong", AGAINST, "pointing_game"] == 0.0
    assert value["wrong", AGAINST, "decoy_mass"] == 1.0
    assert value["heeds", AGAINST, "decoy_mass"] == pytest.approx(0.75)
    assert value["heeds", AGAINST, "auprc"] == pytest.approx(0.5)
    # What the network uses is its own fault: without that decoy, the map that shows it is right.
    assert value["heeds", AGAINST_UNUSED, "auprc"] == 1.0
    assert value["heeds", AGAINST_UNUSED, "decoy_mass"] == 0.0
    assert null["right", AGAINST, "auprc"] == pytest.approx(1 / 3)
    assert null["right", AGAINST_UNUSED, "auprc"] == pytest.approx(1 / 2)
    assert value["right", "planted", "decoys_used"] == 0.5
    assert value["right", "planted", "decoy_use"] > 0


def test_decoys_of_a_case_are_its_beats_by_kind_and_those_of_others_together(prepared: SimpleNamespace) -> None:
    beats = pd.DataFrame({"beat_id": ["c/r/105"], "matched": [True], "matched_r_sample": [105]})
    fs = prepared.instance.record.geometry.fs
    times = [prepared.instance.r_index[k] / fs for k in (1, 2, 2)]
    spans = pd.DataFrame(
        {
            "lead": ["II", "V1", "II"],
            "start_s": times,
            "end_s": [time + 4 / fs for time in times],
            "label": ["decoy:bump", "decoy:shifted T", "V"],
            "r_sample": [60, 105, 105],
        }
    )
    found = case_decoys(prepared, SimpleNamespace(spans=spans, beats=beats))
    assert found is not None
    assert {kind: int(mask.sum()) for kind, mask in found.samples.items()} == {OTHER_BEATS: 4, "shifted T": 4}
    assert case_decoys(prepared, SimpleNamespace(spans=spans.iloc[[0, 2]], beats=beats)) is None
