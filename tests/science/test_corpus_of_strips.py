"""Strips, rows of a table with one label each: listed, preprocessed, and trained on by their weak labels."""

from __future__ import annotations

import copy
import csv
import os
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from beatlens.beats.preprocess import PreprocessSettings
from beatlens.beats.preprocess_shard import CorpusSource, preprocess_shard
from beatlens.config.load import ConfigError, load_config
from beatlens.core.record_faults import RecordFault
from beatlens.corpora.index import update_sheet
from beatlens.corpora.label_table import LabelTable
from beatlens.corpora.registry import read_record
from beatlens.corpora.strip_tables import read_strips
from beatlens.corpora.strips import StripSettings, safe_name
from beatlens.learning.make_bundle import bundle_model
from beatlens.learning.train_and_bundle import TrainingJob, input_spec, model_description, train_with_held_out
from beatlens.models.build import network_to_arrays
from beatlens.prediction.predict import predict_beats
from beatlens.prototypes.mining import PrototypeSettings, mine
from beatlens.shards import record_table
from beatlens.shards.settings import SplitSettings
from beatlens.shards.shard import Shard
from beatlens.shards.splits import assign_splits

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "config" / "labels" / "strips.csv"
FS = 250
CORPORA = [{"name": "mine", "format": "strips", "role": "train", "labels": str(TABLE), "fs": FS}]


def wave(rng, width, seconds):
    time = np.arange(int(seconds * FS)) / FS
    beats = np.arange(0.4, seconds - 0.3, 0.8) + rng.normal(0, 0.01, len(np.arange(0.4, seconds - 0.3, 0.8)))
    signal = sum(np.exp(-0.5 * ((time - beat) / width) ** 2) for beat in beats)
    return signal + 0.02 * rng.standard_normal(len(time))


def rows(seed=0, patients=12):
    """Two strips a patient: narrow (0) and wide (2) beats, and a strip of noise (-1) from every other one."""
    rng = np.random.default_rng(seed)
    result = []
    for p in range(patients):
        for label, width in ((0, 0.012), (2, 0.05), (-1, None))[: 3 - p % 2]:
            seconds = 8 + (p % 3) / 2
            values = wave(rng, width, seconds) if width else 0.7 * rng.standard_normal(int(seconds * FS))
            result.append((f"s{p}/{label} é", values, label, f"P-{p}"))
    return result


def write_csv(file, table, header=("Strip ID", "Waveform", "Class", "patient_id")):
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(header)
        for name, values, label, patient in table:
            writer.writerow([name, np.array2string(values, threshold=10**9, precision=4), label, patient])


@pytest.fixture
def sheet(tmp_path, monkeypatch):
    monkeypatch.delenv("BEATLENS_DATA", raising=False)

    def make():
        return update_sheet(CORPORA, tmp_path / "sheet.tsv", tmp_path, tmp_path / "results")

    return make


def test_each_strip_is_a_record_with_a_digest_of_its_own(tmp_path, sheet):
    table = rows()
    write_csv(tmp_path / "mine" / "a.csv", table)
    before = sheet()
    assert len(before) == len(table)
    assert all(row.record == safe_name(row.record) for row in before)
    assert len({row.record for row in before}) == len(before)
    name, values, label, patient = table[3]
    table[3] = (name, values + 0.01, label, patient)
    write_csv(tmp_path / "mine" / "a.csv", table)
    os.utime(tmp_path / "mine" / "a.csv", ns=(1, 1))
    changed = [old.record for old, new in zip(before, sheet(), strict=True) if old.sha256 != new.sha256]
    assert changed == [before[3].record]


def test_xlsx_and_csv_give_the_same_records(tmp_path, sheet):
    table = rows(patients=3)
    write_csv(tmp_path / "mine" / "a.csv", table)
    from_csv = sheet()
    records = [read_record(row, tmp_path / "mine", None, StripSettings(fs=FS)) for row in from_csv]
    (tmp_path / "mine" / "a.csv").unlink()
    book = openpyxl.Workbook()
    book.active.append(["label", "subject", "ecg", "id"])
    for name, values, label, patient in table:
        book.active.append([float(label), patient, ",".join(f"{v:.4f}" for v in values), name])
    book.save(tmp_path / "mine" / "b.xlsx")
    for old, row in zip(records, sheet(), strict=True):
        new = read_record(row, tmp_path / "mine", None, StripSettings(fs=FS))
        assert (new.name, new.patient, new.label, new.fs, new.leads) == (old.name, old.patient, old.label, FS, ("II",))
        np.testing.assert_allclose(new.signal, old.signal, atol=1e-4)
    assert {record.label for record in records} == {"-1", "0", "2"}


def test_whole_numbers_stay_so_beside_missing_ones(tmp_path):
    file = tmp_path / "a.csv"
    table = {
        "ecg": ["1 2 3", "4 5 6", "7 8 9"],
        "label": [2, None, -1],
        "subject": [7, 8, None],
        "id": ["1.0", "b", "2.0"],
    }
    pd.DataFrame(table).to_csv(file, index=False)  # pandas writes 2.0, since a value is missing
    found = read_strips(file)
    assert [strip.label for strip in found] == ["2", "", "-1"]
    assert [strip.patient for strip in found] == ["7", "8", ""]
    assert [strip.identifier for strip in found] == ["1.0", "b", "2.0"]  # no column of numbers
    assert [strip.wave for strip in found] == ["1 2 3", "4 5 6", "7 8 9"]


