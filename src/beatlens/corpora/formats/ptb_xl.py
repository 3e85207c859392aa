"""PTB-XL (Wagner et al. 2020): each ECG at 100 and at 500 Hz, and a table of patients, statements and folds.

    records100/00000/00001_lr.hea, .dat      records500/00000/00001_hr.hea, .dat      ptbxl_database.csv

A record is named by its ``ecg_id`` with five digits, whatever the rate, and a run takes one rate.

Standard library only at import: folders are listed whenever the Snakefile is parsed.
"""

from __future__ import annotations

import ast
import hashlib
import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from beatlens.core.record_faults import RecordFault
from beatlens.core.text_tables import read_rows
from beatlens.corpora.formats.rules import ReadingRules
from beatlens.corpora.record_sheet import SheetRow
from beatlens.corpora.scan import CorpusEntry, check_any_record, scan_folder

if TYPE_CHECKING:
    from beatlens.core.record import Record
    from beatlens.corpora.downloads.download import Remote

logger = logging.getLogger(__name__)

TABLE = "ptbxl_database.csv"
COLUMNS = ("ecg_id", "patient_id", "age", "sex", "scp_codes", "strat_fold")
RATES = {100: "lr", 500: "hr"}
"""Rates in Hz, and the ending of a record's name at each."""
MAX_TABLE_BYTES = 1 << 28
MAX_STATEMENTS = 10_000
"""Characters of a cell of statements."""
_NAME = re.compile(r"(?P<ecg_id>\d{5})_(?:lr|hr)")
_SEX = {"0": "M", "1": "F"}


@dataclass(frozen=True)
class DatabaseRow:
    """A row of the table.

    Attributes
    ----------
    patient
        Patient id, "" where the table has none.
    age, sex, fold
        As the table has them.
    statements
        Likelihood in percent by SCP-ECG statement, 0 where it is unknown; None where the cell can't be read.
    digest
        Of all that.
    """

    patient: str
    age: str
    sex: str
    fold: str
    statements: Mapping[str, float] | None
    digest: str

    def codes(self, min_likelihood: float) -> tuple[str, ...]:
        """Return the statements that count, sorted: of unknown likelihood, or at least so likely.

        Statements of rhythm and form have no likelihood in PTB-XL, and its benchmarks count them (Strodthoff et al.
        2021, doi:10.1109/JBHI.2020.3022989).
        """
        found = (self.statements or {}).items()
        return tuple(sorted(code for code, likelihood in found if likelihood == 0 or likelihood >= min_likelihood))


