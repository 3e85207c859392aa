from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from beatlens.core.record_faults import RecordFault
from beatlens.corpora.registry import annotator_of, read_patients, read_record
from beatlens.corpora.scan import CorpusEntry, scan_folder
from beatlens.corpora.wfdb.header import parse_header
from beatlens.corpora.wfdb.record import read_record as read_wfdb


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "corpus"


def edit_header(folder: Path, name: str, old: str, new: str, encoding: str = "utf-8") -> None:
    path = folder / f"{name}.hea"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_bytes(text.replace(old, new).encode(encoding))


def reason(folder: Path, name: str = "r1") -> str:
    """Return the fault that reading gives, and check that reading leaves the folder as it was."""
    before = sorted((path, path.lstat().st_mtime_ns) for path in folder.rglob("*"))
    with pytest.raises(RecordFault) as caught:
        read_wfdb(folder, name, "own")
    assert sorted((path, path.lstat().st_mtime_ns) for path in folder.rglob("*")) == before
    assert len(caught.value.detail) > 10
    return caught.value.reason


def test_reads_what_was_written(folder, write_wfdb_record) -> None:
    signal = write_wfdb_record(
        folder,
        "r1",
        symbols=["+", "N", "V", "~", "N"],
        aux=["(AFIB", "", "", "cn", "STE"],
        subtype=[0, 0, 0, 2, 0],
        comments=["Dx: 59118001,164889003, 59118001", "Patient: P7", "just a note"],
    )
    record = read_wfdb(folder, "r1", "own")
    np.testing.assert_allclose(record.signal, signal, atol=0.5 / 200 + 1e-6)
    assert record.signal.dtype == np.float32
    assert (record.fs, record.leads, record.patient) == (360, ("II", "V1"), "P7")
    assert record.dx == ("164889003", "59118001")
    assert record.annotations is not None
    assert record.annotations.sample.tolist() == [0, 180, 360, 540, 720]
    assert record.annotations.symbol == ("+", "N", "V", "~", "N")
    assert record.annotations.aux == ("(AFIB", "", "", "cn", "STE")
    assert record.annotations.subtype == (0, 0, 0, 2, 0)
    assert read_wfdb(folder, "r1", "own", {"r1": "someone"}).patient == "someone"
    assert read_wfdb(folder, "r1", "own", annotator=None).annotations is None


@pytest.mark.parametrize("form", ["16", "24", "80"])
def test_a_long_record_is_read_in_blocks_and_is_the_same(folder, form, resize) -> None:
    import wfdb

    folder.mkdir()
    samples = np.random.default_rng(0).integers(-100, 100, (1003, 3))
    samples[5:8, 1] = {"16": -(2**15), "24": -(2**23), "80": -(2**7)}[form]  # no value
    wfdb.wrsamp(
        "r1",
        fs=200,
        units=["mV", "uV", "mV"],
        sig_name=["I", "II", "V1"],
        d_signal=samples,
        fmt=[form] * 3,
        adc_gain=[200.3] * 3,
        baseline=[3] * 3,
        write_dir=str(folder),
    )
    whole = read_wfdb(folder, "r1", "own").signal
    assert np.isnan(whole).sum() == 3
    resize("BLOCK_SAMPLES", 100)
    np.testing.assert_array_equal(read_wfdb(folder, "r1", "own").signal, whole)


def test_no_annotations_and_unknown_dx(folder, write_wfdb_record) -> None:
    write_wfdb_record(folder / "sub", "r1", comments=["Dx: Unknown"])
    record = read_wfdb(folder, "sub/r1", "own")
    assert (record.annotations, record.dx, record.patient, record.truth) == (None, (), "r1", ())


@pytest.mark.parametrize(("units", "factor"), [("uV", 1e-3), ("mv", 1.0), ("V", 1e3)])
def test_units_become_millivolts(folder, write_wfdb_record, units, factor) -> None:
    written = write_wfdb_record(folder, "r1", units=units, gain=1000)
    np.testing.assert_allclose(read_wfdb(folder, "r1", "own").signal, written * factor, atol=factor * 1e-3)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_micro_sign_is_not_dropped(folder, write_wfdb_record, encoding) -> None:
    # The WFDB library reads the header as ASCII and would take 1 µV for 1 V.
    written = write_wfdb_record(folder, "r1", units="uV", gain=1000)
    edit_header(folder, "r1", "/uV", "/µV", encoding)
    np.testing.assert_allclose(read_wfdb(folder, "r1", "own").signal, written * 1e-3, atol=1e-6)


