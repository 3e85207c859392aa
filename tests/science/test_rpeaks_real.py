"""The default detector and the quality rules on real records of MIT-BIH's DS1 (DS2 is read by the benchmark alone)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from beatlens.beats.beat_table import match_beats
from beatlens.beats.preprocess import PreprocessSettings, preprocess_record
from beatlens.core.record import Record
from beatlens.corpora.beat_labels import label_beats
from beatlens.corpora.label_table import LabelTable
from beatlens.corpora.wfdb.record import read_record
from beatlens.signals.conditioning import condition
from beatlens.signals.detection.r_peaks import detect

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
SETTINGS = PreprocessSettings.from_config(CONFIG)
FOLDER = Path(os.environ.get("BEATLENS_DATA", ROOT / "data")) / "mitdb"
NAMES = ("106", "108", "114", "119", "203", "208", "215", "223")  # hard ones and plain ones
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(
        not (FOLDER / "100.hea").is_file(), reason=f"no MIT-BIH records in {FOLDER} (set BEATLENS_DATA)"
    ),
]


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return [read_record(FOLDER, name, "mitdb") for name in NAMES]


@pytest.fixture(scope="module")
def table() -> LabelTable:
    return LabelTable.read(ROOT / "config" / "labels" / "mitdb.csv")


def test_one_lead_meets_the_required_f1(records: list[Record], table: LabelTable) -> None:
    counts = {0.15: np.zeros(3), 0.05: np.zeros(3)}
    for record in records:
        labels = label_beats(record, table)
        assert labels is not None
        signal = condition(record.signal[:1], record.fs, SETTINGS.signal).signal
        found = detect(signal, SETTINGS.signal.fs, SETTINGS.rpeaks) / SETTINGS.signal.fs
        for tolerance, total in counts.items():
            matched = (match_beats(found, labels.sample / record.fs, tolerance)[0] >= 0).sum()
            total += [matched, len(found), len(labels.sample)]
    f1 = {tolerance: 200 * total[0] / (total[1] + total[2]) for tolerance, total in counts.items()}
    assert f1[0.15] >= 99.5
    assert f1[0.05] >= 98.5


def test_all_leads_quality_and_lead_choice(records: list[Record], table: LabelTable) -> None:
    lost, ectopic, missed, beats, r_error = 0, 0, 0, 0, []
    for record in records:
        result = preprocess_record(record, "train", label_beats(record, table), SETTINGS)
        annotated = result.annotated
        is_ectopic = annotated["label"].isin(["S", "V"])
        lost += int((annotated.loc[is_ectopic, "reason"] != "").sum())
        ectopic += int(is_ectopic.sum())
        missed += int((~annotated["matched"]).sum())
        beats += len(annotated)
        pairs = annotated[annotated["matched"]]
        offset = (pairs["matched_r_sample"] - pairs["r_sample"]) / record.fs
        r_error.append(float(np.median(np.abs(offset - offset.median()))))
    assert ectopic > 1500
    assert lost <= 0.01 * ectopic  # quality rules don't take ectopy for noise
    assert missed <= 0.01 * beats
    assert max(r_error) < 0.01


def test_a_record_in_parts_has_the_same_beats(records: list[Record]) -> None:
    """Detection hangs on what is around a beat, not on where the record begins."""
    record = records[-1]
    signal = condition(record.signal, record.fs, SETTINGS.signal).signal
    whole = detect(signal, SETTINGS.signal.fs, SETTINGS.rpeaks)
    half = detect(signal[:, 60_000:180_000], SETTINGS.signal.fs, SETTINGS.rpeaks) + 60_000
    inside = whole[(whole > 62_000) & (whole < 178_000)]
    again = half[(half > 62_000) & (half < 178_000)]
    partner, _ = match_beats(inside, again, 4.0)
    assert (partner >= 0).mean() > 0.995
