"""From a row of the record sheet to the record: which reader, which annotations, downloaded first where need be."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from beatlens.core.record import Record
from beatlens.core.record_faults import REASONS, RecordFault, resolve_inside
from beatlens.corpora.download import fetch_record, read_remote
from beatlens.corpora.header import MAX_HEADER_BYTES, beside, parse_header
from beatlens.corpora.record_sheet import SheetRow
from beatlens.corpora.strips import StripSettings
from beatlens.corpora.strips import read_record as read_strip
from beatlens.corpora.wfdb_directory import read_record as read_wfdb

DEFAULT_ANNOTATOR = "atr"


def annotator_of(row: SheetRow, folder: Path) -> str | None:
    """Return the ending of the annotation file that the sheet lists for a record; None where it lists none.

    Of a record whose files weren't there when the sheet was made, the usual ending.
    """
    if not row.files:
        return DEFAULT_ANNOTATOR
    with resolve_inside(folder, f"{row.path}.hea", "header").open("rb") as file:
        header = parse_header(file.read(MAX_HEADER_BYTES), f"{row.path}.hea")
    others = {f"{row.path}.hea", f"{row.path}.truth.csv", *(beside(row.path, name) for name in header.signal_files)}
    endings = [name.removeprefix(f"{row.path}.") for name in row.file_names if name not in others]
    return endings[0] if endings else None


def read_record(
    row: SheetRow, folder: Path, patients: Mapping[str, str] | None = None, strips: StripSettings | None = None
) -> Record:
    """Read the record of a row of the sheet.

    Parameters
    ----------
    row
        The record.
    folder
        Its corpus folder; one that is filled from a server is given the record's files first.
    patients
        Patient ids by record, from `read_patients`; see `beatlens.corpora.wfdb_directory.read_record`.
    strips
        What a corpus of strips doesn't say of itself.

    Raises
    ------
    ValueError
        For a strip without `strips`.
    RecordFault
        Where the record can't be used, for the reason in the sheet or another one.
    """
    if row.reason in {"unsafe_path", "duplicate_id"}:  # never opened
        raise RecordFault(row.reason, f"{row.corpus}: {row.path}: {REASONS[row.reason]}")
    if row.format == "strips":
        if strips is None:
            raise ValueError(f"{row.corpus}: strips without a rate; expected fs or duration_s of the corpus")
        return read_strip(row, folder, strips, patients or {})
    remote = read_remote(folder)
    if remote is not None:
        fetch_record(remote, row.path, folder)
    try:
        annotator = annotator_of(row, folder) if remote is None else remote.annotator
    except OSError as error:
        raise RecordFault("missing_header", f"{row.corpus}: {row.path}: {error}") from error
    record = read_wfdb(folder, row.path, row.corpus, patients, annotator)
    if row.reason:
        raise RecordFault(row.reason, f"{row.corpus}: {row.path}: {REASONS[row.reason]} (when the sheet was made)")
    return record


def read_patients(path: str | Path) -> dict[str, str]:
    """Read a table of patient ids by record; records that share an id are kept in one split.

    Parameters
    ----------
    path
        CSV with the columns record and patient; records that aren't in it are their own patient.

    Raises
    ------
    ValueError
        With file, line and value, for other columns, an empty value or a record named twice.
    """
    patients: dict[str, str] = {}
    with Path(path).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if list(reader.fieldnames or []) != ["record", "patient"]:
            raise ValueError(f"{path}: columns {reader.fieldnames}; expected record,patient")
        for row in reader:
            record, patient = row["record"], row["patient"]
            if not record or not patient or record in patients:
                raise ValueError(
                    f"{path} line {reader.line_num}: record {record!r}, patient {patient!r}; "
                    "expected each record once, with a patient"
                )
            patients[record] = patient
    return patients
