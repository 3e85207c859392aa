"""WFDB records in all their forms: against the WFDB library where it reads them, and against what was written."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from beatlens.core.record_faults import RecordFault
from beatlens.core.remarks import REMARKS
from beatlens.corpora.registry import read_record
from beatlens.corpora.scan import CorpusEntry, scan_folder
from beatlens.corpora.wfdb import samples as samples_module
from beatlens.corpora.wfdb.record import read_record as read_wfdb

CORPUS = CorpusEntry("own", "test", "wfdb", "atr")


def wave(n: int, lead: int = 0) -> np.ndarray:
    """Return whole numbers that no shift, swap or cut leaves as they are."""
    at = np.arange(n)
    return np.rint(300 * np.sin(at / 7 + lead) + 40 * np.sin(at / 51) + lead + 5).astype(np.int64)


def write_plain(folder: Path, name: str, stored: list[np.ndarray], lines: list[str], record: str) -> None:
    """Write signals in 16 bits, interleaved by frames, and a header: a record line and what follows the file's name."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = min(map(len, stored))
    parts = [values.reshape(frames, -1) for values in stored]
    np.concatenate(parts, axis=1).astype("<i2").tofile(folder / f"{name}.dat")
    (folder / f"{name}.hea").write_text("\n".join([record, *(f"{name}.dat {line}" for line in lines)]) + "\n")


def fault(folder: Path, path: str = "r1") -> RecordFault:
    with pytest.raises(RecordFault) as caught:
        read_wfdb(folder, path, "own")
    return caught.value


