"""From a row of the record sheet to the record: its files are downloaded where needed, and the reader is chosen."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Collection, Mapping
from pathlib import Path

from beatlens.core.record import Record
from beatlens.core.record_faults import REASONS, RecordFault, safe_name
from beatlens.core.text_tables import few, read_rows
from beatlens.corpora.downloads.download import Remote, fetch_record
from beatlens.corpora.formats import challenge, ptb_xl
from beatlens.corpora.formats.rules import ReadingRules
from beatlens.corpora.record_sheet import SheetRow
from beatlens.corpora.scan import wrong_sums
from beatlens.corpora.strays import TRUTH, would_read
from beatlens.corpora.strips import StripSettings
from beatlens.corpora.strips import read_record as read_strip
from beatlens.corpora.wfdb.header import parse_header
from beatlens.corpora.wfdb.names import beside, folded
from beatlens.corpora.wfdb.places import read_header_bytes
from beatlens.corpora.wfdb.record import NO_RULES
from beatlens.corpora.wfdb.record import read_record as read_wfdb

logger = logging.getLogger(__name__)

DEFAULT_ANNOTATOR = "atr"
NEVER_OPENED = frozenset({"unsafe_path", "unsafe_name", "too_large", "duplicate_id"})
"""Reasons of the record sheet for which a record's files are left alone."""
DESCRIBED = {"challenge": challenge.read, "ptb-xl": ptb_xl.read}
"""Reader of each format with knowledge of its own and no beat annotations: a module of `beatlens.corpora.formats`."""


def annotator_of(row: SheetRow, folder: Path) -> str | None:
    """Return the ending of the annotation file that the sheet lists for a record; None where it lists none.

    A record whose files weren't there when the sheet was made has the usual ending.
    """
    if not row.files:
        return DEFAULT_ANNOTATOR
    header = parse_header(read_header_bytes(folder, f"{row.path}.hea"), f"{row.path}.hea")
    others = {f"{row.path}.hea", f"{row.path}{TRUTH}", *(beside(row.path, name) for name in header.signal_files)}
    start, known = folded(f"{row.path}."), {folded(name) for name in others}
    endings = [name[len(row.path) + 1 :] for name in row.file_names if folded(name).startswith(start)]
    unnamed = [ending for ending in endings if folded(f"{row.path}.{ending}") not in known]
    return unnamed[0] if unnamed else None


def read_record(
    row: SheetRow,
    folder: Path,
    patients: Mapping[str, str] | None = None,
    strips: StripSettings | None = None,
    *,
    remote: Remote | None = None,
    rules: ReadingRules = NO_RULES,
) -> Record:
    """Read the record of a row of the sheet.

    Parameters
    ----------
    row
        The record.
    folder
        Its corpus folder.
    patients
        Patient ids by record, from `read_patients`; see `beatlens.corpora.wfdb.record.read_record`.
    strips
        Rate, lead and unit of a corpus of strips, which its tables don't give.
    remote
        Where the record's files are downloaded from, by the configuration; None where they are here.
    rules
        What the names in its files mean, by the configuration.

    Raises
    ------
    ValueError
        For a strip without `strips`.
    RecordFault
        Where the record can't be used, for the reason in the sheet or another one.
    """
    if row.reason in NEVER_OPENED:
        raise RecordFault(row.reason, f"{row.corpus}: {row.path}: {REASONS[row.reason]}")
    if row.reason == "not_a_record":
        raise RecordFault(row.reason, f"{row.corpus}: {row.path}: {would_read(row.path, row.format)}")
    if row.reason == "checksum_mismatch":
        raise RecordFault(row.reason, f"{row.corpus}: {row.path}: {wrong_sums(folder, row)}")
    if row.format == "strips":
        if strips is None:
            raise ValueError(f"{row.corpus}: strips without a rate; expected fs or duration_s of the corpus")
        return read_strip(row, folder, strips, patients or {})
    if remote is not None:
        fetch_record(remote, row.path, folder)
    if row.format == "ptb-xl" and remote is not None:
        ptb_xl.fetch_table(remote, folder)
    if row.format in DESCRIBED:
        record = DESCRIBED[row.format](row, folder, rules, patients or {})
    else:
        record = _read_annotated(row, folder, rules, patients, remote)
    if row.reason:
        raise RecordFault(row.reason, f"{row.corpus}: {row.path}: {REASONS[row.reason]} (when the sheet was made)")
    return record


def _read_annotated(
    row: SheetRow, folder: Path, rules: ReadingRules, patients: Mapping[str, str] | None, remote: Remote | None
) -> Record:
    """Read a WFDB record with the annotations that the sheet lists."""
    try:
        annotator = annotator_of(row, folder) if remote is None else remote.annotator
    except OSError as error:
        raise RecordFault("missing_header", f"{row.corpus}: {row.path}: {error}") from error
    return read_wfdb(folder, row.path, row.corpus, patients, annotator, rules=rules)


def read_patients(path: str | Path, records: Collection[str] = ()) -> dict[str, str]:
    """Read a table of patient ids by record; records that share an id are kept in one split.

    Parameters
    ----------
    path
        CSV with the columns record and patient; records that aren't in it are their own patient. A record is named as
        its file is, or by its id in the sheet.
    records
        Ids of the corpus's records; rows that name none of them are logged.

    Raises
    ------
    ValueError
        With file, line and value, for other columns, an empty value or a record named twice.
    """
    patients: dict[str, str] = {}
    for line, row in read_rows(path, ("record", "patient")):
        record, patient = row["record"], row["patient"]
        if not record or not patient or record in patients:
            raise ValueError(
                f"{path} line {line}: record {record!r}, patient {patient!r}; expected each record once, with a patient"
            )
        patients[record] = patient
    patients = {safe_name(unicodedata.normalize("NFC", record)): patient for record, patient in patients.items()}
    unknown = sorted(set(patients) - set(records))
    if records and unknown:
        logger.warning(
            "%s: %d of %d rows name no record of this run: %s; expected names such as %s",
            path, len(unknown), len(patients), few(unknown), few(sorted(records)[:3]),
        )  # fmt: skip
    return patients
