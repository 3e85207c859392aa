"""Corpora that lack something, through the whole chain of programs: each works, or says what is missing."""

from __future__ import annotations

import logging
import re

import numpy as np
import pandas as pd
import pytest

from beatlens.config.load import ConfigError
from beatlens.prototypes.library import PrototypeLibrary
from beatlens.shards.shard import Shard

PATIENTS = 8


def symbols(person, pool="NNNNAV", head="NNNAVN", n=22):
    """Return what a record's beats are: a few of each, then drawn from a pool."""
    return head + "".join(np.random.default_rng(person).choice(list(pool), n))


@pytest.fixture
def write(tmp_path, make_ecg, monkeypatch):
    """Return a function that writes a corpus, one record a patient; options may be functions of the patient."""
    monkeypatch.delenv("BEATLENS_DATA", raising=False)

    def corpus(name="made", patients=PATIENTS, beats=symbols, patient="P{}".format, **options):
        for person in range(patients):
            own = {key: value(person) if callable(value) else value for key, value in options.items()}
            comments = [f"Patient: {patient(person)}"]
            make_ecg(tmp_path / "data" / name, f"r{person}", beats(person), person, comments=comments, **own)

    return corpus


@pytest.fixture
def chain(tmp_path, make_chain):
    """Return a function that runs the chain with an overlay over what `write` wrote, and checks what always holds."""

    def run(**overlay):
        training = {"epochs": 1, "noise_fraction": 0.5} | overlay.pop("training", {})
        made = make_chain(tmp_path, training=training, model={"members": 1}, **overlay)
        made.everything()
        check(made)
        return made

    return run


def check(made):
    """Every beat has one prediction among the classes, probabilities add up to 1, and nothing leaked."""
    classes = made.config["classes"]
    for name, peaks in (("beats", "detected"), ("annotated", "annotated")):
        table = made.table(f"{name}.parquet")
        wanted = [identifier for path in made.shards for identifier in Shard(path).beats(peaks)["beat_id"]]
        assert sorted(table["beat_id"]) == sorted(wanted)
        assert set(table["pred"]) <= set(classes)
        np.testing.assert_allclose(table[[f"p_{one}" for one in classes]].sum(axis=1), 1.0, atol=1e-6)
    assert not (made.table("leaks.csv")["verdict"] == "leak").any()


def library(made):
    return PrototypeLibrary.load(made.results / "library.csv", made.results / "waves.npz").table


def test_a_class_with_one_patient(write, chain):
    write(beats=lambda person: symbols(person) if person == 2 else symbols(person, "NNNV", "NNNNVN"))
    made = chain()
    records = made.table("records.tsv").set_index("record")
    assert (records["n_S"] > 0).tolist() == [name == "r2" for name in records.index]
    assert records.loc["r2", "split"] == "train"  # it can be learnt, and not scored
    assert set(library(made).query("`class` == 'S'")["patient"]) == {"P2"}
    assert made.metric("support", "S") == 0
    assert not made.metric("f1", "S") > 0
    assert made.metric("support", "V") > 0


def test_a_class_with_one_beat(write, chain):
    write(beats=lambda person: symbols(person, "NNNA", "NNNAVN" if person == 3 else "NNNAAN"))
    made = chain()
    assert made.table("records.tsv")["n_V"].sum() == 1
    only = library(made).query("`class` == 'V'")
    assert only["beat_id"].tolist() == made.table("annotated.parquet").query("label == 'V'")["beat_id"].tolist()
    assert only["size"].tolist() == [1]


def test_a_class_with_one_patient_who_is_in_the_test(write, chain, tmp_path, caplog):
    write(beats=lambda person: symbols(person) if person == 1 else symbols(person, "NNNA", "NNNAAN"))
    splits = ["train", "test", "train", "select", "calibrate", "train", "train", "test"]
    rows = [f"made,r{person},{split}\n" for person, split in enumerate(splits)]
    (tmp_path / "split.csv").write_text("corpus,record,split\n" + "".join(rows))
    with caplog.at_level(logging.WARNING):
        made = chain(split={"scheme": "table", "table": "split.csv"})
    assert "split train has no beats of V" in caplog.text
    assert "class V has 0 clean training beats, hence no prototype" in caplog.text
    assert made.metric("support", "V") > 0
    assert made.metric("f1", "V") < 0.5  # found by chance at most


