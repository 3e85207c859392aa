"""Leaks put in on purpose: each is caught, by a check of a finished run or by the job that would have to look."""

from __future__ import annotations

import copy
import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import beatlens.inputs.network_inputs
import beatlens.learning.batches
import beatlens.learning.runs
import beatlens.learning.train_and_bundle
import beatlens.learning.training
from beatlens.beats.beat_table import rr_features
from beatlens.beats.preprocess import PreprocessSettings, preprocess_record
from beatlens.beats.settings import BeatSettings
from beatlens.core.files import read_arrays, read_table
from beatlens.corpora.wfdb.record import read_record
from beatlens.leaks.audit import CHECKS, audit
from beatlens.leaks.run import Run
from beatlens.leaks.twins import find_twins, portraits
from beatlens.prediction.bundle import Bundle
from beatlens.prediction.predict import predict_beats
from beatlens.shards.learning_shards import sealed
from beatlens.shards.settings import SplitSettings
from beatlens.shards.shard import Shard
from beatlens.shards.splits import assign_splits, declared_overlaps
from beatlens.shards.writer import ShardWriter

ROOT = Path(__file__).resolve().parents[2]
SPLITS = ["train"] * 7 + ["select"] * 2 + ["calibrate"] * 2 + ["test"] * 4
PEOPLE = len(SPLITS)


