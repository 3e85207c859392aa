"""Strips: tables (.csv, .xlsx) with one single-lead stretch of ECG a row, its label and its patient.

A strip's label is one for all of it and says nothing of a single beat: it is weak, and declared so wherever it is used
(``label_source`` is ``record``). The tables give no rate, so the configuration must (``fs`` or ``duration_s``).

Standard library only, but for openpyxl where a table is .xlsx: sheets are listed whenever the Snakefile is parsed.
"""

from __future__ import annotations

import csv
import hashlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beatlens.core.record_faults import RecordFault, check_name, resolve_inside
from beatlens.corpora.record_sheet import SheetRow
from beatlens.corpora.scan import CorpusEntry

if TYPE_CHECKING:
    from beatlens.core.record import Record

logger = logging.getLogger(__name__)

ALIASES = {
    "wave": ("wave", "waveform", "ecg", "signal", "samples", "voltage"),
    "label": ("label", "class", "diagnosis", "target", "y"),
    "patient": ("patient", "patientid", "subject", "subjectid", "pid"),
    "id": ("id", "strip", "stripid", "record", "recordid", "name"),
}
"""Column names by what they hold, without case, blanks, underscores and hyphens."""
ENDINGS = (".csv", ".xlsx")
_SPLIT = re.compile(r"[\s,;]+")


@dataclass(frozen=True)
class StripSettings:
    """What a corpus of strips doesn't say of itself: keys of its entry in the configuration.

    Attributes
    ----------
    fs
        Rate in Hz; None where the duration is given.
    duration_s
        Length of every strip in seconds, whatever its number of samples; None where the rate is given.
    lead
        Lead that the strips are of.
    units_per_mv
        What the samples are divided by to be millivolts.
    """

    fs: float | None = None
    duration_s: float | None = None
    lead: str = "II"
    units_per_mv: float = 1.0

    def __post_init__(self) -> None:
        if (self.fs is None) == (self.duration_s is None):
            raise ValueError(
                f"strips with fs {self.fs} and duration_s {self.duration_s}; expected one of the two, since the rate "
                "can't be told from the samples"
            )
        for name in ("fs", "duration_s", "units_per_mv"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"strips: {name} {value}; expected > 0")

    @classmethod
    def from_corpus(cls, corpus: Mapping[str, Any]) -> StripSettings:
        """Take the keys from a corpus of the configuration."""
        return cls(**{name: corpus[name] for name in cls.__dataclass_fields__ if corpus.get(name) is not None})


@dataclass(frozen=True)
class Strip:
    """One row of a table, all as text; "" where the table has no value or no such column."""

    identifier: str
    wave: str
    label: str
    patient: str


def scan_strips(root: Path, corpus: CorpusEntry, previous: Mapping[str, SheetRow]) -> list[SheetRow]:
    """Return one row of the record sheet for every strip of every table of a folder.

    Parameters
    ----------
    root
        The corpus folder.
    corpus
        Its name, role and format.
    previous
        Rows of the previous sheet by path; tables of the same size and time are not read again.

    Raises
    ------
    ValueError
        Where the folder has no table, a table's name is unsafe, or a table has no column of samples or of patients.
    """
    tables = sorted(file for file in root.iterdir() if file.suffix.lower() in ENDINGS and not file.name.startswith("."))
    if not tables:
        raise ValueError(f"corpora {corpus.name}: {root} has no table; expected files ending in {' or '.join(ENDINGS)}")
    known: dict[str, list[SheetRow]] = {}
    for row in previous.values():
        known.setdefault(row.files, []).append(row)
    rows: list[SheetRow] = []
    for file in tables:
        check_name(file.name, f"corpora {corpus.name}: table")
        stat = resolve_inside(root, file.name, "table").stat()
        old = known.get(file.name, [])
        if old and all(row.bytes == stat.st_size and row.mtime_ns == str(stat.st_mtime_ns) for row in old):
            fresh = sorted(old, key=lambda row: int(row.path.rpartition("#")[2]))
            rows += [row._replace(role=corpus.role, format=corpus.format) for row in fresh]
            continue
        for number, strip in enumerate(read_strips(file), start=1):
            digest = hashlib.sha256(repr((strip.wave, strip.label, strip.patient)).encode()).hexdigest()
            name = safe_name(strip.identifier or f"{file.stem}-{number}")
            place = f"{file.name}#{number}"
            size, time = stat.st_size, str(stat.st_mtime_ns)
            rows.append(
                SheetRow(corpus.name, name, corpus.role, corpus.format, place, file.name, size, time, digest, "")
            )
    seen: set[str] = set()
    for k, row in enumerate(rows):
        rows[k] = row._replace(reason="duplicate_id" if row.record in seen else "")
        seen.add(row.record)
    return rows