def test_missing_samples_are_nan_and_copies_of_a_lead_get_a_number(folder, write_wfdb_record) -> None:
    signal = np.tile(np.sin(np.arange(900) / 9), (3, 1))
    signal[0, 10:20] = np.nan
    write_wfdb_record(folder, "r1", signal, leads=["ECG", "other", "MLII"])
    edit_header(folder, "r1", "other", "ECG")
    record = read_wfdb(folder, "r1", "own")
    assert record.leads == ("ECG", "ECG (2)", "II")
    assert np.flatnonzero(np.isnan(record.signal[0])).tolist() == list(range(10, 20))


def test_annotations_outside(folder, write_wfdb_record, caplog) -> None:
    write_wfdb_record(folder, "r1", symbols=["N"] * 200, samples=[*range(0, 995, 5), 5000])
    record = read_wfdb(folder, "r1", "own")
    assert record.annotations is not None
    assert len(record.annotations.sample) == 199
    assert "1 annotations outside" in caplog.text
    write_wfdb_record(folder, "r1", symbols=["N"] * 4, samples=[5, 10, 5000, 6000])
    assert reason(folder) == "bad_annotations"


def test_annotations_at_their_own_rate(folder, write_wfdb_record) -> None:
    import wfdb

    write_wfdb_record(folder, "r1", fs=500)
    wfdb.wrann("r1", "atr", np.array([100, 250]), symbol=["N", "N"], fs=250, write_dir=str(folder))
    annotations = read_wfdb(folder, "r1", "own").annotations
    assert annotations is not None
    assert annotations.sample.tolist() == [200, 500]


def test_faults(folder, write_wfdb_record) -> None:
    def fresh(**options) -> None:
        write_wfdb_record(folder, "r1", symbols=["N"], **options)

    fresh()
    (folder / "r1.dat").unlink()
    assert reason(folder) == "missing_signal_file"
    fresh()
    content = (folder / "r1.dat").read_bytes()
    (folder / "r1.dat").write_bytes(content[:-1])
    assert reason(folder) == "truncated_signal"
    (folder / "r1.dat").write_bytes(b"")
    assert reason(folder) == "truncated_signal"
    fresh()
    edit_header(folder, "r1", "r1 2 360 1080", "other 2 360 1080")
    assert reason(folder) == "header_names_another_record"
    for rate in ("", " 0", " -360", " fast"):
        fresh()
        edit_header(folder, "r1", "r1 2 360 1080", f"r1 2{rate}" + (" 1080" if rate else ""))
        assert reason(folder) == "unknown_fs"
    fresh()
    edit_header(folder, "r1", "r1 2 360 1080", "r1 2 360 0")
    assert reason(folder) == "zero_length"
    fresh()
    edit_header(folder, "r1", "r1 2 360 1080", "r1 2 360")
    (folder / "r1.dat").write_bytes(b"")
    assert reason(folder) == "zero_length"
    fresh(signal=np.full((2, 500), np.nan))
    assert reason(folder) == "all_nan"
    fresh(signal=np.full((2, 500), 0.25))
    assert reason(folder) == "flat"
    fresh()
    edit_header(folder, "r1", "/mV", "/mmHg")
    assert reason(folder) == "unknown_units"
    fresh()
    (folder / "r1.atr").write_bytes(b"\x07\xfb\xff\x00\x11")
    assert reason(folder) == "bad_annotations"
    fresh()
    (folder / "r1.dat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(9000))
    assert reason(folder) == "unreadable"
    (folder / "r1.hea").unlink()
    assert reason(folder) == "missing_header"


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x00\xff\xfe binary \x80",
        b"r1 2 360 1080\n",
        b"r1 two 360 1080\n",
        b"r1 1 360 1080\nr1.dat\n",
        b"r1 1 360 1080\nr1.dat 16 gain 11 0\n",
        b"r1 1 360 many\nr1.dat 16 200\n",
        b"r1 1 360 1080\nr1.dat 16" + b" " * 100_000 + b"x\n",
        b"r1 1 360 1080\n" + b"# comment\n" * 200_000,
    ],
)
def test_malformed_header(folder, write_wfdb_record, header) -> None:
    write_wfdb_record(folder, "r1")
    (folder / "r1.hea").write_bytes(header)
    assert reason(folder) == "malformed_header"


