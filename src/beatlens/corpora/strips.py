"""Strips: tables (.csv, .xlsx) with one single-lead stretch of ECG a row, its label and its patient.

A strip has one label, which says nothing of a single beat. It is a weak label, and declared as one wherever it is used
(``label_source`` is ``record``). The tables give no rate, so the configuration must (``fs`` or ``duration_s``).

Standard library only, but for openpyxl where a table is .xlsx (`beatlens.corpora.strip_tables`): sheets are listed
whenever the Snakefile is parsed.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beatlens.core.record_faults import RecordFault, resolve_inside, safe_name
from beatlens.corpora.folder import Folder
from beatlens.corpora.record_sheet import SheetRow
from beatlens.corpora.scan import CorpusEntry, file_row
from beatlens.corpora.settings import CorpusSettings
from beatlens.corpora.strays import find_strays
from beatlens.corpora.strip_tables import Strip, numbers, read_strips

if TYPE_CHECKING:
    from beatlens.core.record import Record

logger = logging.getLogger(__name__)

ENDINGS = (".csv", ".xlsx")
MAX_MV = 1e6
"""Largest sample in millivolts; no recorder gives more."""
MALFORMED = "malformed_table"
"""Reason of a table that can't be read, whatever records it holds."""
_NAME = "expected a printable name without semicolons"


@dataclass(frozen=True)
class StripSettings:
    """What the tables of a corpus of strips don't say: keys of its entry in the configuration.

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
    lead: str = CorpusSettings.lead
    units_per_mv: float = CorpusSettings.units_per_mv

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


def scan_strips(root: Path, corpus: CorpusEntry, previous: Mapping[str, SheetRow]) -> list[SheetRow]:
    """Return one row of the record sheet for every strip of every table of a folder, then one for every other file.

    A table that can't be read is one row with the reason ``malformed_table``: other tables are read all the same.

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
        Where the folder has no table.
    """
    folder = Folder.open(root)
    tables = sorted(name for name in folder.entries if Path(name).suffix.lower() in ENDINGS and "/" not in name)
    if not tables:
        raise ValueError(f"corpora {corpus.name}: {root} has no table; expected files ending in {' or '.join(ENDINGS)}")
    known: dict[str, list[SheetRow]] = {}
    for row in previous.values():
        known.setdefault(row.files, []).append(row)
    rows: list[SheetRow] = []
    for name in tables:
        try:
            rows += list(_rows_of(root, name, corpus, known.get(name, ())))
        except (ValueError, OSError) as error:
            logger.warning("corpora %s: %s: %s", corpus.name, name, error)
            said = hashlib.sha256(str(error).replace(str(root), "").encode("utf-8", "surrogateescape"))
            rows.append(file_row(folder, corpus, name, MALFORMED)._replace(sha256=said.hexdigest()))
    seen: set[str] = set()
    for k, row in enumerate(rows):
        if not row.reason or row.reason == "duplicate_id":
            rows[k] = row._replace(reason="duplicate_id" if row.record in seen else "")
        seen.add(row.record)
    headers = {name for name in folder.entries if name.lower().endswith(".hea")}
    others = sorted(headers.union(find_strays(folder.entries, headers.union(tables), corpus.format)))
    return [*rows, *(file_row(folder, corpus, name, "not_a_record") for name in others)]


def _rows_of(root: Path, name: str, corpus: CorpusEntry, previous: Sequence[SheetRow]) -> Iterator[SheetRow]:
    """Yield the rows of a table: the previous ones where its size and time are the same, else those it has now.

    Raises
    ------
    ValueError
        As `read_strips`, and for a name that the sheet can't hold or a link that leads elsewhere.
    """
    if ";" in name or not name.isprintable():  # the sheet joins names by semicolons
        raise ValueError(f"table {name!r}; {_NAME}")
    file = resolve_inside(root, name, "table")
    stat = file.stat()
    if previous and all(
        row.reason in {"", "duplicate_id"} and (row.bytes, row.mtime_ns) == (stat.st_size, str(stat.st_mtime_ns))
        for row in previous
    ):
        for row in sorted(previous, key=lambda row: int(row.path.rpartition("#")[2])):
            yield row._replace(role=corpus.role, format=corpus.format)
        return
    for number, strip in enumerate(read_strips(file), start=1):
        digest = hashlib.sha256(repr((strip.wave, strip.label, strip.patient)).encode()).hexdigest()
        yield SheetRow(
            corpus.name,
            safe_name(strip.identifier or f"{file.stem}-{number}", "strip"),
            corpus.role,
            corpus.format,
            f"{name}#{number}",
            name,
            stat.st_size,
            str(stat.st_mtime_ns),
            digest,
            "",
        )


def _what_is_wrong(folder: Path, name: str) -> str:
    """Return why a table can't be read, in words."""
    try:
        read_strips(resolve_inside(folder, name, "table"))
    except FileNotFoundError:  # the sheet has the name with % and numbers
        return f"table {name!r}; {_NAME}"
    except RecordFault as fault:
        return fault.detail
    except (ValueError, OSError) as error:
        return str(error)
    return f"{name}: it couldn't be read when the record sheet was made, but can now; run again"


@lru_cache(maxsize=2)
def _table(file: Path, mtime_ns: int) -> list[Strip]:
    return read_strips(file)


def read_record(row: SheetRow, folder: Path, settings: StripSettings, patients: Mapping[str, str]) -> Record:
    """Read the strip of a row of the sheet.

    Raises
    ------
    RecordFault
        ``duplicate_id``, ``malformed_wave``, ``zero_length``, ``missing_patient``, ``malformed_table`` with what is
        wrong with the table, or ``missing_header`` where it no longer has the row.
    """
    import numpy as np

    from beatlens.core.record import Record

    where = f"{row.corpus}/{row.record}"
    if row.reason == MALFORMED:
        raise RecordFault(MALFORMED, _what_is_wrong(folder, row.path))
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
    values = numbers(strip.wave)
    if not values:
        raise RecordFault("zero_length", f"{where}: {row.path} has no samples")
    try:
        samples = np.array(values, dtype=np.float64)
    except ValueError as error:
        raise RecordFault("malformed_wave", f"{where}: {row.path}: {error}; expected numbers") from error
    samples[np.isinf(samples)] = np.nan
    largest = np.nanmax(np.abs(samples), initial=0) / settings.units_per_mv
    if largest > MAX_MV:
        raise RecordFault(
            "malformed_wave", f"{where}: {row.path}: a sample of {largest:g} mV; expected at most {MAX_MV:g}"
        )
    fs = settings.fs if settings.fs is not None else len(samples) / float(settings.duration_s or 1)
    signal = (samples / settings.units_per_mv).astype(np.float32)[None]
    return Record(row.corpus, row.record, patient, signal, float(fs), (settings.lead,), label=strip.label)
