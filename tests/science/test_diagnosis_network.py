"""The network of diagnoses: what must not change its answers, pooling against a loop, training, fewer leads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from beatlens.core.leads import STANDARD_LEADS, lead_id
from beatlens.decision.diagnoses import DiagnosisDecision
from beatlens.inputs.diagnoses.feature_file import read_features, write_features
from beatlens.inputs.diagnoses.intervals import BANDS_HZ, INTERVAL_CONTENT, interval_content
from beatlens.inputs.diagnoses.record_example import RecordExample
from beatlens.inputs.diagnoses.record_features import RecordFeatures, measure_records, record_logits
from beatlens.inputs.diagnoses.rhythm import RHYTHM_STATISTICS, rhythm_statistics
from beatlens.learning.diagnoses.cross_fit import DiagnosisJob, predict_fold
from beatlens.learning.diagnoses.encoder import GivenEncoder, new_network
from beatlens.learning.diagnoses.settings import DiagnosisSettings
from beatlens.learning.diagnoses.training import network_config, train_diagnoses
from beatlens.models.diagnosis import DiagnosisNetwork
from beatlens.models.shared_encoder import BeatView
from beatlens.prediction.bundle import Bundle
from beatlens.prediction.diagnoses.bundle import DiagnosisBundle
from beatlens.prediction.diagnoses.table import answer_rows
from beatlens.shards.shard import BeatGeometry

ROOT = Path(__file__).resolve().parents[2]
FS, GEOMETRY = 100.0, BeatGeometry.from_seconds(100, 0.25, 0.4)
LEADS = ("I", "II", "V1")
SETTINGS = DiagnosisSettings(members=2, width=4, heads=2, steps=60, folds=3)


def example(number: int, tall: bool, leads: tuple[str, ...] = LEADS, n_beats: int = 8) -> RecordExample:
    """Make a record whose R waves are tall in V1 or not; beats come at .8 s with some variation."""
    rng = np.random.default_rng(number)
    r = (30 + np.cumsum(rng.normal(80, 4, n_beats).round())).astype(np.int64)
    signal = 0.02 * rng.standard_normal((len(leads), 30 + 90 * (n_beats + 2))).astype(np.float32)
    shape = np.exp(-(np.arange(-10, 11) ** 2) / 8)
    for place in r:
        signal[:, place - 10 : place + 11] += shape * np.where([[lead == "V1" and tall] for lead in leads], 1.5, 0.5)
    return RecordExample(
        corpus="made",
        record=f"r{number}",
        patient=f"made/p{number}",
        leads=leads,
        lead_ids=np.array([lead_id(lead) for lead in leads], dtype=np.int64),
        geometry=GEOMETRY,
        signal=signal,
        lead_scale=np.ones(len(leads), dtype=np.float32),
        r_index=r,
        next_r=np.append(r[1:], signal.shape[1])[: len(r)],
        typical=np.zeros((len(leads), GEOMETRY.length), dtype=np.float32),
        rr_s=np.diff(r) / FS,
        beat_scale=np.ones(len(leads), dtype=np.float32),
    )


@pytest.fixture(scope="module")
def network() -> DiagnosisNetwork:
    torch.manual_seed(3)
    return DiagnosisNetwork(network_config(SETTINGS, 2, GEOMETRY)).eval()


@pytest.fixture(scope="module")
def records(network: DiagnosisNetwork) -> RecordFeatures:
    return measure_records([example(k, k % 2 == 1) for k in range(24)], network, LEADS)


LABELS = np.array([[k % 2, 1 - k % 2] for k in range(24)], dtype=np.int64)


def test_pooling_is_a_weighted_mean_over_the_beats_of_each_record(network: DiagnosisNetwork) -> None:
    beats, record = torch.rand(9, 8), torch.tensor([0, 0, 2, 2, 2, 0, 2, 2, 0])
    with torch.no_grad():
        pooled, weight = network.pool(beats, record, 3), network.attention(beats, record, 3)
    for r in (0, 2):
        expected = torch.zeros(2, 2, 2)
        for k in (record == r).nonzero()[:, 0].tolist():
            for member in range(2):
                for head in range(2):
                    of_head = beats[k].view(2, 2, 2)[member, head]
                    expected[member, head] += float(weight[k, member, head]) * of_head
        assert torch.allclose(pooled[r], expected.flatten(), atol=1e-6)
        assert torch.allclose(weight[record == r].sum(0), torch.ones(2, 2))
    assert not pooled[1].any()  # a record without beats


def test_absent_leads_and_other_records_change_no_bit(network: DiagnosisNetwork, records: RecordFeatures) -> None:
    fewer = records.in_leads(("II", "V1"))
    logits = record_logits(network, fewer)
    filled = fewer.features.clone()
    filled[:, 0] = torch.nan
    assert np.array_equal(record_logits(network, replace(fewer, features=filled)), logits)
    for order in (np.array([5]), np.array([7, 5, 0])):
        assert np.array_equal(record_logits(network, fewer.rows(order)), logits[order])


def test_leads_left_out_are_as_leads_that_a_record_lacks(network: DiagnosisNetwork, records: RecordFeatures) -> None:
    lacking = [example(k, k % 2 == 1).in_leads(np.array([1, 2])) for k in range(24)]
    measured = measure_records(lacking, network, LEADS)
    expected = record_logits(network, records.in_leads(("II", "V1")))
    assert np.allclose(record_logits(network, measured), expected, atol=1e-6)


def test_the_place_of_a_lead_changes_nothing(network: DiagnosisNetwork) -> None:
    one = [example(1, tall=True)]
    there, back = measure_records(one, network, LEADS), measure_records(one, network, LEADS[::-1])
    assert np.allclose(record_logits(network, there), record_logits(network, back), atol=1e-6)


def test_without_dropout_training_sees_what_prediction_sees(network: DiagnosisNetwork) -> None:
    bare = DiagnosisNetwork(replace(network.config, dropout=0.0))
    bare.load_state_dict(network.state_dict())
    measured = measure_records([example(4, tall=False, n_beats=3)], network, LEADS)
    scaled = network.scaled(measured.features, measured.lead_ids)[None]
    logits = bare.training_logits(scaled, measured.lead_ids, bare.scaled_rhythm(measured.rhythm))
    assert np.allclose(logits.mean(1).detach().numpy(), record_logits(network, measured), atol=1e-5)


def test_features_in_any_files_give_the_same(tmp_path, records: RecordFeatures) -> None:
    keys = [("made", f"r{k}") for k in range(24)]
    odd = np.arange(1, 24, 2)
    even = np.arange(0, 24, 2)
    write_features(tmp_path / "all.npz", keys, records)
    for name, chosen in (("odd", odd), ("even", even)):
        write_features(tmp_path / f"{name}.npz", [keys[k] for k in chosen], records.rows(chosen))
    whole = read_features([tmp_path / "all.npz"], keys)
    parts = read_features([tmp_path / "odd.npz", tmp_path / "even.npz"], keys)
    for name in ("features", "present", "record", "rhythm"):
        assert torch.equal(getattr(whole, name), getattr(parts, name))
        assert torch.equal(getattr(whole, name), getattr(records, name))
    with pytest.raises(ValueError, match="made/r99"):
        read_features([tmp_path / "all.npz"], [("made", "r99")])


def test_a_shared_encoder_is_that_of_the_bundle_and_learns_nothing(tmp_path, config) -> None:
    settings = {**config, "signal": {**config["signal"], "fs": 200}}
    given = GivenEncoder.read(ROOT / "models" / "mitdb", settings)
    given.check_patients(["mitdb/100", "elsewhere/101"])  # a patient of its tests, and one of another corpus
    with pytest.raises(ValueError, match=r"it learnt from 1 patients of this run, such as mitdb/101"):
        given.check_patients(["mitdb/101", "elsewhere/101"])
    with pytest.raises(ValueError, match=r"beats.after_s: 0.5; expected 0.4"):
        GivenEncoder.read(ROOT / "models" / "mitdb", {**settings, "beats": {**config["beats"], "after_s": 0.5}})
    geometry = BeatGeometry.from_seconds(200, 0.25, 0.4)
    sizes = network_config(SETTINGS, 2, geometry, given)
    seen = new_network(sizes, given).eval()
    waves, lead_ids = torch.randn(4, geometry.length), torch.tensor([1, 1, 6, 12])
    view = BeatView(waves, waves.roll(3, 0), lead_ids)
    beats = Bundle.load(ROOT / "models" / "mitdb").network()
    wanted = beats.lead_terms(beats.encode_leads(view.waves, view.typical), lead_ids)
    assert torch.equal(
        seen.encode_leads(waves, torch.zeros(4, len(INTERVAL_CONTENT)), view)[:, seen.n_measured :], wanted
    )

    features = RecordFeatures(
        leads=("II", "V1"), lead_ids=torch.tensor([1, 6]), features=torch.randn(16, 2, seen.size),
        present=torch.ones(8, 2, dtype=torch.bool), record=torch.arange(8).repeat_interleave(2),
        rhythm=torch.randn(8, len(RHYTHM_STATISTICS)),
    )  # fmt: skip
    trained = train_diagnoses(features, LABELS[:8], sizes, SETTINGS, 3, given).network
    for name, value in trained.shared.state_dict().items():
        assert np.array_equal(value.numpy(), given.weights[name]), name
    weights = {name: value.numpy().copy() for name, value in trained.state_dict().items()}
    decision = DiagnosisDecision(1.0, (0.0,) * 2, (0.5,) * 2, 0.1, (0.0,) * 2, 0.0)
    names = {"AF": "atrial fibrillation", "PVC": "premature ventricular contractions"}
    DiagnosisBundle(names, ("II", "V1"), geometry, sizes.to_json(), weights, decision, {}, {}, {}, 1).write(
        tmp_path / "b"
    )
    again = DiagnosisBundle.read(tmp_path / "b").load_network()
    assert np.array_equal(record_logits(again, features), record_logits(trained, features))


def test_a_fold_is_predicted_by_networks_without_its_patients(records: RecordFeatures) -> None:
    job = DiagnosisJob(
        features=records,
        fold=np.arange(24) // 8,
        labels=LABELS,
        patients=np.array([f"p{k}" for k in range(24)]),
        config=network_config(SETTINGS, 2, GEOMETRY),
        settings=SETTINGS,
        seed=1,
    )
    _, outputs = predict_fold(job, 1)
    assert outputs.rows.tolist() == list(range(8, 16))
    assert sorted(outputs.calibration_rows.tolist()) == [*range(8), *range(16, 24)]
    assert ((outputs.logits[:, 0] > outputs.logits[:, 1]) == (LABELS[8:16, 0] == 1)).mean() > 0.7
    changed = replace(job, labels=np.where(np.arange(24)[:, None] // 8 == 1, 1 - LABELS, LABELS))
    _, same = predict_fold(changed, 1)  # labels of the fold itself have no part in anything
    assert np.array_equal(same.logits, outputs.logits)
    assert np.array_equal(same.calibration_logits, outputs.calibration_logits)
    with pytest.raises(ValueError, match="in a fold and outside"):
        replace(job, patients=np.array(["same"] * 24)).train([1])


def test_training_is_repeatable_and_its_seed_counts(records: RecordFeatures) -> None:
    config, few = network_config(SETTINGS, 2, GEOMETRY), replace(SETTINGS, steps=10)
    one, same, other = (train_diagnoses(records, LABELS, config, few, seed).loss for seed in (1, 1, 2))
    assert one == same != other


def test_a_record_without_beats_goes_to_review(network: DiagnosisNetwork) -> None:
    silent = example(1, tall=True, n_beats=0)
    unknown = example(2, tall=True).in_leads(np.array([], dtype=np.int64))
    logits = record_logits(network, measure_records([silent, unknown, example(3, tall=True)], network, LEADS))
    assert np.isnan(logits).all(axis=1).tolist() == [True, True, False]
    table = pd.DataFrame({"corpus": "made", "record": ["a", "b", "c"], "role": "predict", "label_X": -1, "label_Y": -1})
    decision = DiagnosisDecision(1.0, (0.0, 0.0), (0.5, 0.5), 0.1, (0.1, 0.1), 0.0)
    rows = answer_rows(table, logits, np.array([0, 8, 8]), decision, ("X", "Y"))
    assert rows["reason"].tolist() == ["no_beats", "no_known_lead", ""]
    assert rows["review"].tolist() == [True, True, False]
    assert rows.loc[:1, ["p_X", "p_Y"]].isna().all(axis=None)
    assert rows["pred"].tolist()[:2] == ["", ""]
    assert rows["conformal_set"].tolist()[:2] == ["X;Y", "X;Y"]


def test_a_constant_rhythm_has_no_variation_at_any_rate() -> None:
    first = RHYTHM_STATISTICS.index("variation")
    for rr in (0.4, 0.8, 1.6):
        assert np.allclose(rhythm_statistics(np.full(9, rr))[first:], 0, atol=1e-6)
    assert not rhythm_statistics(np.array([0.8])).any()
    irregular = rhythm_statistics(np.array([0.6, 1.1, 0.5, 0.9, 0.7, 1.2, 0.6]))
    assert (irregular[first : first + 4] > 0.9).all()


@pytest.mark.parametrize("place", range(4))
def test_a_wave_between_beats_shows_in_its_band(place: int) -> None:
    low, high = BANDS_HZ[place]
    hz, at = (low + high) / 2, np.arange(120) / FS
    wave = (0.2 * np.sin(2 * np.pi * hz * at))[None].astype(np.float32)
    found = interval_content(wave, np.zeros_like(wave), FS)[0]
    names = [f"untied_{a:g}_{b:g}_hz" for a, b in BANDS_HZ]
    bands = [found[INTERVAL_CONTENT.index(name)] for name in names]
    assert int(np.argmax(bands)) == place
    gone = interval_content(wave, wave, FS)[0]  # what the typical beat explains isn't untied
    assert gone[INTERVAL_CONTENT.index("untied_size")] < found[INTERVAL_CONTENT.index("untied_size")] - 2


def test_all_leads_are_known() -> None:
    assert [lead_id(lead) for lead in STANDARD_LEADS] == list(range(12))