@pytest.mark.parametrize("kind", ["climb", "absolute", "link", "header link"])
def test_no_path_leads_out_of_the_corpus(folder, tmp_path, write_wfdb_record, kind) -> None:
    write_wfdb_record(folder, "r1")
    outside = tmp_path / "r1.dat"
    (folder / "r1.dat").rename(outside)
    if kind == "climb":
        edit_header(folder, "r1", "r1.dat", "../r1.dat")
    elif kind == "absolute":
        edit_header(folder, "r1", "r1.dat", str(outside))
    elif kind == "link":
        (folder / "r1.dat").symlink_to(outside)
    else:
        (folder / "r1.hea").rename(tmp_path / "r1.hea")
        (folder / "r1.hea").symlink_to(tmp_path / "r1.hea")
    assert reason(folder) == "unsafe_path"
    (row,) = scan_folder(folder, CorpusEntry("own", "test", "wfdb", "atr"), {})
    assert row.reason == "unsafe_path"
    assert "dat" not in row.files
    with pytest.raises(RecordFault, match="unsafe_path"):
        read_record(row, folder)


def test_links_inside_the_corpus_are_followed(folder, write_wfdb_record) -> None:
    write_wfdb_record(folder, "r1")
    (folder / ".objects").mkdir()
    (folder / "r1.dat").rename(folder / ".objects" / "abc")
    (folder / "r1.dat").symlink_to(".objects/abc")
    corpus = CorpusEntry("own", "test", "wfdb", "atr")
    rows = scan_folder(folder, corpus, {})
    assert rows[0].reason == ""
    assert scan_folder(folder, corpus, {"r1": rows[0]}) == rows
    assert read_record(rows[0], folder).signal.shape == (2, 1080)
    (folder / ".objects" / "abc").unlink()
    assert scan_folder(folder, corpus, {"r1": rows[0]})[0].reason == "missing_signal_file"


def test_paths_that_climb_by_the_record(folder) -> None:
    folder.mkdir()
    for path in ("../r1", "/etc/r1", "a/../../r1"):
        assert reason(folder, path) == "unsafe_path"


def test_random_damage_ends_as_a_fault_and_never_otherwise(folder, write_wfdb_record) -> None:
    write_wfdb_record(folder, "r1", fmt="212", symbols=["N", "~"], aux=["", "cn"], subtype=[0, 2], comments=["Dx: 1"])
    whole = {path: path.read_bytes() for path in folder.iterdir()}
    rng = np.random.default_rng(3)
    seen = set()
    for _ in range(300):
        path = folder / rng.choice(["r1.hea", "r1.hea", "r1.atr", "r1.dat"])
        content = bytearray(whole[path])
        for _ in range(rng.integers(1, 4)):
            place = int(rng.integers(len(content) + 1))
            kind = rng.integers(3)
            if kind == 0:
                content[place : place + 1] = rng.bytes(1)
            elif kind == 1:
                del content[place : place + int(rng.integers(1, 200))]
            else:
                content[place:place] = rng.choice(list(b"0123 -/.()\n#\0"), 3).astype(np.uint8).tobytes()
        path.write_bytes(content)
        (row,) = scan_folder(folder, CorpusEntry("own", "test", "wfdb", "atr"), {})
        try:
            read_record(row, folder)
        except RecordFault as fault:
            seen.add(fault.reason)
        path.write_bytes(whole[path])
    assert {"malformed_header", "truncated_signal", "bad_annotations"} < seen


def test_header_variants() -> None:
    text = """x 3 500/1(0) 5000 23-Mar-2021 20:20:47
        x.mat 16x1+24 1000.0(0)/mV 16 0 -68 1250 0 lead II
        x.mat 212
        x.dat 16 0
        # Dx: 1,2"""
    header = parse_header(text.encode(), "x.hea")
    assert (header.fs, header.n_samples, header.signal_files, header.dx) == (500, 5000, ("x.mat", "x.dat"), ("1", "2"))
    assert [(s.format, s.offset, s.units, s.name) for s in header.signals] == [
        (16, 24, "mV", "lead II"),
        (212, 0, "mV", ""),
        (16, 0, "mV", ""),
    ]
    assert [(s.gain, s.baseline, s.first, s.checksum) for s in header.signals] == [
        (1000, 0, -68, 1250),
        (200, 0, None, None),
        (200, 0, None, None),
    ]
    assert parse_header(b"x/3 2 360 1000\nx1 500\n~ 100\nx2 400\n", "x.hea").segment_names == ("x1", "x2")
    zero = parse_header(b"x 1 360 9\nx.dat 212 0 11 1024 995 -22131 0 V5\n", "x.hea").signals[0]
    assert (zero.gain, zero.baseline, zero.first, zero.checksum, zero.name) == (200, 1024, 995, -22131, "V5")