def safe_name(identifier: str) -> str:
    """Return an id that may be part of a file name: itself, or its safe characters and a digest of all of it."""
    try:
        return check_name(identifier, "strip")
    except RecordFault:
        safe = re.sub(r"[^A-Za-z0-9._-]+", "_", identifier).lstrip("._-")[:80]
        return f"{safe or 'strip'}-{hashlib.sha256(identifier.encode()).hexdigest()[:8]}"


def read_strips(file: Path) -> list[Strip]:
    """Read a table.

    Raises
    ------
    ValueError
        Where it has no column of samples, none of patients, or two that could be the same.
    """
    rows = _csv_rows(file) if file.suffix.lower() == ".csv" else _xlsx_rows(file)
    header = next(rows, [])
    columns = {what: _column(header, what, file) for what in ALIASES}
    for what in ("wave", "patient"):
        if columns[what] is None:
            raise ValueError(f"{file}: columns {header}; expected one of {', '.join(ALIASES[what])} for the {what}")
    values: dict[str, list[str]] = {what: [] for what in ALIASES}
    for row in rows:
        if any(row):
            for what, k in columns.items():
                values[what].append(row[k] if k is not None and k < len(row) else "")
    identifiers, labels, patients = (_whole_numbers(values[what]) for what in ("id", "label", "patient"))
    return [Strip(*strip) for strip in zip(identifiers, values["wave"], labels, patients, strict=True)]


def _whole_numbers(column: list[str]) -> list[str]:
    """Return a column without the ``.0`` that a table of numbers has got for all of them, since one was missing."""
    if all(re.fullmatch(r"-?\d+\.0", value) for value in column if value):
        return [value.removesuffix(".0") for value in column]
    return column


def _column(header: Sequence[str], what: str, file: Path) -> int | None:
    plain = [re.sub(r"[\s_-]+", "", name).lower() for name in header]
    found = [k for k, name in enumerate(plain) if name in ALIASES[what]]
    if len(found) > 1:
        raise ValueError(f"{file}: columns {[header[k] for k in found]} could each be the {what}; expected one")
    return found[0] if found else None


def _csv_rows(file: Path) -> Iterator[list[str]]:
    csv.field_size_limit(1 << 30)  # a strip of minutes is longer than the default
    with file.open(encoding="utf-8-sig", newline="") as lines:
        for row in csv.reader(lines):
            yield [value.strip() for value in row]


def _xlsx_rows(file: Path) -> Iterator[list[str]]:
    from openpyxl import load_workbook

    book = load_workbook(file, read_only=True, data_only=True)
    try:
        for row in book.worksheets[0].iter_rows(values_only=True):
            yield [_text(value) for value in row]
    finally:
        book.close()


def _text(value: Any) -> str:
    """Return a cell as text: a whole number without the ``.0`` that spreadsheets add."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


@lru_cache(maxsize=2)
def _table(file: Path, mtime_ns: int) -> list[Strip]:
    return read_strips(file)


def read_record(row: SheetRow, folder: Path, settings: StripSettings, patients: Mapping[str, str]) -> Record:
    """Read the strip of a row of the sheet.

    Raises
    ------
    RecordFault
        ``duplicate_id``, ``malformed_wave``, ``zero_length``, ``missing_patient`` or ``missing_header`` where the table
        no longer has the row.
    """
    import numpy as np

    from beatlens.core.record import Record

    where = f"{row.corpus}/{row.record}"
    if row.reason:
        raise RecordFault(row.reason, f"{where}: {row.path}")
    name, _, number = row.path.rpartition("#")
    try:
        file = resolve_inside(folder, name, "table")
        strip = _table(file, file.stat().st_mtime_ns)[int(number) - 1]
    except (OSError, IndexError) as error:
        raise RecordFault("missing_header", f"{where}: no row {number} in {name}: {error}") from error
    patient = patients.get(row.record) or strip.patient
    if not patient:
        raise RecordFault("missing_patient", f"{where}: {row.path} names no patient")
    values = [value for value in _SPLIT.split(strip.wave.strip().strip("[]()").strip()) if value]
    if not values:
        raise RecordFault("zero_length", f"{where}: {row.path} has no samples")
    try:
        samples = np.array(values, dtype=np.float64)
    except ValueError as error:
        raise RecordFault("malformed_wave", f"{where}: {row.path}: {error}; expected numbers") from error
    samples[np.isinf(samples)] = np.nan
    fs = settings.fs if settings.fs is not None else len(samples) / float(settings.duration_s or 1)
    signal = (samples / settings.units_per_mv).astype(np.float32)[None]
    return Record(row.corpus, row.record, patient, signal, float(fs), (settings.lead,), label=strip.label)