@pytest.fixture(scope="module")
def chain(tmp_path_factory, make_chain, make_ecg):
    """Return a finished run on 15 people; the first of them has a second recording."""
    folder = tmp_path_factory.mktemp("leaks")
    rows = []
    for person, split in enumerate([*SPLITS, SPLITS[0]]):
        symbols = "NNNAVN" + "".join(np.random.default_rng(person).choice(list("NNNNAV"), 40))
        who, name = person % PEOPLE, f"r{person}"
        make_ecg(folder / "data" / "made", name, symbols, who, comments=[f"Patient: P{who}"])
        rows.append(f"made,{name},{split}\n")
    (folder / "split.csv").write_text("corpus,record,split\n" + "".join(rows), encoding="utf-8")
    made = make_chain(
        folder, split={"scheme": "table", "table": "split.csv"}, training={"epochs": 4, "learning_rate": 0.02}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BEATLENS_DATA", raising=False)
        made.everything()
    return made


def run_of(chain, **changes):
    """Return the run as the checks see it, with fields changed."""
    values = {
        "shards": [Shard(path) for path in chain.shards],
        "records": chain.table("records.tsv"),
        "beats": chain.table("beats.parquet"),
        "annotated": chain.table("annotated.parquet"),
        "bundle": Bundle.load(chain.results / "bundle"),
        "history": chain.table("history.csv"),
        "held_out": read_arrays(chain.results / "held_out.npz")["patient"].tolist(),
    }
    return Run(**(values | changes))


def leaks(run):
    """Return the checks that find a leak, with what they say."""
    table = audit(run)
    assert table["check"].tolist() == list(CHECKS)
    return dict(table.loc[table["verdict"] == "leak", ["check", "detail"]].itertuples(index=False))


def with_provenance(bundle, **changes):
    return dataclasses.replace(bundle, provenance={**bundle.provenance, **changes})


def copied_shards(chain, change):
    """Return the shards of a run with changed beat tables, in memory."""

    class Changed(Shard):
        def beats(self, peaks="detected", columns=None):
            return change(super().beats(peaks, columns))

    return [Changed(path) for path in chain.shards]


def test_a_clean_run_passes_every_check(chain):
    assert leaks(run_of(chain)) == {}
    table = chain.table("leaks.csv")  # what the program wrote
    assert table["check"].tolist() == list(CHECKS)
    assert set(table["verdict"]) == {"passed"}


# Random split


def test_records_dealt_instead_of_patients(chain):
    records = chain.table("records.tsv")
    dealt = records.assign(split=np.where(records["record"] == f"r{PEOPLE}", "test", records["split"]))
    found = leaks(run_of(chain, records=dealt))
    assert "made/P0" in found["patients"]
    table = chain.folder / "random.csv"
    dealt[["corpus", "record", "split"]].to_csv(table, index=False)
    settings = SplitSettings(scheme="table", table=str(table))
    with pytest.raises(ValueError, match="1 patients are in more than one split"):
        assign_splits(records, settings, ["N", "S", "V"])
    dealt.assign(declared_overlap=np.where(dealt["patient"] == "P0", "two days", "")).to_csv(table, index=False)
    declared = declared_overlaps(table, records)
    assert declared == {("made", "P0")}
    assert "patients" not in leaks(run_of(chain, records=dealt, declared=declared))


def test_beats_dealt_instead_of_patients(chain, monkeypatch):
    rng = np.random.default_rng(1)
    beats = chain.table("beats.parquet")
    shuffled = beats.assign(split=rng.permutation(beats["split"]))
    assert "predictions put made/r" in leaks(run_of(chain, beats=shuffled))["beats"]

    original = beatlens.learning.batches.split_beats
    everybody = {("made", f"r{k}") for k in range(PEOPLE + 1)}

    def half_of(wanted):
        def dealt(shards, own):
            tables = original(shards, wanted or own)
            return ((shard, table[rng.random(len(table)) < 0.5].reset_index(drop=True)) for shard, table in tables)

        return dealt

    with monkeypatch.context() as patch:  # beats of all patients, test patients among them
        patch.setattr(beatlens.learning.batches, "split_beats", half_of(everybody))
        with pytest.raises(ValueError, match="is sealed while a model learns"):
            chain.train()
    records, bundle = chain.table("records.tsv"), run_of(chain).bundle
    with monkeypatch.context() as patch:  # half of the training patients' beats; the others could be held out
        patch.setattr(beatlens.learning.batches, "split_beats", half_of(None))
        training = beatlens.learning.batches.TrainingSet(sealed(chain.shards, records), records, "train", bundle.spec)
    counts = dict(zip(bundle.classes, training.class_counts.tolist(), strict=True))
    noted = with_provenance(bundle, training={**bundle.provenance["training"], "n_beats": counts})
    found = leaks(run_of(chain, bundle=noted))
    assert set(found) == {"beats"}
    assert "the training patients have" in found["beats"]


def test_test_patients_of_this_run_in_the_training_of_a_given_bundle(chain):
    records = chain.table("records.tsv").assign(role="test", split="test")
    everything = {name: chain.table(f"{name}.parquet").assign(split="test") for name in ("beats", "annotated")}
    run = run_of(chain, records=records, **everything, history=None, held_out=None)
    assert "made/P0, made/P1" in leaks(run)["patients"]
    table = audit(run).set_index("check")["verdict"]
    assert table[["scaler", "beats", "calibration"]].tolist() == ["not checked"] * 3


# Sequences sorted by label


def test_sequences_sorted_by_label(chain):
    shards = copied_shards(chain, lambda beats: beats.sort_values(["record", "label"], ignore_index=True))
    assert set(leaks(run_of(chain, shards=shards))) == {"order"}
    beats = chain.table("beats.parquet").sort_values(["record", "label"], ignore_index=True)
    assert set(leaks(run_of(chain, beats=beats))) == {"order"}
    bundle = run_of(chain).bundle
    splits = {("made", f"r{k}"): "test" for k in range(PEOPLE + 1)}
    with pytest.raises(ValueError, match="expected the beats of a record in time order"):
        predict_beats(shards[0], shards[0].beats(), splits, bundle, bundle.network())

    def renumbered(beats):  # sorted, then given the places of the beats in time
        by_label = beats.sort_values(["record", "label"], ignore_index=True)
        return by_label.assign(**{name: beats[name] for name in ("r_sample", "r_time_s", "r_index", "beat_id")})

    assert "order" in leaks(run_of(chain, shards=copied_shards(chain, renumbered)))


# One patient on both sides under two names


def test_a_patient_under_two_names(chain):
    records = chain.table("records.tsv")
    twin = records["record"] == f"r{PEOPLE}"
    renamed = records.assign(
        patient=np.where(twin, "another", records["patient"]), split=np.where(twin, "test", records["split"])
    )
    found = leaks(run_of(chain, records=renamed))
    assert f"made/r0 (train) and made/r{PEOPLE} (test)" in found["twins"]
    assert found["twins"].count(" and ") == 1
    assert leaks(run_of(chain, records=renamed, shards=run_of(chain).shards[::-1]))["twins"] == found["twins"]
    # Few patients tell little: the same person stays unknown, the same signal doesn't.
    few = renamed[renamed["record"].isin(["r0", "r1", "r2", f"r{PEOPLE}"])]
    geometry = run_of(chain).bundle.geometry
    shards = run_of(chain).shards
    assert find_twins(portraits(shards, few, geometry)) == []


def with_copy(chain, folder, name, patient, change=lambda signal: signal):
    """Write a shard with a copy of record r0 under another name; return it and the longer table of records."""
    shard = next(shard for shard in map(Shard, chain.shards) if ("made", "r0") in shard)
    row = shard.row("made", "r0")._asdict() | {"record": name, "patient": patient}
    beats = shard.beats()
    own = beats[beats["record"] == "r0"].assign(record=name, patient=patient)
    own["beat_id"] = [f"made/{name}/{sample}" for sample in own["r_sample"]]
    with ShardWriter(folder) as writer:
        fields = {key: value for key, value in row.items() if key not in {"offset", "n_leads", "n_samples"}}
        writer.add(fields, change(np.array(shard.signal("made", "r0"))), own, own.iloc[:0], [])
    records = chain.table("records.tsv")
    more = records[records["record"] == "r0"].assign(record=name, patient=patient, split="test")
    return Shard(folder), pd.concat([records, more], ignore_index=True)


def test_a_record_copied_with_other_samples(chain, tmp_path):
    """Another gain of the converter, another filter, a little noise: no sample is the same."""
    rng = np.random.default_rng(3)
    noisy = lambda signal: (signal + 0.005 * rng.standard_normal(signal.shape)).astype(np.float32)  # noqa: E731
    shard, records = with_copy(chain, tmp_path / "copy", "r99", "P99", noisy)
    found = leaks(run_of(chain, shards=[*run_of(chain).shards, shard], records=records))
    assert set(found) == {"twins"}
    assert "made/r0 (train) and made/r99 (test)" in found["twins"]


# Oversampling before the split


def test_oversampling_before_the_split(chain, tmp_path):
    """Beats of the rare class copied: as rows, as a record of a patient dealt to the other side, and in training."""

    def oversampled(beats):
        return pd.concat([beats, beats[beats["label"] == "S"]], ignore_index=True)

    found = leaks(run_of(chain, shards=copied_shards(chain, oversampled)))
    assert "listed twice" in found["copies"]
    predictions = chain.table("beats.parquet")
    assert "listed twice" in leaks(run_of(chain, beats=oversampled(predictions)))["copies"]
    shard, records = with_copy(chain, tmp_path / "copy", "smote", "P99")
    found = leaks(run_of(chain, shards=[*run_of(chain).shards, shard], records=records))
    assert set(found) == {"copies", "twins"}
    assert "made/r0 (train) and made/smote (test)" in found["copies"]
    bundle = run_of(chain).bundle
    training = copy.deepcopy(bundle.provenance["training"])
    training["n_beats"]["S"] *= 4
    assert "beats of S" in leaks(run_of(chain, bundle=with_provenance(bundle, training=training)))["beats"]


# A scaler fitted on the test patients too


def test_a_scaler_fitted_on_test_patients(chain, monkeypatch):
    run = run_of(chain)
    everybody = pd.concat(run.tables("detected"), ignore_index=True)
    rr = rr_features(everybody, BeatSettings(**chain.config["beats"])).astype(np.float64)
    weights = {**run.bundle.weights, "rr_mean": rr.mean(axis=0), "rr_std": rr.std(axis=0)}
    found = leaks(run_of(chain, bundle=dataclasses.replace(run.bundle, weights=weights)))
    assert set(found) == {"scaler"}

    def of_everybody(self):
        everybody = chain.table("records.tsv").assign(split="train")
        shards = sealed(chain.shards, chain.table("records.tsv"))
        return original(beatlens.learning.batches.TrainingSet(shards, everybody, "train", self.spec))

    original = beatlens.learning.batches.TrainingSet.rr_statistics
    monkeypatch.setattr(beatlens.learning.batches.TrainingSet, "rr_statistics", of_everybody)
    with pytest.raises(ValueError, match=r"made/r1\d is sealed"):
        chain.train()


# An epoch chosen by its score on the test patients


def test_training_cannot_look_at_test_patients(chain, monkeypatch):
    class OnTest(beatlens.learning.train_and_bundle.SelectScorer):
        def __init__(self, shards, records, spec, device):
            super().__init__(shards, records.assign(split=records["split"].replace({"test": "select"})), spec, device)

    monkeypatch.setattr(beatlens.learning.train_and_bundle, "SelectScorer", OnTest)
    with pytest.raises(ValueError, match="is sealed while a model learns"):
        chain.train()


@pytest.mark.slow
def test_an_epoch_that_was_chosen(chain, monkeypatch, tmp_path):
    run = run_of(chain)
    assert "epoch 2 of 4" in leaks(run_of(chain, bundle=with_provenance(run.bundle, saved_epoch=2)))["epoch"]
    history = run.history.assign(test_macro_f1=0.5)
    assert "test_macro_f1" in leaks(run_of(chain, history=history))["epoch"]
    assert "epochs [1, 2]" in leaks(run_of(chain, history=run.history.iloc[:2]))["epoch"]

    original = beatlens.learning.train_and_bundle.train
    scores = run.history["select_macro_f1"].tolist()
    assert abs(scores[0] - scores[-1]) > 0.01

    def first_epoch(*arguments, **options):
        kept = {}

        def keep(epoch, network):
            if epoch == 1:
                kept.update({name: value.clone() for name, value in network.state_dict().items()})

        options["callbacks"] = [*options.get("callbacks", ()), keep]
        network, history = original(*arguments, **options)
        network.load_state_dict(kept)
        return network, history

    other = copy.copy(chain)
    other.results = tmp_path
    names = ("records.tsv", "preprocess")
    for name in names:
        (tmp_path / name).symlink_to(chain.results / name)
    monkeypatch.setattr(beatlens.learning.train_and_bundle, "train", first_epoch)
    other.train()
    other.predict()
    assert "they are those of another epoch" in leaks(run_of(other))["epoch"]


# Prototypes of the own patient


def test_prototypes_of_the_own_patient_in_predictions(chain, monkeypatch, tmp_path):
    originals = {name: getattr(beatlens.inputs.network_inputs, name) for name in ("combine", "nearest_distance")}
    other = copy.copy(chain)
    other.results = tmp_path
    for file in chain.results.iterdir():
        (tmp_path / file.name).symlink_to(file)
    for name in ("beats.parquet", "annotated.parquet", "strips.parquet", "records.parquet"):
        (tmp_path / name).unlink()
    with monkeypatch.context() as patch:
        for name, original in originals.items():
            patch.setattr(beatlens.inputs.network_inputs, name, lambda *arguments, call=original: call(*arguments[:4]))
        other.predict()
    found = leaks(run_of(other))
    assert set(found) <= {"prototypes", "epoch"}  # the scores on the split select change with the features
    assert "in prediction" in found["prototypes"]


def test_prototypes_of_the_own_patient_in_training(chain, monkeypatch):
    original = beatlens.learning.runs.record_similarities
    monkeypatch.setattr(
        beatlens.learning.runs,
        "record_similarities",
        lambda waves, leads, bank, patient: original(waves, leads, bank, ""),
    )
    found = leaks(run_of(chain))
    assert set(found) == {"prototypes"}
    assert "in training" in found["prototypes"]


def test_prototypes_of_test_patients(chain, monkeypatch):
    bundle = run_of(chain).bundle
    bank = bundle.bank
    foreign = dataclasses.replace(bank, patients=np.where(np.arange(len(bank)) == 0, "made/P14", bank.patients))
    planted = dataclasses.replace(bundle, spec=dataclasses.replace(bundle.spec, bank=foreign))
    assert "made/P14" in leaks(run_of(chain, bundle=planted))["prototypes"]
    records = chain.table("records.tsv")
    everybody = {("made", name) for name in records["record"]}
    monkeypatch.setattr("beatlens.prototypes.mining.records_of_split", lambda records, split: everybody)
    with pytest.raises(ValueError, match="is sealed while a model learns"):
        chain.train()


def test_calibration_on_patients_that_were_seen(chain):
    run = run_of(chain)
    assert "made/P0" in leaks(run_of(chain, held_out=[*run.held_out, "made/P0"]))["calibration"]
    assert "made/P14" in leaks(run_of(chain, held_out=[*run.held_out, "made/P14"]))["calibration"]


def test_sealed_shards_open_learning_and_noise_records_only(chain):
    records = chain.table("records.tsv")
    noise = records.assign(role=np.where(records["record"] == "r14", "noise", records["role"]))
    closed = ["r11", "r12", "r13", "r14"]
    for table, refused in ((records, closed), (noise, closed[:3])):
        for shard in sealed(chain.shards, table):
            for record in shard.records["record"]:
                if record not in refused:
                    assert shard.signal("made", record).size
                    assert set(shard.beats_of("made", record)["record"]) == {record}
                    continue
                for read in (shard.signal, shard.beats_of):
                    with pytest.raises(ValueError, match=f"made/{record} is sealed while a model learns"):
                        read("made", record)
            for read_all in (shard.beats, shard.beat_groups):
                with pytest.raises(ValueError, match="a whole beat table while a model learns"):
                    read_all()


@pytest.mark.real_data
def test_halves_of_real_records_are_twins_and_people_are_not(real_corpus, config, tmp_path):
    """Nine of the ten records of DS1 that are cut here are found again; no two of the ten people are taken for one."""
    folder = real_corpus("mitdb")
    settings = PreprocessSettings.from_config(config | {"leads": ["II", "V1", "V2", "V4", "V5"]})
    names = ["101", "106", "114", "119", "122", "201", "203", "209", "223", "230"]
    for part in ("whole", "halves"):
        with ShardWriter(tmp_path / part) as writer:
            for name in names:
                record = read_record(folder, name, "mitdb", None, None)
                pieces = [record]
                if part == "halves":
                    middle = record.signal.shape[1] // 2
                    cuts = (record.signal[:, :middle], record.signal[:, middle:])
                    pieces = [
                        dataclasses.replace(record, name=f"{name}{side}", patient=f"{name}{side}", signal=cut)
                        for side, cut in zip("ab", cuts, strict=True)
                    ]
                for piece in pieces:
                    made = preprocess_record(piece, "train", None, settings)
                    writer.add(made.row, made.signal, made.beats, made.annotated, made.truth)
    whole, halves = Shard(tmp_path / "whole"), Shard(tmp_path / "halves")
    people = whole.records.assign(split=["train", "test"] * 5)
    assert find_twins(portraits([whole], people, settings.geometry)) == []
    found = []
    for name in names:
        cut = halves.records[halves.records["patient"].isin([f"{name}a", f"{name}b"])].assign(split=["train", "test"])
        table = pd.concat([people[people["record"] != name], cut], ignore_index=True)
        pairs = find_twins(portraits([whole, halves], table, settings.geometry))
        assert len(pairs) <= 1
        found += [pair for pair in pairs if pair.first == f"mitdb/{name}a (train)"]
    assert len(found) >= 9


def test_checks_start_without_torch():
    code = "import sys; sys.modules['torch'] = None; import beatlens.leaks.audit, beatlens.shards.learning_shards"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(ROOT / "src")})


def test_the_table_reads_as_written(chain):
    table = read_table(chain.results / "leaks.csv")
    assert table.columns.tolist() == ["check", "question", "verdict", "detail"]
    assert (table["detail"].str.len() > 20).all()
