"""Tables of strips from spreadsheets: what commas mean, which column is what, and tables that are none."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pytest

from beatlens.core.record import Record
from beatlens.core.record_faults import RecordFault
from beatlens.corpora.beat_labels import record_class, unknown_labels
from beatlens.corpora.label_table import LabelTable
from beatlens.corpora.record_sheet import format_sheet, read_sheet
from beatlens.corpora.scan import CorpusEntry
from beatlens.corpora.strays import would_read
from beatlens.corpora.strip_tables import Strip, decimal_commas, numbers, read_strips
from beatlens.corpora.strips import StripSettings, read_record, scan_strips

LABELS = Path(__file__).parents[2] / "config" / "labels" / "strips.csv"
WAVE = np.round(0.9 * np.exp(-0.5 * ((np.arange(500) % 200 - 100) / 4) ** 2) - 0.05 * np.sin(np.arange(500) / 40), 3)


def write(file, wave, header="id,patient,ecg", row='a,p1,"{}"'):
    file.write_text(f"{header}\n{row.format(wave)}\n", encoding="utf-8")
    return file


def samples(file):
    return np.array(numbers(read_strips(file)[0].wave), dtype=float)


@pytest.mark.parametrize("between", [" ", ";", "; ", "\n", "  "])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_decimal_commas_are_the_same_numbers(tmp_path, between, separator):
    text = between.join(f"{value:.3f}" for value in WAVE).replace(".", ",")
    file = write(tmp_path / "a.csv", text, *(part.replace(",", separator) for part in ("id,patient,ecg", 'a,p1,"{}"')))
    np.testing.assert_array_equal(samples(file), WAVE)


@pytest.mark.parametrize("between", [" ", ",", ", ", ";", "\t"])
def test_decimal_points_and_whole_numbers_are_read_as_ever(tmp_path, between):
    np.testing.assert_array_equal(samples(write(tmp_path / "a.csv", between.join(map(str, WAVE)))), WAVE)
    whole = np.rint(WAVE * 1000 + 512).astype(int)
    np.testing.assert_array_equal(samples(write(tmp_path / "b.csv", between.join(map(str, whole)))), whole)
    np.testing.assert_array_equal(samples(write(tmp_path / "c.csv", between.join("0" * 6))), np.zeros(6))


@pytest.mark.parametrize("scale", [0.1, 1, 30, 2000])
@pytest.mark.parametrize("decimals", [1, 2, 3, 4])
@pytest.mark.parametrize("between", [",", ", "])
def test_decimal_commas_apart_by_commas_are_refused_and_never_guessed(tmp_path, scale, decimals, between):
    text = between.join(f"{value * scale:.{decimals}f}" for value in WAVE).replace(".", ",")
    with pytest.raises(ValueError, match=r"a\.csv: commas that may be decimal ones or keep values apart, as in '"):
        read_strips(write(tmp_path / "a.csv", text))


@pytest.mark.parametrize(
    ("waves", "decimal"),
    [
        (["1 2 3"], False),
        (["0,5 1 0,25"], True),
        (["0,5", "0,5 0,25"], True),  # the other row tells
        (["1e-3, 2e-3"], False),
        (["-0,5 nan ,25"], True),
        (["0.1,0.2", "1,2"], False),
        (["510,511,nan,512,511,inf,510"], False),
        (["0,1 0,2", "0.1 0.2"], None),
        (["0,1 0,2", "0.1,0.2"], None),
        (["0,1 0,2", "1, 2, 3"], None),
        (["0,123,0,125"], None),
    ],
)
def test_the_whole_table_tells_what_a_comma_is(waves, decimal):
    if decimal is None:
        with pytest.raises(ValueError, match="expected"):
            decimal_commas(waves)
    else:
        assert decimal_commas(waves) is decimal


def test_one_sample_a_row_is_refused_by_what_it_is(tmp_path):
    for point, separator in ((".", ","), (",", ";")):
        rows = "".join(f"{k / 250:.3f};{value:.3f};p1\n" for k, value in enumerate(WAVE)).replace(".", point)
        file = tmp_path / "long.csv"
        file.write_text("time;ecg;patient\n".replace(";", separator) + rows.replace(";", separator))
        with pytest.raises(ValueError, match=r"long\.csv: one sample a row in 500 rows; expected one strip a row"):
            read_strips(file)
    file.write_text("ecg,patient\n" + "".join(f'"0,{k}",p\n' for k in range(9)))
    with pytest.raises(ValueError, match=r"one sample a row in 9 rows"):
        read_strips(file)
    file.write_text("id,patient,ecg\na,p,0.1,0.2,0.3\n")  # no quotes
    with pytest.raises(ValueError, match=r"long\.csv line 2: a value in column 5; expected at most 3"):
        read_strips(file)
    file.write_text("patient," + ",".join(f"s{k}" for k in range(99)) + "\np" + ",0.1" * 99 + "\n")  # a sample a column
    with pytest.raises(ValueError, match="for the wave. All samples of a strip belong into one cell"):
        read_strips(file)


@pytest.mark.parametrize(
    "header",
    [
        ["Patient ID", "Strip label", "ECG Wave", "Strip ID"],
        ["patient_name", "ECG class", "ecg_signal", "RecordName"],
        ["SubjectID", "Diagnosis", "Waveform (mV)", "record-no"],
        ["PID", "Target", "EKG samples", "Recording number"],
    ],
)
def test_columns_are_known_by_the_words_of_their_names(tmp_path, header):
    file = tmp_path / "a.csv"
    others = ["signal quality", "sampling rate", "age"]
    file.write_text(",".join([*header, *others]) + "\np,N,1 2 3,s,4,5,6\n")
    assert read_strips(file) == [Strip("s", "1 2 3", "N", "p")]
    file.write_text("patient,ECG (uV)\n")
    with pytest.raises(ValueError, match=r"expected one of wave, .* for the wave"):
        read_strips(file)
    file.write_text(",".join([*header, "ECG waveform"]) + "\n")
    with pytest.raises(ValueError, match=r"a\.csv: columns .*'ECG waveform'\] could each be the wave; expected one"):
        read_strips(file)


def test_labels_in_letters_and_words_have_classes():
    table = LabelTable.read(LABELS)
    expected = {
        "N": "N",
        "S": "S",
        "V": "V",
        "normal": "N",
        "Normal": "N",
        "PVC": "V",
        "VEB": "V",
        "SVEB": "S",
        "pac": "S",
        "AF": "AF",
        "2": "V",
    }
    for label, name in expected.items():
        record = Record("c", "r", "p", np.zeros((1, 9), dtype=np.float32), 250.0, ("II",), label=label)
        assert record_class(record, table) == name
    record = Record("c", "r", "p", np.zeros((1, 9), dtype=np.float32), 250.0, ("II",), label="v")
    assert record_class(record, table) is None
    (finding,) = unknown_labels(record, table, None)
    assert re.match("label 'v'; .* has ", finding.detail)


def test_a_table_may_have_any_name_that_the_sheet_can_hold(tmp_path):
    entry = CorpusEntry("c", "train", "strips", "atr")
    write(tmp_path / "=Strips (März) #2.CSV", "1 2 3", "patient,ecg", 'p,"{}"')
    (row,) = scan_strips(tmp_path, entry, {})
    assert row.record.startswith("Strips_M_rz_2-1-")
    assert read_sheet_row(tmp_path, row) == row
    assert read_record(row, tmp_path, StripSettings(fs=250), {}).signal.tolist() == [[1, 2, 3]]
    write(tmp_path / "a;b.csv", "1 2 3", "patient,ecg", 'p,"{}"')
    rows = scan_strips(tmp_path, entry, {})
    assert [(one.path, one.reason) for one in rows] == [(row.path, ""), ("a%3bb.csv", "malformed_table")]
    with pytest.raises(RecordFault, match="malformed_table: table 'a%3bb.csv'; expected a printable name without semi"):
        read_record(rows[1], tmp_path, StripSettings(fs=250), {})


def test_a_table_that_is_refused_keeps_no_other_table_out(tmp_path):
    entry = CorpusEntry("c", "predict", "strips", "atr")
    write(tmp_path / "good.csv", "1 2 3", "patient,ecg", 'p,"{}"')
    (tmp_path / "header.csv").write_text("patient,ecg\n")
    (tmp_path / "long.csv").write_text("ecg,patient\n" + "0.5,p\n" * 9)
    (tmp_path / "up.csv").symlink_to("/etc/hostname")
    rows = {row.path: row for row in scan_strips(tmp_path, entry, {})}
    faults = {}
    for path, row in rows.items():
        try:
            read_record(row, tmp_path, StripSettings(fs=250), {})
        except RecordFault as fault:
            faults[path] = f"{fault.reason}: {Path(fault.detail).name}"
    assert list(faults) == ["header.csv", "long.csv", "up.csv"]
    assert faults["header.csv"] == "malformed_table: header.csv: no row below the header; expected a strip a row"
    assert faults["long.csv"].startswith("malformed_table: long.csv: one sample a row in 9 rows")
    assert rows["up.csv"].reason == "malformed_table"
    (tmp_path / "long.csv").write_text("ecg,patient\n" + "0.5 1 2,p\n" * 9)
    again = scan_strips(tmp_path, entry, rows)
    assert sum(row.path.startswith("long.csv#") and not row.reason for row in again) == 9
    assert next(row for row in again if row.path == "header.csv") == rows["header.csv"]


def test_files_beside_the_tables_are_listed(tmp_path):
    write(tmp_path / "good.csv", "1 2 3", "patient,ecg", 'p,"{}"')
    (tmp_path / "more").mkdir()
    others = ["book.ods", "more/deep.csv", "night.edf", "r.hea"]
    for name in [*others, "r.dat", "notes.txt"]:
        (tmp_path / name).touch()
    rows = scan_strips(tmp_path, CorpusEntry("c", "predict", "strips", "atr"), {})
    assert [(row.path, row.reason) for row in rows] == [
        ("good.csv#1", ""),
        *((name, "not_a_record") for name in others),
    ]
    assert would_read("more/deep.csv", "strips") == "tables are read in the folder of the corpus itself; move it there"
    assert would_read("r.hea", "strips") == "WFDB records are read by a corpus with `format: wfdb`"


def read_sheet_row(folder, row):
    (folder / "sheet").write_text(format_sheet([row]), encoding="utf-8")
    return read_sheet(folder / "sheet")[0]


def test_absurd_samples_are_no_signal(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("id,patient,ecg\na,p,1 1e300 2\nb,p,1 NaN inf\nc,p,1e999 nan -inf\nd,p,9e6 0 0\ne,p,1 two 3\n")
    rows = scan_strips(tmp_path, CorpusEntry("c", "train", "strips", "atr"), {})
    found = {}
    for row in rows:
        try:
            record = read_record(row, tmp_path, StripSettings(fs=250, units_per_mv=10), {})
            found[row.record] = np.isnan(record.signal[0]).tolist()
        except RecordFault as fault:
            found[row.record] = fault.reason
    wave = "malformed_wave"
    assert found == {"a": wave, "b": [False, True, True], "c": [True] * 3, "d": [False] * 3, "e": wave}


def test_a_spreadsheet_with_a_far_cell_or_a_bomb_is_refused_at_once(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["id", "patient", "ecg"])
    book.active.append(["a", "p", "0,5 0,25"])
    book.save(tmp_path / "good.xlsx")
    assert read_strips(tmp_path / "good.xlsx") == [Strip("a", "0.5 0.25", "", "p")]
    book.active.cell(1_048_576, 16_384, "far")
    book.save(tmp_path / "far.xlsx")
    with pytest.raises(ValueError, match=r"far\.xlsx line 1048576: a value in column 16384; expected at most 3"):
        read_strips(tmp_path / "far.xlsx")
    with zipfile.ZipFile(tmp_path / "good.xlsx") as good, zipfile.ZipFile(tmp_path / "bomb.xlsx", "w") as bomb:
        for part in good.infolist():
            bomb.writestr(part, good.read(part))
        bomb.writestr("xl/media/x.xml", b" " * 60_000_000, compress_type=zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match=r"bomb\.xlsx: 600\d+ bytes once unpacked; expected at most"):
        read_strips(tmp_path / "bomb.xlsx")
    (tmp_path / "text.xlsx").write_text("id,patient,ecg\n")
    with pytest.raises(ValueError, match=r"text\.xlsx: BadZipFile: .*; expected an \.xlsx that opens"):
        read_strips(tmp_path / "text.xlsx")
