"""What is said of a beat is true of what was planted; shares of RR intervals are those of a naive re-run."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from beatlens.beats.beat_table import beat_table
from beatlens.beats.rr_intervals import rr_features
from beatlens.beats.settings import BeatSettings
from beatlens.corpora.synthetic import SyntheticSettings
from beatlens.corpora.synthetic.plan import plan_records
from beatlens.corpora.synthetic.planted_waves import has_p, planted_qrs
from beatlens.corpora.synthetic.write import make_record as make_whole_record
from beatlens.decision.calibration import Calibration
from beatlens.explain.case.target import Target
from beatlens.explain.engine.perturbation import PerturbationEngine
from beatlens.explain.methods.kernelshap import solve_kernelshap
from beatlens.explain.methods.sampling import shapley_coalitions
from beatlens.explain.players.intervals import OTHERS, interval_players, masked_features
from beatlens.signals.conditioning import condition
from beatlens.signals.settings.signal import SignalSettings
from beatlens.words.measure import measure_beat
from beatlens.words.measured_record import MeasuredRecord
from makers import GEOMETRY, make_bank, make_instance, make_network, make_record

ROOT = Path(__file__).parents[2]
SECTION = yaml.safe_load((ROOT / "config/config.yaml").read_text())["synthetic"]
CHANGED = {"seed": 21, "ambulatory_patients": 8, "ambulatory_s": 90, "clinical_patients": 0, "noise_share": 0}
SETTINGS = SyntheticSettings(**{**SECTION, **CHANGED, "decoy_share": 0})
BEATS = BeatSettings()


@pytest.fixture(scope="module")
def said() -> pd.DataFrame:
    """Return what is said and what was planted of every sixth beat; R peaks and classes are the planted ones."""
    rows = []
    for plan in plan_records(SETTINGS):
        made, fs = make_whole_record(plan, SETTINGS), SignalSettings().fs
        r_sample = np.array([sample for _, sample in made.beats])
        record = MeasuredRecord(
            condition(made.signal.astype(np.float32), plan.fs, SignalSettings()).signal,
            fs,
            np.rint(r_sample / plan.fs * fs).astype(np.int64),
            r_sample / plan.fs,
            np.zeros(len(r_sample), dtype=np.int64),
            np.array([beat.kind in {"S", "V"} for beat, _ in made.beats]),
            np.zeros(len(r_sample), dtype=bool),
        )
        for row in range(2, len(r_sample) - 2, 6):
            beat, found = made.beats[row][0], measure_beat(record, row)
            onset, end = planted_qrs(made, beat)
            rows.append(
                {
                    "kind": beat.kind, "width": end - onset, "said_width": found.qrs.width_s, "wide": found.qrs.wide,
                    "p": has_p(made, beat), "said_p": found.p.wave, "off": found.timing.off,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def test_qrs_width_is_within_15_ms(said: pd.DataFrame) -> None:
    told = said["said_width"].notna()
    assert told.mean() > 0.6
    assert ((said["said_width"] - said["width"]).abs() <= 0.015)[told].mean() >= 0.95
    wide, narrow = said[said["wide"] == True], said[said["wide"] == False]  # noqa: E712
    assert (wide["width"] >= 0.105).mean() >= 0.95
    assert (narrow["width"] <= 0.135).mean() >= 0.95


def test_a_p_wave_is_said_to_be_there_or_not_as_planted(said: pd.DataFrame) -> None:
    told = said[said["said_p"] != "unknown"]
    assert len(told) > 0.4 * len(said)
    assert ((told["said_p"] != "absent") == told["p"]).mean() >= 0.95
    assert set(told["said_p"]) >= {"usual", "absent"}


def test_ectopic_beats_come_early(said: pd.DataFrame) -> None:
    assert said[said["off"] == 1]["kind"].isin(["S", "V"]).mean() >= 0.95


def rr_case(rng: np.random.Generator):
    """Return an instance whose RR features follow from a beat table, and that table."""
    r_sample = np.cumsum(rng.integers(25, 60, 12)).astype(np.int64)
    n = len(r_sample)
    table = beat_table(
        corpus="c", record="r", patient="p", r_sample=r_sample, fs_file=GEOMETRY.fs, fs=GEOMETRY.fs, n_samples=2000,
        labels=["N"] * n, symbols=["N"] * n, labelled=True, partner=r_sample, annotated_noise=np.zeros(n, dtype=bool),
        settings=BEATS,
    )  # fmt: skip
    made = {"rr": rr_features(table, BEATS), "usual_rr_s": table["rr_usual_long_s"].to_numpy()}
    record = make_record(rng, ("II", "V1"), table["r_index"].to_numpy(), 800, **made)
    instance = make_instance(record, [5], rng)
    return replace(instance, rr_off=np.zeros(len(BEATS.rr_features), dtype=np.float32)), table


def test_all_intervals_on_and_off_are_the_instance_with_its_rhythm_on_and_off() -> None:
    instance, table = rr_case(np.random.default_rng(0))
    players = interval_players(5, table["stretch"].to_numpy())
    masks = np.array([[True] * len(players), [False] * len(players)])
    features = masked_features(players, masks, instance, table, BEATS)
    np.testing.assert_array_equal(features[0], instance.rr)
    np.testing.assert_allclose(features[1], np.tile(instance.rr_off, (len(instance.rr), 1)), atol=1e-6)
    assert players.names == ("-2", "-1", "0", "1", "2", "3", OTHERS)


@pytest.mark.parametrize("name", ["hybrid", "crossmodal"])
def test_shares_of_intervals_are_shapley_values_of_a_naive_rerun(name: str) -> None:
    rng = np.random.default_rng(1)
    instance, table = rr_case(rng)
    network = make_network(name)
    target, bank = Target("beat", 2, "logit"), make_bank(rng, ("II", "V1"))
    engine = PerturbationEngine(
        instance, network, bank=bank, calibration=Calibration(1.3, (0.1, -0.2, 0.1), 1.0, 0.0), baseline="zero"
    )
    players = interval_players(5, table["stretch"].to_numpy())

    def naive(mask: np.ndarray) -> float:
        features = masked_features(players, mask[None], instance, table, BEATS)[0]
        rr = np.array(instance.record.rr)
        rr[instance.record_rows] = features
        fresh = engine.of(instance=replace(instance, record=replace(instance.record, rr=rr)))
        whole = np.ones((1, 2, 1), dtype=bool)
        edges = np.array([instance.start, instance.stop])
        return float(fresh.cell_values(whole, np.ones(1, dtype=bool), edges, target)[0])

    coalitions = shapley_coalitions(len(players), 2 ** len(players), rng)
    features = masked_features(players, coalitions.masks, instance, table, BEATS)
    with torch.inference_mode():
        found = engine.rhythm_values(features, target)
    some = rng.choice(len(found), 12, replace=False)
    np.testing.assert_allclose(found[some], [naive(coalitions.masks[k]) for k in some], atol=1e-4)
    value = {mask.tobytes(): one for mask, one in zip(coalitions.masks, found, strict=True)}
    plain = np.zeros(len(players))
    orders = list(permutations(range(len(players))))
    for order in orders:
        mask = np.zeros(len(players), dtype=bool)
        for player in order:
            before = value[mask.tobytes()]
            mask[player] = True
            plain[player] += value[mask.tobytes()] - before
    np.testing.assert_allclose(solve_kernelshap(coalitions, found).values, plain / len(orders), atol=1e-6)
