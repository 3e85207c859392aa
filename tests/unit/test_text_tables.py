"""Tables that users give, whatever saved them, and tables that go out without formulas."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest

from beatlens.core.files import read_json, read_table, write_table
from beatlens.core.text_tables import csv_rows, neutral, original, read_rows
from beatlens.core.user_files import open_regular, read_bytes
from beatlens.corpora.label_table import LabelTable
from beatlens.corpora.record_sheet import SheetRow, format_sheet, read_sheet
from beatlens.corpora.registry import read_patients
from beatlens.evaluate.explanations.regions import read_regions
from beatlens.prototypes.library import PrototypeLibrary
from beatlens.prototypes.seeds import read_seeds

TABLE = 'record,patient\na,"Müller, Jörg"\n\nb,€ 5\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_is_the_same_however_a_spreadsheet_saves_it(tmp_path, caplog, encoding, separator, end):
    file = tmp_path / "patients.csv"
    text = TABLE.replace("Müller, Jörg", "@").replace(",", separator).replace("@", "Müller, Jörg").replace("\n", end)
    file.write_bytes(text.encode(encoding))
    rows = read_rows(file, ("record", "patient"))
    assert [(row.line, *row.values.values()) for row in rows] == [(2, "a", "Müller, Jörg"), (4, "b", "€ 5")]
    assert ("patients.csv: isn't UTF-8, and is read as Windows-1252" in caplog.text) == (encoding == "cp1252")


def test_columns_that_a_spreadsheet_left_empty_are_none(tmp_path):
    (tmp_path / "patients.csv").write_text("record;patient;;\na;b;;\n;;;\nc;d\n")
    assert read_patients(tmp_path / "patients.csv") == {"a": "b", "c": "d"}


def test_lines_are_counted_with_comments_and_line_breaks_in_cells(tmp_path):
    file = tmp_path / "split.csv"
    file.write_text('# who\n\ncorpus,record,split,note\n# one\na,1,test,"two\nlines"\na,2,train\n')
    rows = read_rows(file, ("corpus", "record", "split"), exact=False, comments=True)
    assert [(row.line, row.values["record"], row.values["note"]) for row in rows] == [
        (6, "1", "two\nlines"),
        (7, "2", ""),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", r"columns \[\]; expected record,patient"),
        (b"record,patient,record\n", r"columns \['record', 'patient', 'record'\]; expected"),
        (b"record,patient\na\n", r"line 2: \['a'\]; expected 2 values"),
        (b"record,patient\na,b,c\n", r"line 2: .*; expected 2 values"),
        (b'record,patient\na,"b\nc,d\n', "line 3: .*quotes that close"),
        (b"record,patient\na,b\0\n", "NUL characters"),
        (b"record,patient\na,\x81\n", "unknown encoding; expected UTF-8"),
        (b"record,patient\n" + b"a" * 20_000_000 + b",b\n", "line 2: .*at most 16000000 characters"),
    ],
    ids=range(8),
)
def test_a_damaged_table_is_refused_with_file_and_line(tmp_path, content, words):
    file = tmp_path / "patients.csv"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=rf"patients\.csv.*{words}"):
        read_patients(file)


@pytest.mark.parametrize("read", [LabelTable.read, read_patients, read_seeds, read_regions, read_table])
def test_every_table_names_its_file(tmp_path, read):
    file = tmp_path / "given.csv"
    file.write_text("a,b\n1,2\n4,5,6,7\n")
    with pytest.raises(ValueError, match=r"given\.csv"):
        read(file)


def test_own_tables_that_are_damaged_name_their_file(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    (tmp_path / "x.json").write_text('{"a": ')
    (tmp_path / "library.csv").write_text("prototype\n1\n")
    for name, read in (("x.parquet", read_table), ("x.json", read_json)):
        with pytest.raises(ValueError, match=name):
            read(tmp_path / name)
    with pytest.raises(ValueError, match=r"library\.csv: no columns"):
        PrototypeLibrary.load(tmp_path / "library.csv", tmp_path / "waves.npz")


def test_pipes_devices_folders_and_endless_files_are_refused_before_they_are_read(tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, "/dev/zero", "/dev/null"):
        with pytest.raises(ValueError, match="expected a regular file"):
            LabelTable.read(path)
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(5_000_000_000)  # takes no space
    with pytest.raises(ValueError, match=r"large\.csv: 5000000000 bytes; expected at most 100000000"):
        next(csv_rows(large))
    with pytest.raises(ValueError, match="status: more than 10 bytes"):
        read_bytes("/proc/self/status", 10)  # says that it has no bytes
    with pytest.raises(FileNotFoundError), open_regular(tmp_path / "none", 1):
        pass


FORMULAS = ['=HYPERLINK("http://x","y")', "+1+cmd", "-2+3", "@SUM(A1)", "\t=1", "'=1", "''-x", "=", "-a\nb"]
PLAIN = ["-5", "+.5", "-1.5e-3", "-5 mV", "-0.3mV/s", "it's", "a=b", "", "N", "+", "'a", "Müller"]


def test_formulas_are_neutral_and_come_back_and_numbers_stay_numbers(tmp_path):
    for text in FORMULAS:
        assert neutral(text) == "'" + text
        assert original(neutral(text)) == text
    for text in PLAIN:
        assert neutral(text) == text == original(text)
    cells = FORMULAS + PLAIN
    table = pd.DataFrame({"record": cells, "value": np.linspace(-1, 1, len(cells)), "n": -np.arange(len(cells)) - 1})
    for ending in ("csv", "tsv", "parquet"):
        write_table(tmp_path / f"t.{ending}", table)
        pd.testing.assert_frame_equal(read_table(tmp_path / f"t.{ending}"), table)
    written = (tmp_path / "t.csv").read_text()
    assert "'=HYPERLINK" in written
    assert "'-1" not in written
    write_table(
        tmp_path / "t.tsv", pd.DataFrame({"record": ["a", "b"], "detail": ["\r=1", "x\0y\x1b[2J"], "n": [1, 2]})
    )
    assert read_table(tmp_path / "t.tsv")["detail"].tolist() == ["\ufffd=1", "x\ufffdy\ufffd[2J"]


def test_the_record_sheet_holds_no_formula(tmp_path):
    row = SheetRow("c", "r", "train", "wfdb", "=cmd|x", "=cmd|x.hea;-1.dat", 3, "1;2", "ab", "")
    (tmp_path / "sheet.tsv").write_text(format_sheet([row]))
    assert "\t=" not in format_sheet([row])
    assert read_sheet(tmp_path / "sheet.tsv") == [row]