def read_database(folder: Path) -> Mapping[int, DatabaseRow]:
    """Read the table of a folder: a row by ``ecg_id``.

    Raises
    ------
    ValueError
        With file and line, where columns are missing, or an ``ecg_id`` isn't a number or comes twice.
    OSError
        Where there is no table.
    """
    file = folder / TABLE
    return _read(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read(file: Path, mtime_ns: int) -> Mapping[int, DatabaseRow]:
    found: dict[int, DatabaseRow] = {}
    for line, row in read_rows(file, COLUMNS, exact=False):
        number = row["ecg_id"].removesuffix(".0")
        if not re.fullmatch(r"\d{1,9}", number, re.ASCII) or int(number) in found:
            raise ValueError(f"{file} line {line}: ecg_id {row['ecg_id']!r}; expected a whole number, each once")
        patient, fold = (row[name].removesuffix(".0") for name in ("patient_id", "strat_fold"))
        digest = hashlib.sha256("\t".join(row[name] for name in COLUMNS).encode()).hexdigest()
        statements = _statements(row["scp_codes"])
        found[int(number)] = DatabaseRow(patient, row["age"], row["sex"], fold, statements, digest)
    return found


def _statements(cell: str) -> dict[str, float] | None:
    """Return a cell such as ``{'NORM': 100.0, 'SR': 0.0}`` as a mapping; None where it is something else."""
    try:
        value = ast.literal_eval(cell) if len(cell) <= MAX_STATEMENTS else None
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    if not isinstance(value, dict) or not all(isinstance(code, str) and code for code in value):
        return None
    if not all(isinstance(one, (int, float)) and math.isfinite(one) for one in value.values()):
        return None
    return {code: float(likelihood) for code, likelihood in value.items()}


def _ecg_id(path: str) -> int | None:
    match = _NAME.fullmatch(path.rpartition("/")[2])
    return int(match["ecg_id"]) if match else None


def of_rate(rows: Sequence[SheetRow], corpus: CorpusEntry) -> Iterator[SheetRow]:
    """Yield the rows of records at the rate of the configuration, named by their ``ecg_id``."""
    for row in rows:
        number = _ecg_id(row.path)
        if row.path.startswith(f"records{corpus.fs:g}/") and number is not None:
            yield row._replace(record=f"{number:05d}")


def scan(root: Path, corpus: CorpusEntry, previous: Mapping[str, SheetRow]) -> list[SheetRow]:
    """Return one row of the record sheet for each ECG that the folder or its table has, at one rate.

    A record's digest joins that of its files and that of its row of the table.

    Raises
    ------
    ValueError
        Where the folder has no table, or one that can't be read, or no record at this rate.
    """
    try:
        table = read_database(root)
    except OSError as error:
        raise ValueError(f"corpora {corpus.name}: {error}; expected PTB-XL's {TABLE} in {root}") from error
    below = f"records{corpus.fs:g}"
    if not (root / below).is_dir():
        raise ValueError(f"corpora {corpus.name}: no folder {root / below}; expected PTB-XL's records at that rate")
    bare = {path: row._replace(sha256=row.sha256.partition("-")[0]) for path, row in previous.items()}
    rows = []
    for row in of_rate(check_any_record(scan_folder(root, corpus, bare, below=[below]), root, corpus.name), corpus):
        described = table.get(int(row.record))
        sha256 = f"{row.sha256}-{described.digest}" if described else row.sha256
        rows.append(row._replace(sha256=sha256, reason=row.reason or ("" if described else "not_in_table")))
    for number in sorted(table.keys() - {int(row.record) for row in rows}):
        path = f"{below}/{number // 1000:02d}000/{number:05d}_{RATES[round(corpus.fs or 0)]}"
        rows.append(
            SheetRow(corpus.name, f"{number:05d}", corpus.role, corpus.format, path, "", 0, "", "", "missing_header")
        )
    return sorted(rows, key=lambda row: row.record)


def read(row: SheetRow, folder: Path, rules: ReadingRules, patients: Mapping[str, str]) -> Record:
    """Read a record: the signal from its WFDB files, all else from the table.

    Raises
    ------
    RecordFault
        ``not_in_table``, or with the reason, whatever else is wrong.
    """
    from beatlens.corpora.wfdb.person import age_of
    from beatlens.corpora.wfdb.record import read_record

    where = f"{row.corpus}/{row.record}"
    try:
        described = read_database(folder).get(int(row.record))
    except (OSError, ValueError) as error:
        raise RecordFault("not_in_table", f"{where}: {error}") from error
    if described is None or described.statements is None:
        found = "no row" if described is None else "scp_codes that aren't a mapping of statements to likelihoods"
        raise RecordFault("not_in_table", f"{where}: {found} in {folder / TABLE}")
    record = read_record(folder, row.path, row.corpus, {}, None, rules=rules)
    age, findings = age_of(described.age)
    return replace(
        record,
        name=row.record,
        patient=patients.get(row.record) or described.patient or row.record,
        dx=described.codes(rules.min_likelihood),
        age=age,
        sex=_SEX.get(described.sex.removesuffix(".0"), ""),
        strat_fold=described.fold,
        remarks=(*record.remarks, *findings),
    )


def fetch_table(remote: Remote, folder: Path) -> None:
    """Fetch the table of a remote PTB-XL where the folder lacks it.

    Raises
    ------
    RecordFault
        ``download_failed`` or ``checksum_mismatch``.
    """
    from beatlens.corpora.downloads.download import fetch_file, parse_sums, read_listing
    from beatlens.corpora.downloads.download_folder import DownloadFolder

    with DownloadFolder.opened(folder, remote.source, make=True) as home:
        assert home is not None
        sums = parse_sums(read_listing(remote, home, "SHA256SUMS", keep=True))
        fetch_file(remote, TABLE, home, sums.get(TABLE), limit=MAX_TABLE_BYTES)