@pytest.mark.parametrize("form", ["16", "24", "32", "80", "508", "516", "524"])
def test_formats_gains_and_skew_are_read_as_the_library_reads_them(tmp_path, form, resize) -> None:
    import wfdb

    scale = {"80": 4, "508": 4}.get(form, 1)
    stored = np.stack([wave(900, k) // scale for k in range(3)], axis=1)
    stored[4, 1] = samples_module.NO_VALUE[int(form)]
    units, gain, baseline = ["mV", "uV", "V"], [200.3, 0.5, 1e5], [7, -3, 0]
    wfdb.wrsamp(
        "r1",
        fs=250,
        units=units,
        sig_name=["I", "II", "V1"],
        d_signal=stored,
        fmt=[form] * 3,
        adc_gain=gain,
        baseline=baseline,
        write_dir=str(tmp_path),
    )
    if form not in {"508", "516", "524"}:  # the library in C has no skew in compressed files
        header = (tmp_path / "r1.hea").read_text()
        (tmp_path / "r1.hea").write_text(header.replace(f"r1.dat {form} 200.3", f"r1.dat {form}:5 200.3"))
    expected = wfdb.rdrecord(str(tmp_path / "r1")).p_signal.T * np.array([[1], [1e-3], [1e3]])
    record = read_wfdb(tmp_path, "r1", "own")
    np.testing.assert_array_equal(record.signal, expected.astype(np.float32))
    assert np.isnan(record.signal).sum() == (6 if ":5" in (tmp_path / "r1.hea").read_text() else 1)
    resize("BLOCK_SAMPLES", 128)
    np.testing.assert_array_equal(read_wfdb(tmp_path, "r1", "own").signal, record.signal)


@pytest.mark.parametrize("form", [8, 61, 160, 212, 310, 311])
def test_formats_that_the_library_only_reads(tmp_path, form) -> None:
    import wfdb

    data = np.random.default_rng(form).integers(0, 256, 4000).astype(np.uint8)
    data.tofile(tmp_path / "r1.dat")
    lines = [f"r1.dat {form} 200(3)/mV 10 0 {first} 0 0 {name}" for first, name in ((5, "II"), (-9, "V1"))]
    (tmp_path / "r1.hea").write_text("\n".join(["r1 2 250 901", *lines]) + "\n")
    expected = wfdb.rdrecord(str(tmp_path / "r1"))
    bare = (tmp_path / "r1.hea").read_text()
    if form != 8:  # of which the first value is a part
        bare = bare.replace(" 0 5 0", " 0 0 0").replace(" 0 -9 0", " 0 0 0")
    (tmp_path / "r1.hea").write_text(bare)
    np.testing.assert_array_equal(read_wfdb(tmp_path, "r1", "own").signal, expected.p_signal.T.astype(np.float32))
    sums = [
        int(values.sum()) % 65536
        for values in wfdb.rdrecord(str(tmp_path / "r1"), physical=False).d_signal.T.astype(int)
    ]
    right = bare.replace("0 0 II", f"{sums[0]} 0 II").replace("0 0 V1", f"{sums[1]} 0 V1")
    (tmp_path / "r1.hea").write_text(right)
    assert read_wfdb(tmp_path, "r1", "own").signal.shape == (2, 901)
    (tmp_path / "r1.hea").write_text(right.replace(f"{sums[1]} 0 V1", f"{sums[1] ^ 3} 0 V1"))
    assert fault(tmp_path).reason == "wrong_samples"


@pytest.mark.parametrize(
    ("rate", "per_frame", "fs"), [("125", 4, 500), ("15.5", 32, 496), ("62.4725/250(3)", 4, 249.89)]
)
def test_frames_are_read_at_the_rate_of_their_samples(tmp_path, rate, per_frame, fs, resize) -> None:
    import wfdb

    stored = wave(300 * per_frame)
    write_plain(tmp_path, "r1", [stored], [f"16x{per_frame} 1000/mV 16 0 {stored[0]}"], f"r1 1 {rate} 300")
    wfdb.wrann("r1", "atr", np.array([3, 250]), symbol=["N", "V"], write_dir=str(tmp_path))
    record = read_wfdb(tmp_path, "r1", "own")
    assert record.fs == pytest.approx(fs)
    np.testing.assert_array_equal(record.signal[0], (stored / 1000).astype(np.float32))
    assert record.annotations is not None
    assert record.annotations.sample.tolist() == [3 * per_frame, 250 * per_frame]  # times are frames
    wfdb.wrann(
        "r1", "atr", np.array([30, 200]), symbol=["N", "V"], fs=float(rate.split("/")[0]) * 2, write_dir=str(tmp_path)
    )
    again = read_wfdb(tmp_path, "r1", "own").annotations
    assert again is not None
    assert again.sample.tolist() == [15 * per_frame, 100 * per_frame]  # in the resolution of their file
    resize("BLOCK_SAMPLES", 20 * per_frame)
    np.testing.assert_array_equal(read_wfdb(tmp_path, "r1", "own").signal, record.signal)


def test_leads_of_several_rates_are_brought_to_the_highest(tmp_path) -> None:
    fast, slow = np.arange(8000) / 500, np.arange(2000) / 125
    tone = [1000 * np.sin(2 * np.pi * 3 * at) for at in (fast, slow)]
    slow_stored = np.rint(tone[1])
    slow_stored[50:60] = -(2**15)
    write_plain(
        tmp_path,
        "r1",
        [np.rint(tone[0]), slow_stored],
        ["16x4 1000/mV 16 0 0 0 0 II", "16 1000/mV 16 0 0 0 0 V1"],
        "r1 2 125 2000",
    )
    record = read_wfdb(tmp_path, "r1", "own")
    assert (record.fs, record.leads) == (500, ("II", "V1"))
    missing = np.isnan(record.signal[1])
    assert np.flatnonzero(missing).tolist() == list(range(197, 240))
    inner = ~missing
    inner[:100], inner[-100:], inner[150:290] = False, False, False
    np.testing.assert_allclose(record.signal[1][inner], np.sin(2 * np.pi * 3 * fast)[inner], atol=2e-3)
    assert [(one.remark, one.detail) for one in record.remarks] == [("resampled_leads", "V1 from 125 to 500 Hz")]


def test_signals_that_are_no_voltages_are_left_out_and_told(tmp_path) -> None:
    lines = ["16 100/mmHg 16 0 0 0 0 ABP", "16 1000/mV 16 0 0 0 0 II", "16 1/NU 16 0 0 0 0 RESP"]
    write_plain(tmp_path, "r1", [wave(500), wave(500, 1), wave(500, 2)], lines, "r1 3 250 500")
    record = read_wfdb(tmp_path, "r1", "own")
    assert record.leads == ("II",)
    np.testing.assert_array_equal(record.signal[0], (wave(500, 1) / 1000).astype(np.float32))
    assert record.remarks[0].remark == "other_signals"
    assert "ABP in mmHg, RESP in NU" in record.remarks[0].detail
    write_plain(tmp_path, "r1", [wave(500)], lines[:1], "r1 1 250 500")
    assert fault(tmp_path).reason == "unknown_units"


def write_segments(folder: Path, name: str = "m") -> None:
    """Write a record of three segments: two with different gains, the middle one empty."""
    for k, gain in ((1, 1000), (2, 500)):
        lines = [
            f"16 {gain}/mV 16 0 {wave(400, lead)[0]} 0 0 {lead_name}" for lead, lead_name in enumerate(("II", "V1"))
        ]
        write_plain(folder, f"{name}_{k}", [wave(400), wave(400, 1)], lines, f"{name}_{k} 2 250 400")
    (folder / f"{name}.hea").write_text(f"{name}/3 2 250 1000\n{name}_1 400\n~ 200\n{name}_2 400\n# Patient: P7\n")


def test_segments_are_one_record_of_one_person(tmp_path) -> None:
    import wfdb

    write_segments(tmp_path)
    wfdb.wrann("m", "atr", np.array([10, 900]), symbol=["N", "V"], write_dir=str(tmp_path))
    parts = [wfdb.rdrecord(str(tmp_path / f"m_{k}")).p_signal.T for k in (1, 2)]
    expected = np.concatenate([parts[0], np.full((2, 200), np.nan), parts[1]], axis=1)
    (row,) = scan_folder(tmp_path, CORPUS, {})
    assert (row.record, row.reason) == ("m", "")
    assert set(row.file_names) == {"m.hea", "m.atr", "m_1.hea", "m_1.dat", "m_2.hea", "m_2.dat"}
    assert scan_folder(tmp_path, CORPUS, {"m": row}) == [row]
    record = read_record(row, tmp_path)
    np.testing.assert_array_equal(record.signal, expected.astype(np.float32))
    assert np.isnan(record.signal[:, 400:600]).all()
    assert (record.patient, record.leads) == ("P7", ("II", "V1"))
    assert record.annotations is not None
    assert record.annotations.sample.tolist() == [10, 900]
    (tmp_path / "m_2.dat").write_bytes((tmp_path / "m_2.dat").read_bytes()[:-2])
    (changed,) = scan_folder(tmp_path, CORPUS, {"m": row})
    assert changed.sha256 != row.sha256
    with pytest.raises(RecordFault, match="truncated_signal"):
        read_record(changed, tmp_path)


def test_segments_of_variable_layout(tmp_path) -> None:
    import wfdb

    write_plain(tmp_path, "v_1", [wave(400)], ["16 1000/mV 16 0 0 0 0 II"], "v_1 1 250 400")
    lines = ["16 200/mV 16 0 0 0 0 V1", "16 10/mmHg 16 0 0 0 0 ABP", "16 500/mV 16 0 0 0 0 II"]
    write_plain(tmp_path, "v_2", [wave(300, k) for k in range(3)], lines, "v_2 3 250 300")
    names = "".join(
        f"~ 0 200/{unit} 16 0 0 0 0 {name}\n" for name, unit in (("II", "mV"), ("V1", "mV"), ("ABP", "mmHg"))
    )
    (tmp_path / "v_layout.hea").write_text(f"v_layout 3 250 0\n{names}")
    (tmp_path / "v.hea").write_text("v/4 3 250 750\nv_layout 0\nv_1 400\n~ 50\nv_2 300\n")
    expected = wfdb.rdrecord(str(tmp_path / "v"), m2s=True).p_signal.T[:2]
    (row,) = scan_folder(tmp_path, CORPUS, {})
    record = read_record(row, tmp_path)
    np.testing.assert_array_equal(record.signal, expected.astype(np.float32))
    assert record.leads == ("II", "V1")
    assert record.remarks[0].detail == "left out: ABP in mmHg"


@pytest.mark.parametrize(
    ("old", "new", "reason", "records"),
    [
        ("~ 200\n", "", "malformed_header", {"m"}),
        ("m_2 400", "m_2 four", "malformed_header", {"m"}),
        ("m_2 400\n", "", "malformed_header", {"m"}),
        ("m_1 400", "m_1 300", "malformed_header", {"m"}),
        ("m_2 400", "m_9 400", "missing_header", {"m", "m_2"}),
        ("m_2 400", "m 400", "malformed_header", {"m", "m_2"}),
        ("m_2 400", "../m_2 400", "unsafe_path", {"m", "m_2"}),
    ],
)
def test_a_damaged_master_is_one_row_with_a_reason(tmp_path, old, new, reason, records) -> None:
    write_segments(tmp_path)
    text = (tmp_path / "m.hea").read_text()
    assert old in text
    (tmp_path / "m.hea").write_text(text.replace(old, new))
    rows = {row.record: row for row in scan_folder(tmp_path, CORPUS, {})}
    assert set(rows) == records
    with pytest.raises(RecordFault, match=reason):
        read_record(rows["m"], tmp_path)


@pytest.mark.parametrize("what", ["swapped", "byte order", "first value", "checksum"])
def test_samples_that_contradict_their_header_are_refused(tmp_path, what) -> None:
    stored = [wave(500), wave(500, 1)]
    sums = [int(values.sum()) % 65536 - (65536 if k else 0) for k, values in enumerate(stored)]
    lines = [f"16 1000/mV 16 0 {v[0]} {s} 0 {name}" for v, s, name in zip(stored, sums, ("II", "V1"), strict=True)]
    write_plain(tmp_path, "r1", stored, lines, "r1 2 250 500")
    assert read_wfdb(tmp_path, "r1", "own").signal.shape == (2, 500)
    data = np.fromfile(tmp_path / "r1.dat", "<i2").reshape(-1, 2)
    if what == "swapped":
        data = data[:, ::-1]
    elif what == "byte order":
        data = data.byteswap()
    elif what == "first value":
        data[0, 0] += 1
        data[1, 0] -= 1
    else:
        data[300, 1] ^= 1 << 9
    data.tofile(tmp_path / "r1.dat")
    found = fault(tmp_path)
    assert found.reason == "wrong_samples"
    assert "the header says" in found.detail
    bare = [line.replace(f"{v[0]} {s} 0", "0 0 0") for line, v, s in zip(lines, stored, sums, strict=True)]
    (tmp_path / "r1.hea").write_text("r1 2 250 500\n" + "".join(f"r1.dat {line}\n" for line in bare))
    assert read_wfdb(tmp_path, "r1", "own").signal.shape == (2, 500)  # 0 and 0: not given


def test_a_checksum_is_over_all_blocks(tmp_path, resize) -> None:
    stored = wave(1000)
    write_plain(tmp_path, "r1", [stored], [f"16 1000/mV 16 0 {stored[0]} {stored.sum() % 65536} 0 II"], "r1 1 250 1000")
    resize("BLOCK_SAMPLES", 64)
    np.testing.assert_array_equal(read_wfdb(tmp_path, "r1", "own").signal[0], (stored / 1000).astype(np.float32))


@pytest.mark.parametrize(
    ("values", "words"),
    [("int16", ""), ("doubles", "2 by 500 matrix of double"), ("across", "500 by 2 matrix of int16")],
)
def test_a_matrix_is_what_the_header_says(tmp_path, values, words) -> None:
    from scipy.io import savemat

    stored = np.stack([wave(500), wave(500, 1)])
    matrix = {"int16": stored.astype("i2"), "doubles": stored / 1000, "across": stored.T.astype("i2").copy()}[values]
    savemat(tmp_path / "r1.mat", {"val": matrix}, format="4")
    (tmp_path / "r1.hea").write_text(
        "r1 2 250 500\n" + "".join(f"r1.mat 16+24 1000/mV 16 0 0 0 0 {k}\n" for k in ("I", "II"))
    )
    if words:
        assert (fault(tmp_path).reason, words in fault(tmp_path).detail) == ("wrong_samples", True)
    else:
        np.testing.assert_array_equal(read_wfdb(tmp_path, "r1", "own").signal, (stored / 1000).astype(np.float32))


@pytest.mark.parametrize(
    ("name", "offset", "begin"), [("val", "", 24), ("val", "+20", 24), ("lead_I_II", "+24", 30), ("x", "+24", 22)]
)
def test_a_matrix_begins_where_the_header_says(tmp_path, name, offset, begin) -> None:
    """Its own first bytes would be taken for samples, or all samples would be one byte or one lead off."""
    from scipy.io import savemat

    savemat(tmp_path / "r1.mat", {name: np.stack([wave(600), wave(600, 1)]).astype("i2")}, format="4")
    header = "r1 2 250 500\n" + "".join(f"r1.mat 16{offset} 1000/mV 16 0 0 0 0 {k}\n" for k in ("I", "II"))
    (tmp_path / "r1.hea").write_text(header)
    found = fault(tmp_path)
    assert found.reason == "wrong_samples"
    assert found.detail.endswith(f"samples begin at byte {begin}; the header says {offset.strip('+') or 0}")
    (tmp_path / "r1.hea").write_text(header.replace(f"r1.mat 16{offset} ", f"r1.mat 16+{begin} "))
    assert read_wfdb(tmp_path, "r1", "own").signal[0].tolist() == (wave(600)[:500] / 1000).astype(np.float32).tolist()


def test_what_a_header_leaves_open_is_remarked(tmp_path) -> None:
    lines = ["16 1000/mV 16 0 0 0 0 II", "16 0 16 0 0 0 0 MLII"]
    write_plain(tmp_path, "r1", [wave(900), wave(900, 1)], lines, "r1 2 250 500")
    record = read_wfdb(tmp_path, "r1", "own")
    assert record.leads == ("II", "II (2)")
    assert [tuple(remark) for remark in record.remarks] == [
        ("assumed_gain", "MLII: no gain in the header; 200 units a mV are taken"),
        ("same_lead", "II (2): the first signal of each name is used"),
        ("longer_file", "r1.dat holds 900 samples a signal; the header says 500"),
    ]
    assert {remark.remark for remark in record.remarks} <= set(REMARKS)
    plain = [lines[0], lines[0].replace("II", "V1")]
    write_plain(tmp_path, "r1", [wave(540), wave(540, 1)], plain, "r1 2 250 500")
    assert read_wfdb(tmp_path, "r1", "own").remarks == ()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_a_header_saved_by_an_editor_is_read(tmp_path, encoding) -> None:
    write_plain(tmp_path, "r1", [wave(500)], ["16 1/uV 16 0 0 0 0 II"], "r1 1 250 500")
    text = (tmp_path / "r1.hea").read_text().replace("uV", "µV").replace("\n", "\r\n")
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "r1.hea").write_bytes((mark + text).encode(encoding))
    assert np.abs(read_wfdb(tmp_path, "r1", "own").signal).max() == pytest.approx(abs(wave(500)).max() / 1000)


@pytest.mark.parametrize("stem", ["my record", "Übung", "rec(1)", "a+b=c", "1 2 3"])
def test_any_printable_name_is_a_record(tmp_path, write_wfdb_record, stem) -> None:
    write_wfdb_record(tmp_path, "plain", symbols=["N", "V"])
    for ending in ("hea", "dat", "atr"):
        (tmp_path / f"plain.{ending}").rename(tmp_path / f"{stem}.{ending}")
    header = (tmp_path / f"{stem}.hea").read_text().replace("plain", stem)
    (tmp_path / f"{stem}.hea").write_text("\ufeff" + header)
    (row,) = scan_folder(tmp_path, CORPUS, {})
    assert (row.path, row.reason, len(row.file_names)) == (stem, "", 3)
    assert row.record.isascii()
    assert " " not in row.record
    record = read_record(row, tmp_path)
    assert (record.name, record.signal.shape) == (row.record, (2, 1080))
    assert record.annotations is not None


def test_endings_in_capitals_are_files_too(tmp_path, write_wfdb_record) -> None:
    write_wfdb_record(tmp_path, "caps", symbols=["N", "V"])
    for ending in ("hea", "dat", "atr"):
        (tmp_path / f"caps.{ending}").rename(tmp_path / f"CAPS.{ending.upper()}")
    (row,) = scan_folder(tmp_path, CORPUS, {})
    assert (row.record, row.file_names) == ("CAPS", ["CAPS.HEA", "CAPS.DAT", "CAPS.ATR"])
    assert scan_folder(tmp_path, CORPUS, {"CAPS": row}) == [row]
    record = read_record(row, tmp_path)
    assert record.annotations is not None
    assert record.signal.shape == (2, 1080)


@pytest.mark.parametrize(
    "date",
    ["2014-05-08 05:05:15", "2006", "12:00:00 01/01/99", "05-May-2020 09:49:17", "99:99:99 31/31/2020", "12:00:00 Ü"],
)
def test_no_date_keeps_a_record_from_being_read(tmp_path, date) -> None:
    write_plain(tmp_path, "r1", [wave(500)], ["16 1000/mV 16 0 0 0 0 II"], f"r1 1 250 500 {date}")
    assert read_wfdb(tmp_path, "r1", "own").signal.shape == (1, 500)


def test_text_of_a_header_is_on_one_line(tmp_path) -> None:
    write_plain(tmp_path, "r1", [wave(500)], ["16 1000/mV 16 0 0 0 0 lead\0\tII"], "r1 1 250 500")
    with (tmp_path / "r1.hea").open("ab") as file:
        file.write(b"# Patient: P\x007\tB\x85\n# Dx: 1\0,2\n")
    record = read_wfdb(tmp_path, "r1", "own")
    assert (record.leads, record.patient, record.dx) == (("II",), "P 7 B", ("1", "2"))


@pytest.mark.parametrize("ending", ["hea", "dat", "atr"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "socket"])
def test_what_is_no_file_is_never_opened(tmp_path, write_wfdb_record, ending, kind) -> None:
    write_wfdb_record(tmp_path, "r1", symbols=["N"])
    file = tmp_path / f"r1.{ending}"
    file.unlink()
    with socket.socket(socket.AF_UNIX) as end, pytest.MonkeyPatch.context() as patch:
        if kind == "pipe":
            os.mkfifo(file)
        elif kind == "folder":
            file.mkdir()
        else:
            patch.chdir(tmp_path)  # the path of a socket is short
            end.bind(file.name)
        (row,) = scan_folder(tmp_path, CORPUS, {})
        if (ending, kind) != ("atr", "folder"):
            assert row.reason == "not_a_file"
        assert fault(tmp_path).reason == "not_a_file"


@pytest.mark.parametrize(
    ("record", "line", "reason"),
    [
        ("r1 1 250 1000000000", "16 200 16 0 0 0 0 II", "truncated_signal"),
        ("r1 1000000 250 500", "16 200 16 0 0 0 0 II", "malformed_header"),
        ("r1 1 250 500", "16x999999999 200 16 0 0 0 0 II", "truncated_signal"),
        ("r1 1 250 500", "16x0 200 16 0 0 0 0 II", "malformed_header"),
        ("r1 1 250 500", "16+99999999999 200 16 0 0 0 0 II", "truncated_signal"),
        ("r1 1 250 500", "16:999999999 200 16 0 0 0 0 II", "all_nan"),
        ("r1 1 250 500", "99 200 16 0 0 0 0 II", "malformed_header"),
        ("r1 1 250 " + "9" * 5000, "16 200 16 0 0 0 0 II", "malformed_header"),
        ("r1/999999 1 250 500", "16 200 16 0 0 0 0 II", "malformed_header"),
    ],
)
def test_absurd_claims_take_no_memory(tmp_path, record, line, reason) -> None:
    write_plain(tmp_path, "r1", [wave(500)], [line], record)
    tracemalloc.start()
    try:
        assert fault(tmp_path).reason == reason
        assert tracemalloc.get_traced_memory()[1] < 100e6  # some claims are of gigabytes
    finally:
        tracemalloc.stop()


def test_a_record_of_too_many_samples(tmp_path, resize) -> None:
    write_plain(tmp_path, "r1", [wave(500)], ["16 200 16 0 0 0 0 II"], "r1 1 250 500")
    resize("MAX_SAMPLES", 499)
    assert fault(tmp_path).reason == "too_large"


def test_reading_that_never_ends_is_given_up(tmp_path, monkeypatch, resize) -> None:
    def stuck(*_: object) -> None:
        with contextlib.suppress(TimeoutError):  # a reader that catches what isn't its own
            time.sleep(20)
        time.sleep(20)

    write_plain(tmp_path, "r1", [wave(500)], ["16 200 16 0 0 0 0 II"], "r1 1 250 500")
    resize("SLOWEST_S", 0.1)
    monkeypatch.setattr("beatlens.corpora.wfdb.record.read_leads", stuck)
    before = signal.getsignal(signal.SIGALRM)
    assert fault(tmp_path).reason == "too_slow"
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_random_damage_of_any_file_ends_soon_and_in_words(tmp_path) -> None:
    """Every kind of record, a bit, a stretch or a number of one of its files damaged: a fault, or a record."""
    import wfdb

    whole_folder = tmp_path / "whole"
    whole_folder.mkdir()
    for form in ("16", "80", "516"):
        values = np.stack([wave(500) // 4, wave(500, 1) // 4], axis=1)
        options = {"fmt": [form] * 2, "adc_gain": [200.0] * 2, "baseline": [0] * 2, "write_dir": str(whole_folder)}
        wfdb.wrsamp(f"r{form}", fs=250, units=["mV"] * 2, sig_name=["II", "V1"], d_signal=values, **options)
        notes = ["", "(AFIB", "x"]
        wfdb.wrann(
            f"r{form}",
            "atr",
            np.array([9, 99, 400]),
            symbol=list("N+V"),
            aux_note=notes,
            fs=360,
            write_dir=str(whole_folder),
        )
    write_segments(whole_folder)
    whole = {path.name: path.read_bytes() for path in whole_folder.iterdir()}
    rng = np.random.default_rng(5)
    folder = tmp_path / "damaged"
    folder.mkdir()
    numbers = (b"1000000000", b"99999999999999999999999", b"0", b"-1", b"1e308")
    seen: set[str] = set()
    for _ in range(150):
        for name, content in whole.items():
            (folder / name).write_bytes(content)
        name = str(rng.choice(sorted(whole)))
        damaged = bytearray(whole[name])
        place = int(rng.integers(len(damaged)))
        kind = int(rng.integers(4))
        if kind == 0:
            damaged[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            del damaged[place:]
        elif kind == 2:
            del damaged[place : place + int(rng.integers(1, 40))]
        elif name.endswith(".hea"):
            fields = bytes(damaged).split(b" ")
            fields[int(rng.integers(len(fields)))] = numbers[int(rng.integers(len(numbers)))]
            damaged = bytearray(b" ".join(fields))
        (folder / name).write_bytes(damaged)
        for row in scan_folder(folder, CORPUS, {}):
            try:
                read_record(row, folder)
            except RecordFault as found:
                seen.add(found.reason)
        assert "too_slow" not in seen, (name, kind)
    assert {"malformed_header", "truncated_signal", "bad_annotations", "wrong_samples"} < seen