def test_annotations_are_those_of_the_sheet(folder, write_wfdb_record) -> None:
    write_wfdb_record(folder, "r1", symbols=["N"])
    write_wfdb_record(folder, "r1", symbols=["V"], annotator="qrs")
    (row,) = scan_folder(folder, CorpusEntry("own", "test", "wfdb", "qrs"), {})
    assert annotator_of(row, folder) == "qrs"
    record = read_record(row, folder)
    assert record.annotations is not None
    assert record.annotations.symbol == ("V",)
    (folder / "r1.qrs").unlink()
    (row,) = scan_folder(folder, CorpusEntry("own", "test", "wfdb", "qrs"), {})
    assert read_record(row, folder).annotations is None  # never another annotator's


def test_patient_table(tmp_path) -> None:
    path = tmp_path / "patients.csv"
    path.write_text("record,patient\n1,a\n2,a\n")
    assert read_patients(path) == {"1": "a", "2": "a"}
    path.write_text("record,patient\n1,a\n1,b\n")
    with pytest.raises(ValueError, match="line 3: record '1', patient 'b'"):
        read_patients(path)


def test_a_patient_table_names_records_of_the_corpus(tmp_path, caplog, write_wfdb_record) -> None:
    """Else each record would be a patient of its own, and one person could be in two splits."""
    path = tmp_path / "patients.csv"
    path.write_text("record,patient\nmy record,a\nr1,a\nr9,b\n")
    for name in ("plain", "r1"):
        write_wfdb_record(tmp_path / "own", name)
    for ending in ("hea", "dat"):
        (tmp_path / f"own/plain.{ending}").rename(tmp_path / f"own/my record.{ending}")
    header = tmp_path / "own/my record.hea"
    header.write_text(header.read_text().replace("plain", "my record"))
    rows = scan_folder(tmp_path / "own", CorpusEntry("own", "test", "wfdb", "atr"), {})
    patients = read_patients(path, {row.record for row in rows})
    assert [read_record(row, tmp_path / "own", patients).patient for row in rows] == ["a", "a"]
    assert "1 of 3 rows name no record of this run: ['r9']; expected names such as ['my_record-" in caplog.text


@pytest.mark.real_data
def test_challenge_records_are_readable(real_corpus) -> None:
    folder = real_corpus("challenge-2021")
    rows = scan_folder(folder, CorpusEntry("challenge-2021", "test", "wfdb", "atr"), {})
    rows = [row for row in rows if row.reason != "not_a_record"]
    faults = {}
    for row in rows:
        try:
            record = read_record(row, folder)
        except RecordFault as fault:
            faults[row.path] = str(fault)
            continue
        assert len(record.leads) == 12
        assert record.dx
        assert 0.05 < np.nanmax(np.abs(record.signal)) < 50
    assert len(rows) == 302
    assert faults == {}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("r.dat 212 200(0)/mV 12 0 71 1\x1498 0 MLII", "whole numbers"),
        ("r.dat 212 200(0)/mV 12 0 7( 1898 0 MLII", "whole numbers"),
        ("r.dat 212 1e-300(0)/mV 12 0 71 1898 0 MLII", "steps a unit"),
    ],
)
def test_a_damaged_number_of_a_signal_line_is_no_part_of_its_name(line: str, words: str) -> None:
    with pytest.raises(RecordFault, match=f"malformed_header: .*{words}"):
        parse_header(f"r 1 250 100\n{line}\n".encode("latin-1"), "r.hea")


@pytest.mark.parametrize(
    "line", ["r.dat 16 200 MLII", "r.dat 16 200 12 0 0 lead II left", "r.dat 16 0 12 0 0 0 0 V1 2 3"]
)
def test_a_signal_line_may_leave_out_numbers_before_its_name(line: str) -> None:
    signal = parse_header(f"r 1 250 100\n{line}\n".encode(), "r.hea").signals[0]
    assert signal.name in {"MLII", "lead II left", "V1 2 3"}
    assert signal.gain == 200