def test_a_corpus_without_ventricular_beats(write, chain, caplog):
    write(beats=lambda person: symbols(person, "NNNA", "NNNANN"))
    with caplog.at_level(logging.WARNING):
        made = chain(training={"epochs": 15, "batch_beats": 32})  # a few steps leave a network at its random start
    for split in ("train", "select", "calibrate", "test"):
        assert f"split {split} has no beats of V" in caplog.text
    assert "V" not in set(library(made)["class"])
    assert not made.metric("f1", "V") > 0
    assert made.metric("macro_f1") > 0


def test_a_corpus_of_one_class(write, chain):
    write(beats=lambda person: "N" * 25)
    made = chain()
    assert set(library(made)["class"]) == {"N"}
    assert made.metric("support", "N") > 0


def test_a_corpus_without_noise_gets_made_noise(write, chain):
    write()
    made = chain()
    assert not any(Shard(path).beats()["annotated_noise"].any() for path in made.shards)
    noise = made.table("beats.parquet")["p_noise"]
    assert noise.between(0, 1).all()
    assert noise.nunique() > 1


def test_no_noise_at_all_is_an_error_that_says_so(write, chain):
    write()
    with pytest.raises(ValueError, match=r"0 of \d+ calibration beats are noise; expected both.*noise_fraction"):
        chain(training={"noise_fraction": 0.0})


@pytest.mark.parametrize("leads", [("II",), ("V1",)])
def test_one_lead(write, chain, leads):
    write(leads=leads)
    made = chain()
    assert set(made.table("records.tsv")["leads"]) == {leads[0]}


def test_records_of_one_lead_that_is_not_the_same(write, chain):
    write(leads=lambda person: ("II",) if person % 2 else ("V1",))
    chain()


def test_leads_that_are_not_configured_are_named_beside_those_that_are(write, chain, caplog):
    write(leads=("V5",))
    with pytest.raises(SystemExit):
        chain()
    assert re.search(r"none of 8.*unknown_leads.*made/r0 has leads \['V5'\]; expected.*'II', 'V1'", caplog.text)


@pytest.mark.parametrize("n", [1, 2])
def test_records_of_one_or_two_beats(write, chain, n):
    write(beats=lambda person: symbols(person) if person % 2 else "NAV"[person % 3 :][:n])
    made = chain()
    assert made.table("beats.parquet").groupby("record").size().min() <= 2


def test_nothing_but_records_of_two_beats(write, chain):
    write(patients=12, beats=lambda person: ("NA", "NV")[person % 2])
    made = chain()
    assert made.table("beats.parquet").groupby("record").size().max() <= 3


def test_rates_from_128_to_1000(write, chain):
    rates = [128, 200, 250, 360, 400, 500, 977, 1000]
    write(fs=lambda person: rates[person])
    made = chain()
    assert made.table("records.tsv")["fs"].tolist() == rates
    found = made.table("annotated.parquet").groupby("record")["matched"].mean()
    assert (found >= 0.95).all()
    table = made.table("beats.parquet")
    offset = table["r_time_s"] - table["r_sample"] / np.array(rates)[table["record"].str[1:].astype(int)]
    assert np.abs(offset).max() < 1e-9


@pytest.mark.parametrize("fs", [128, 1000])
@pytest.mark.slow
def test_models_at_the_lowest_and_the_highest_rate(write, chain, fs):
    write(fs=250)
    made = chain(signal={"fs": fs})
    assert set(Shard(made.shards[0]).records["fs"]) == {fs}


def test_a_rate_too_low_is_named_beside_what_is_allowed(write, chain, caplog):
    write(fs=50)
    with pytest.raises(SystemExit):
        chain()
    assert re.search(r"none of 8.*unknown_fs.*50\.0 Hz; expected 100 to 4000 Hz", caplog.text)


def test_patient_ids_are_text(write, chain):
    names = ["007", "7", "nan", "NA", "Müller, A. #3", "ward/bed", "1e5", "100000"]
    write(patient=names.__getitem__)
    made = chain()
    records = made.table("records.tsv")
    assert records["patient"].tolist() == names
    table = made.table("beats.parquet")
    assert dict(zip(table["record"], table["patient"], strict=True)) == {f"r{k}": name for k, name in enumerate(names)}
    used = {f"made/{name}" for name in records.loc[records["split"] == "train", "patient"]}
    assert {f"{row.corpus}/{row.patient}" for row in library(made).itertuples()} <= used


