"""Corpora with diagnoses of records: the databases of the Challenge, PTB-XL, and what can be wrong there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import standins
from beatlens.beats.preprocess import PreprocessSettings, preprocess_record
from beatlens.core.options import OptionError
from beatlens.core.record import Record
from beatlens.core.record_faults import RecordFault
from beatlens.corpora.formats import ptb_xl
from beatlens.corpora.formats.challenge import database_of, of_databases
from beatlens.corpora.formats.rules import ReadingRules, pattern_problem
from beatlens.corpora.index import update_sheet
from beatlens.corpora.record_sheet import SheetRow
from beatlens.corpora.registry import read_record
from beatlens.corpora.scan import CorpusEntry
from beatlens.corpora.settings import CorpusSettings
from beatlens.corpora.wfdb.person import age_of, person_of

CHALLENGE = {"name": "challenge", "format": "challenge", "role": "test"}
PTB_XL = {"name": "ptb-xl", "format": "ptb-xl", "role": "test", "fs": 500}
COMMENTS = ("#Age: 74", "#Sex: Male", "#Dx: 59118001,426783006")


def sheet(data: Path, *corpora: dict[str, object]) -> dict[str, SheetRow]:
    placed = [{**corpus, "folder": str(data / str(corpus["name"]))} for corpus in corpora]
    rows = update_sheet(placed, None, data, data / "results")
    return {row.record: row for row in rows}


@pytest.fixture
def challenge(tmp_path) -> Callable[..., Record]:
    """Return a function that writes a record of the Challenge, changes its header or .mat, and reads it."""

    def read(change: Callable[[str], str] = str, mat: Callable[[bytes], bytes] = bytes, **given: object) -> Record:
        folder = tmp_path / "challenge" / "training" / "georgia" / "g1"
        standins.challenge_record(folder, "E00001", **{"comments": COMMENTS, "seconds": 5} | given)
        header, signal = folder / "E00001.hea", folder / "E00001.mat"
        header.write_text(change(header.read_text()))
        signal.write_bytes(mat(signal.read_bytes()))
        (row,) = sheet(tmp_path, CHALLENGE).values()
        return read_record(row, tmp_path / "challenge")

    return read


def test_a_record_of_the_challenge(challenge) -> None:
    record = challenge(comments=("# Age: 74", "# Sex: Female", "# Dx: 59118001,426783006"))
    assert (record.database, record.age, record.sex) == ("georgia", 74.0, "F")
    assert record.dx == ("426783006", "59118001")
    assert record.patient == record.name == "E00001"
    assert (record.leads, record.fs, record.signal.shape) == (standins.TWELVE, 500.0, (12, 2500))


def check_against_library(record: Record, path: Path) -> None:
    import wfdb

    theirs = wfdb.rdrecord(str(path), physical=True).p_signal.T.astype(np.float32)
    np.testing.assert_array_equal(record.signal, theirs)


def test_reading_agrees_with_the_library_to_the_bit(challenge, tmp_path) -> None:
    check_against_library(challenge(), tmp_path / "challenge/training/georgia/g1/E00001")
    standins.ptb_xl(tmp_path / "ptb-xl")
    row = sheet(tmp_path, PTB_XL)["00001"]
    check_against_library(read_record(row, tmp_path / "ptb-xl"), tmp_path / "ptb-xl" / row.path)


@pytest.mark.real_data
@pytest.mark.parametrize("corpus", [{**CHALLENGE, "name": "challenge-2021"}, PTB_XL], ids=["challenge-2021", "ptb-xl"])
def test_reading_real_records_agrees_with_the_library_to_the_bit(real_corpus, corpus) -> None:
    folder = real_corpus(corpus["name"])
    rows = [row for row in sheet(folder.parent, corpus).values() if not row.reason]
    for row in rows[::25]:
        check_against_library(read_record(row, folder), folder / row.path)


def swapped(content: bytes) -> bytes:
    """Return a .mat whose `val` is (samples, leads)."""
    return content[:4] + content[8:12] + content[4:8] + content[12:]


@pytest.mark.parametrize(
    ("change", "mat", "reason"),
    [
        (lambda text: text.replace("E00001 12", "E00002 12", 1), bytes, "header_names_another_record"),
        (str, swapped, "wrong_samples"),
        (str, lambda content: content[:4] + b"\x0b\0\0\0" + content[8:], "wrong_samples"),
        (str, lambda content: b"", "truncated_signal"),
        (str, lambda content: content[:24], "truncated_signal"),
        (str, lambda content: content[:-2], "truncated_signal"),
        (lambda text: re.sub(r".*V6\n", "", text), bytes, "malformed_header"),
    ],
    ids=["other name", "transposed", "eleven rows", "empty file", "empty val", "cut", "a line short"],
)
def test_what_contradicts_the_header_is_refused(challenge, change, mat, reason) -> None:
    with pytest.raises(RecordFault) as fault:
        challenge(change, mat)
    assert fault.value.reason == reason


def test_eleven_leads_are_read(challenge) -> None:
    def without_v6(content: bytes) -> bytes:
        samples = np.frombuffer(content[24:], dtype="<i2").reshape(-1, 12)[:, :11]
        return content[:4] + b"\x0b\0\0\0" + content[8:24] + samples.tobytes()

    record = challenge(lambda text: re.sub(r".*V6\n", "", text).replace(" 12 500", " 11 500"), without_v6)
    assert record.leads == standins.TWELVE[:11]


def test_a_gain_of_0_is_200_a_millivolt(challenge) -> None:
    known, unknown = challenge(), challenge(lambda text: text.replace("1000/mV", "0/mV"))
    np.testing.assert_allclose(unknown.signal, known.signal * 5, rtol=1e-6)


@pytest.mark.parametrize("note", ["#Dx: Unknown", "#Dx:", "#Dx: ", "#Rx: Unknown"])
def test_a_record_without_diagnosis_is_read(challenge, note) -> None:
    assert challenge(comments=(note,)).dx == ()


@pytest.mark.parametrize("text", ["NaN", "-1", "300", ">89", "inf"])
def test_an_age_that_nobody_has_is_unknown_with_a_remark(challenge, text) -> None:
    record = challenge(comments=(f"#Age: {text}", "#Sex: Unknown"))
    assert np.isnan(record.age)
    assert record.sex == ""
    assert [(one.remark, repr(text) in one.detail) for one in record.remarks] == [("age", True)]


def test_comments_that_tell_no_person() -> None:
    person = person_of(["Age: Unknown", "the patient was asleep", "Message: F"])
    assert (person.patient, np.isnan(person.age), person.sex, person.findings) == ("", True, "", ())
    assert age_of("0") == (0.0, ())


@pytest.mark.parametrize(("fs", "seconds", "leads"), [(500, 5, 12), (257, 5, 12), (1000, 6, 12), (100, 7200, 2)])
def test_rates_and_lengths_differ(tmp_path, config, fs, seconds, leads) -> None:
    folder = tmp_path / "challenge" / "training" / "ptb"
    signals = [f"S1.mat 16+24 1000/mv 16 0 0 0 0 {lead}" for lead in standins.TWELVE[:leads]]
    standins.write(folder, f"S1 {leads} {fs} {fs * seconds}", signals, standins.ecg(fs, seconds, leads, 1000))
    (row,) = sheet(tmp_path, CHALLENGE).values()
    record = read_record(row, tmp_path / "challenge")
    made = preprocess_record(record, "predict", None, PreprocessSettings.from_config(config))
    assert made.row["duration_s"] == seconds
    assert abs(made.signal.shape[1] - 200 * seconds) <= 1
    assert abs(len(made.beats) - len(standins.beats(fs, seconds))) <= 1


def test_databases_by_folder(tmp_path) -> None:
    assert database_of("training/ptb-xl/g1/HR00001") == database_of("x/training/ptb-xl/HR00001") == "ptb-xl"
    assert (database_of("cpsc/A1"), database_of("A1")) == ("cpsc", "")
    standins.challenge(tmp_path / "challenge")
    with pytest.raises(ValueError, match=r"databases \['nowhere'\] aren't there; expected some of \['chapman"):
        sheet(tmp_path, {**CHALLENGE, "databases": ["nowhere"]})


def test_what_lies_beside_records_of_the_challenge(tmp_path) -> None:
    folder = tmp_path / "challenge"
    standins.challenge_record(folder, "E00001", comments=COMMENTS, seconds=5)
    (folder / "labels").mkdir()
    (folder / "labels" / "weights.csv").write_text("a,b\n")  # of labels, and no recording
    (folder / "night.edf").write_bytes(b"0")
    _, stray = sheet(tmp_path, CHALLENGE).values()
    assert (stray.path, stray.reason) == ("night.edf", "not_a_record")
    with pytest.raises(RecordFault, match=r"night\.edf: EDF is not read here; convert it to WFDB"):
        read_record(stray, folder)


def test_ptb_xl_at_either_rate(tmp_path) -> None:
    folder = tmp_path / "ptb-xl"
    standins.ptb_xl(folder)
    rows = {fs: sheet(tmp_path, {**PTB_XL, "fs": fs}) for fs in (100, 500)}
    assert list(rows[100]) == list(rows[500]) == ["00001", "00002", "00003"]
    low, high = (read_record(rows[fs]["00003"], folder) for fs in (100, 500))
    assert (low.fs, high.fs, low.name, low.patient, low.strat_fold) == (100, 500, "00003", "15709", "3")
    assert low.leads == high.leads == standins.TWELVE  # AVR in the file
    assert low.dx == high.dx == ("IMI", "NORM", "SR")
    likely = read_record(rows[500]["00003"], folder, rules=ReadingRules(min_likelihood=80))
    assert likely.dx == ("NORM", "SR")  # SR has no likelihood, which counts


def test_what_is_taken_of_the_records_that_a_server_lists() -> None:
    def rows(*paths: str) -> list[SheetRow]:
        return [SheetRow("c", path.rpartition("/")[2], "test", "x", path, "", 0, "", "0", "") for path in paths]

    listed = rows("records100/00000/00001_lr", "records500/00000/00001_hr", "records500/00000/00002_hr")
    found = ptb_xl.of_rate(listed, CorpusEntry("c", "test", "ptb-xl", "atr", 500))
    assert [(row.record, row.path) for row in found] == [("00001", listed[1].path), ("00002", listed[2].path)]
    listed = rows("training/georgia/g1/E00001", "training/ptb/g1/S0001")
    found = of_databases(listed, CorpusEntry("c", "test", "challenge", "atr", databases=("ptb",)))
    assert [row.record for row in found] == ["S0001"]


def test_a_change_of_a_row_of_ptb_xl_changes_that_record_alone(tmp_path) -> None:
    folder = tmp_path / "ptb-xl"
    standins.ptb_xl(folder)
    before = sheet(tmp_path, PTB_XL)
    table = folder / "ptbxl_database.csv"
    table.write_text(table.read_text().replace("300.0", "88.0"))
    after = sheet(tmp_path, PTB_XL)
    assert [name for name in before if before[name].sha256 != after[name].sha256] == ["00002"]


@pytest.mark.parametrize(
    ("old", "new", "record", "reason"),
    [
        ("{'NORM': 80.0, 'IMI': 35.0, 'SR': 0.0}", "['NORM']", "00001", "not_in_table"),
        ("{'NORM': 80.0, 'IMI': 35.0, 'SR': 0.0}", "{'NORM': __import__('os')}", "00001", "not_in_table"),
        ("2,13243.0", "4,13243.0", "00002", "not_in_table"),
        ("2,13243.0", "4,13243.0", "00004", "missing_header"),
    ],
)
def test_rows_of_ptb_xl_that_do_not_fit(tmp_path, old, new, record, reason) -> None:
    folder = tmp_path / "ptb-xl"
    standins.ptb_xl(folder)
    table = folder / "ptbxl_database.csv"
    table.write_text(table.read_text().replace(old, new, 1))
    with pytest.raises(RecordFault) as fault:
        read_record(sheet(tmp_path, PTB_XL)[record], folder)
    assert fault.value.reason == reason


def test_a_table_of_ptb_xl_that_cannot_be_read(tmp_path) -> None:
    standins.ptb_xl(tmp_path / "ptb-xl")
    table = tmp_path / "ptb-xl" / "ptbxl_database.csv"
    text = table.read_text()
    table.write_text(text.replace("\n2,", "\n1,"))
    with pytest.raises(ValueError, match="line 3: ecg_id '1'; expected a whole number, each once"):
        sheet(tmp_path, PTB_XL)
    table.write_text(text.replace("scp_codes", "codes"))
    with pytest.raises(ValueError, match="expected ecg_id,patient_id"):
        sheet(tmp_path, PTB_XL)
    table.unlink()
    with pytest.raises(ValueError, match=r"expected PTB-XL's ptbxl_database\.csv"):
        sheet(tmp_path, PTB_XL)


@pytest.mark.parametrize(
    "pattern",
    [r"(a+)+$", r"^((?:a|aa)+)$", r"(a*)*b", r"(.*)(?=x)", r"(a)\1*", r"\[(a+)+\]", r"(a?)a?a?a?a", r"(a{1,9}){9}",
     "(", "no group", "(two)(groups)", "(?P<name>a)", "(" + "a" * 300 + ")"],
)  # fmt: skip
def test_a_pattern_that_may_take_long_or_is_none_is_refused(pattern) -> None:
    assert pattern_problem(pattern)
    with pytest.raises(OptionError, match="patient_pattern"):
        CorpusSettings(name="c", format="wfdb", role="predict", patient_pattern=pattern)


@pytest.mark.parametrize(
    ("pattern", "name", "patient"),
    [(r"^data_([0-9]+)_", "data_64_12", "64"), (r"^([^_]+)_[(+]?", "p7_rest", "p7"), (r"^(x)", "y1", "")],
)
def test_a_pattern_finds_the_patient_in_a_name(pattern, name, patient) -> None:
    assert pattern_problem(pattern) is None
    assert ReadingRules(patient_pattern=pattern).patient(name) == patient


def test_leads_are_told_whatever_their_case() -> None:
    rules = ReadingRules(leads={"ECG1": "II", "ecg 2": "V1"})
    assert [rules.lead(name) for name in ("ecg1", " ECG 2 ", "MLII", "V5", "odd")] == ["II", "V1", "II", "V5", "odd"]