def test_faults_of_strips_are_faults_of_records(tmp_path, sheet):
    values = np.zeros(3)
    table = [("a", values, 0, "p"), ("a", values, 0, "p"), ("b", values, 0, ""), ("c", np.zeros(0), 0, "p")]
    write_csv(tmp_path / "mine" / "a.csv", table)
    with (tmp_path / "mine" / "a.csv").open("a") as file:
        file.write("d,1 2 three,0,p\n")
    found = {}
    for k, row in enumerate(sheet()):
        try:
            read_record(row, tmp_path / "mine", None, StripSettings(fs=FS))
        except RecordFault as fault:
            found[k] = fault.reason
    assert found == {1: "duplicate_id", 2: "missing_patient", 3: "zero_length", 4: "malformed_wave"}
    for header, words in (("label", "who"), "patient, patientid, subject"), (("ecg", "patient"), "each be the wave"):
        write_csv(tmp_path / "mine" / "a.csv", [], header=("id", "wave", *header))
        (row,) = sheet()
        with pytest.raises(RecordFault, match=f"malformed_table: .*{words}"):
            read_record(row, tmp_path / "mine", None, StripSettings(fs=FS))


def test_the_rate_is_asked_for(tmp_path):
    overlay = {"corpora": [{k: v for k, v in CORPORA[0].items() if k != "fs"}], "classes": ["N", "V"]}
    with pytest.raises(ConfigError, match=r"fs \(Hz\) or duration_s"):
        load_config(overlay, ROOT, tmp_path)
    load_config({**overlay, "corpora": [{**overlay["corpora"][0], "duration_s": 10}]}, ROOT, tmp_path)
    other = [{"name": "other", "format": "wfdb", "role": "train", "labels": str(TABLE), "fs": FS}]
    with pytest.raises(ConfigError, match="formats strips and ptb-xl alone"):
        load_config({**overlay, "corpora": other}, ROOT, tmp_path)
    assert StripSettings(duration_s=4.0).fs is None
    with pytest.raises(ValueError, match="can't be told from the samples"):
        StripSettings()


@pytest.mark.slow
def test_strips_train_a_bundle_with_weak_labels(tmp_path, sheet, config):
    write_csv(tmp_path / "mine" / "a.csv", rows())
    settings = copy.deepcopy(config) | {"classes": ["N", "V"], "leads": ["II"], "device": "cpu", "compute_threads": 1}
    settings["signal"]["fs"] = 100
    settings["model"] |= {"channels": [8, 8], "kernels": [7, 5], "embedding": 16, "lstm_hidden": 8, "head_hidden": 16}
    settings["training"] |= {"epochs": 12, "batch_beats": 16, "learning_rate": 0.01, "noise_fraction": 0.1}
    listed = sheet()
    source = CorpusSource(tmp_path / "mine", LabelTable.read(TABLE), strips=StripSettings(fs=FS))
    preprocess_shard(listed, {"mine": source}, PreprocessSettings.from_config(settings), tmp_path / "0of1")
    shard = Shard(tmp_path / "0of1")
    beats = shard.beats()
    assert set(beats["label_source"]) == {"record"}
    assert set(beats.loc[~beats["annotated_noise"], "label"]) == {"N", "V"}
    assert set(beats.loc[beats["annotated_noise"], "label"]) == {""}
    assert len(shard.beats("annotated")) == 0
    assert shard.status["used"].all()
    records = record_table.gather([tmp_path / "0of1"], settings["classes"])
    assert records["n_V"].sum() == (beats["label"] == "V").sum() > 50
    records["split"] = assign_splits(records, SplitSettings(**settings["split"]), settings["classes"])
    assert set(records["split"]) == {"train", "select", "calibrate", "test"}
    leads, classes = tuple(settings["leads"]), tuple(settings["classes"])
    geometry = PreprocessSettings.from_config(settings).geometry
    chosen = PrototypeSettings(**settings["prototypes"])
    beat_settings = PreprocessSettings.from_config(settings).beats
    library = mine(
        [shard], records, classes=classes, leads=leads, geometry=geometry, beats=beat_settings, settings=chosen, seed=1
    )
    library.save(tmp_path / "library.csv", tmp_path / "waves.npz")
    spec = input_spec(settings, tmp_path / "library.csv", tmp_path / "waves.npz")
    job = TrainingJob([shard], records, spec, settings)
    trained, held_out = train_with_held_out(job)
    model = model_description(job, trained)
    bundle = bundle_model(
        records,
        spec,
        weights=network_to_arrays(trained.network),
        model=model,
        held_out=held_out,
        settings=settings,
        scales=shard.records,
    )
    splits = dict(zip(zip(records["corpus"], records["record"], strict=True), records["split"], strict=True))
    table = predict_beats(shard, beats, splits, bundle, bundle.network())
    assert set(table["label_source"]) == {"record"}
    scored = table[(table["split"] == "test") & (table["label"] != "")]
    assert (scored["pred"] == scored["label"]).mean() > 0.9
