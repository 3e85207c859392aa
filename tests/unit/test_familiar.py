"""What a record is unlike: leads, rate, amplitude, which way up, shapes; and what a familiar one must not be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from beatlens.beats.settings import BeatSettings
from beatlens.core.remarks import REMARK_COLUMNS, REMARKS, remark_table
from beatlens.inputs.network_inputs import InputSpec, RecordInputs
from beatlens.inputs.prototype_bank import PrototypeBank
from beatlens.prediction.familiar_records import Familiar, fit_familiar, unlike
from beatlens.shards.shard import BeatGeometry
from makers import make_record

LEADS, CLASSES = ("II", "V1"), ("N", "V")
GEOMETRY = BeatGeometry(100.0, 25, 40)
TIME = np.arange(GEOMETRY.length) / 100 - 0.25
NARROW = np.exp(-0.5 * (TIME / 0.015) ** 2) + 0.3 * np.exp(-0.5 * ((TIME - 0.25) / 0.04) ** 2)
WIDE = np.exp(-0.5 * (TIME / 0.05) ** 2) - 0.5 * np.exp(-0.5 * ((TIME - 0.25) / 0.05) ** 2)
SIGNAL = {"fs": 100.0, "band_hz": [0.5, 40], "order": 3, "notch_hz": None}
KNOWN = Familiar({"II": 1.0, "V1": 0.5}, (0.25, 3.0), 0.5)


@pytest.fixture
def spec(config):
    waves = np.stack([[NARROW, -NARROW], [WIDE, -WIDE], [-NARROW, NARROW]]).astype(np.float32)
    labels, patients = np.array(["N", "V", "N"]), np.array(["c/a", "c/b", "c/turned"])
    bank = PrototypeBank(waves, np.ones((3, 2), dtype=bool), LEADS, CLASSES, labels, patients, patients, 1)
    return InputSpec(CLASSES, LEADS, GEOMETRY, BeatSettings(**config["beats"]), bank)


def record(n=20, leads=LEADS, scale=(1.0, 0.5), fs_file=360.0, wave=NARROW, n_wide=4, patient="c/turned"):
    """Return inputs with `n_wide` wide beats among `n`, lead V1 of opposite sign, some noise."""
    rng = np.random.default_rng(0)
    waves = np.stack([np.stack([shape, -shape]) for shape in [WIDE] * n_wide + [wave] * (n - n_wide)])
    waves = (waves + 0.02 * rng.standard_normal(waves.shape)).astype(np.float32)[:, [LEADS.index(k) for k in leads]]
    own = make_record(
        rng, leads, np.arange(n), 100, patient=patient, fs_file=fs_file, geometry=GEOMETRY, typical=waves[-1],
        lead_scale=np.array(scale, dtype=np.float32),
    )  # fmt: skip
    return RecordInputs(own, pd.DataFrame({"record": ["r"] * n}), waves)


def found(inputs, spec, familiar=KNOWN, n_far=0, signal=SIGNAL):
    far = np.arange(len(inputs)) < n_far
    remarks = unlike(inputs, spec, familiar, far, signal)
    assert list(remark_table(remarks).columns) == list(REMARK_COLUMNS)
    assert all(remark[:2] == ("c", "r") and remark.remark in REMARKS and remark.detail for remark in remarks)
    return [remark.remark for remark in remarks]


def test_a_familiar_record_has_no_remark_whatever_its_ectopic_beats(spec):
    for n_wide in (0, 9, 20):
        assert found(record(n_wide=n_wide), spec) == []
    assert found(record(leads=("II",), scale=(1.0,)), spec) == []
    assert found(record(n=1, n_wide=0), spec) == []


@pytest.mark.parametrize(
    ("changes", "familiar", "expected"),
    [
        ({"scale": (10.0, 5.0)}, KNOWN, ["unlike:amplitude"]),
        ({"scale": (0.1, 0.05)}, KNOWN, ["unlike:amplitude"]),
        ({"scale": (1.0, 0.01)}, KNOWN, []),  # one lead at right angles to the heart's axis
        ({"fs_file": 80.0}, KNOWN, ["unlike:rate"]),  # holds what is up to 36 Hz
        ({"fs_file": 90.0}, KNOWN, []),
        ({}, replace(KNOWN, scale_mv={"V5": 1.0}), ["unlike:leads"]),
        ({}, replace(KNOWN, scale_mv={"II": 1.0}), []),  # one that it knows is enough
    ],
)
def test_leads_rate_and_amplitude(spec, changes, familiar, expected):
    assert found(record(**changes), spec, familiar) == expected


def test_a_record_that_is_turned_over_is_told_from_one_with_prototypes_of_its_own_kind(spec):
    upside_down = record()
    upside_down = replace(upside_down, waves=-upside_down.waves)
    assert found(upside_down, spec) == ["unlike:inverted"], "a prototype of the own patient is no sign of familiarity"
    assert found(replace(upside_down, record=replace(upside_down.record, patient="c/other")), spec) == [], (
        "another patient had such beats"
    )
    few = record(n_wide=0)
    assert found(replace(few, waves=np.concatenate([-few.waves[:9], few.waves[9:]])), spec) == []
    assert found(record(patient="c/a", wave=-NARROW), spec) == [], "the other normal prototype is like it"


def test_most_beats_far_from_prototypes(spec):
    assert found(record(), spec, n_far=10) == []
    assert found(record(), spec, n_far=11) == ["unlike:shapes"]
    assert found(record(), spec, replace(KNOWN, far_share=0.7), n_far=14) == []
    assert found(record(), spec, None, n_far=20) == []


def test_limits_rest_on_training_patients_alone():
    records = pd.DataFrame(
        {
            "corpus": "c", "record": ["a", "b", "c", "d"], "patient": ["p", "p", "q", "t"],
            "split": ["train", "train", "train", "test"],
        }
    )  # fmt: skip
    scales = records[["corpus", "record"]].assign(
        leads=["II;V1", "II", "V1;II", "II;V1"], lead_scale=["1.0;0.4", "2.0", "0.8;2.5", "90;90"]
    )
    far = np.array([True, False, False, False, True, True, True, False])
    patients = np.array(["c/p"] * 4 + ["c/q"] * 4)
    familiar = fit_familiar(records, scales, ("II", "V1", "V5"), far, patients)
    assert familiar.scale_mv == {"II": 2.0, "V1": pytest.approx(0.6)}  # the median over patients p: 1.5, q: 2.5
    ratios = np.array([1.4 / 2.6, 1.0, 3.3 / 2.6])
    low, high = np.quantile(ratios, (0.01, 0.99))
    assert familiar.amplitude == (pytest.approx(low / 2), pytest.approx(high * 2))
    assert familiar.far_share == 0.75
    assert Familiar.from_json(familiar.to_json()) == familiar
    with pytest.raises(ValueError, match=r"no training record has one of the leads \['V5'\]"):
        fit_familiar(records, scales, ("V5",), far, patients)