def test_no_labels_at_all_is_an_error_where_something_is_to_be_learnt(write, chain, make_chain, tmp_path):
    write(labelled=False)
    words = r"no clean training beat.*in the 0 records.*8 records of role train have no labels"
    with pytest.raises(ValueError, match=words):
        chain()
    with pytest.raises(ConfigError, match=r"labels: null; expected a label table, since the role is train"):
        make_chain(tmp_path, corpora=[{"name": "made", "format": "wfdb", "role": "train"}])


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ("train", "8 are annotated there, of which none was detected or quality rules doubt all"),
        ("calibrate", "annotated in the split 'calibrate', but none lies within rpeaks.match_s of a detected one"),
    ],
)
def test_annotations_that_lie_beside_the_beats(write, chain, tmp_path, split, words):
    """All annotations of the patients of a split stand in the first third of a second, where there is no beat."""
    import wfdb

    write()
    splits = ["train", "train", "train", "train", "select", "calibrate", "calibrate", "test"]
    for person, own in enumerate(splits):
        if own == split:
            samples, folder = np.array([10, 20]), str(tmp_path / "data" / "made")  # too few to be held against beats
            wfdb.wrann(f"r{person}", "atr", sample=samples, symbol=list("NV"), write_dir=folder)
    rows = [f"made,r{person},{own}\n" for person, own in enumerate(splits)]
    (tmp_path / "split.csv").write_text("corpus,record,split\n" + "".join(rows))
    with pytest.raises(ValueError, match=words):
        chain(split={"scheme": "table", "table": "split.csv"})


def test_some_records_without_labels(write, chain):
    write(patients=12, labelled=lambda person: person % 3 > 0)
    made = chain()
    records = made.table("records.tsv").set_index("record")
    unlabelled = [f"r{person}" for person in range(0, 12, 3)]
    assert set(records.loc[unlabelled, "split"]) == {"none"}
    table = made.table("beats.parquet")
    assert set(table.loc[table["record"].isin(unlabelled), "label"]) == {""}


@pytest.mark.parametrize("labels", [None, "labels.csv"])
def test_recordings_without_labels_and_a_given_bundle(write, chain, make_chain, tmp_path, labels):
    write()
    trained = chain()
    write("own", patients=3, labelled=False)
    bundle = trained.results / "bundle"
    own = {"name": "own", "format": "wfdb", "role": "predict"} | ({"labels": labels} if labels else {})
    made = make_chain(tmp_path, bundle=str(bundle), corpora=[own])
    made.results = tmp_path / "results" / "own"
    made.results.mkdir()
    made.preprocess()
    made.predict(bundle)
    table = made.table("beats.parquet")
    assert set(table["record"]) == {"r0", "r1", "r2"}
    assert set(table["label"]) == {""}
    assert set(table["split"]) == {"none"}
    assert not len(made.table("annotated.parquet"))
    if labels:
        made.evaluate(bundle)
        assert not len(made.table("classification.csv"))
        assert set(made.table("leaks.csv")["verdict"]) == {"passed", "not checked"}


@pytest.mark.parametrize(
    ("patients", "overlay", "words"),
    [
        (1, {}, "in the 0 records of the split 'calibrate'; expected labelled records of patients in that split"),
        (2, {}, "in the 0 records of the split 'calibrate'"),
        (
            3,
            {"training": {"folds": 2}},
            "training.folds: 2; expected 0, since split.fractions.calibrate sets patients",
        ),
        (
            3,
            {
                "training": {"folds": 2},
                "split": {"fractions": {"train": 1.0, "select": 0.0, "calibrate": 0.0, "test": 0.0}},
            },
            "folds is 2 with 3 training patients; expected two a fold",
        ),
    ],
)
def test_too_few_patients(write, chain, patients, overlay, words):
    write(patients=patients)
    with pytest.raises(ValueError, match=words):
        chain(**overlay)


def test_three_patients_are_enough_to_learn_calibrate_and_test(write, chain):
    write(patients=3)
    made = chain()
    assert sorted(made.table("records.tsv")["split"]) == ["calibrate", "test", "train"]


def test_records_of_one_patient_cannot_be_dealt(write, chain):
    write(patient=lambda person: "the same")
    with pytest.raises(ValueError, match="in the 0 records of the split 'calibrate'"):
        chain()


def test_symbols_that_the_label_table_does_not_have_are_named(write, chain, caplog):
    write(beats=lambda person: symbols(person, "NNNNAVQ", "NNNAVQ"))
    made = chain()
    assert made.table("status.tsv")["used"].all()
    remarks = pd.concat([Shard(path).remarks for path in made.shards])
    assert (remarks["remark"] == "unknown_symbols").sum() == PATIENTS
    assert remarks["detail"].str.contains("'Q' ").all()


def test_a_class_that_no_label_table_has_is_refused(write, chain):
    write()
    with pytest.raises(ConfigError, match=r"classes: \"F\"; expected a class of the label tables: N, S, V"):
        chain(classes=["N", "F"])
