"""The record sheet: one row a record of every corpus, with a digest of what its files hold.

`beatlens.corpora.index.update_sheet` makes and updates it. Snakemake runs a shard again where the digest of the shard's
rows has changed. So the digest depends on the content of files and never on their times.

Standard library only: it is read whenever the Snakefile is parsed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from beatlens.core.text_tables import neutral, original

COLUMNS = ("corpus", "record", "role", "format", "path", "files", "bytes", "mtime_ns", "sha256", "reason")


class SheetRow(NamedTuple):
    """One record as the sheet knows it.

    Attributes
    ----------
    corpus, record
        Identifiers; names that may not become part of a file name are percent-encoded and have a reason.
    role
        train, test, predict or noise.
    format
        Where the record comes from: wfdb (a WFDB folder), strips (rows of a table) or synthetic (made).
    path
        Header file without its ending, relative to the corpus folder; of a strip ``<table>#<row>``, rows from 1.
    files
        The record's files relative to the corpus folder, joined by ``;``: header, signal files, annotations,
        planted truth. Empty for a record that isn't made yet.
    bytes
        Size of those files together; 0 where they aren't here.
    mtime_ns
        Modification time of each of those files in nanoseconds, joined by ``;``.
    sha256
        Digest of the content of those files, or of what they are made or downloaded from.
    reason
        Why the record can't be used, as far as names and headers tell (a key of
        `beatlens.core.record_faults.REASONS`); "" if nothing speaks against it.
    """

    corpus: str
    record: str
    role: str
    format: str
    path: str
    files: str
    bytes: int
    mtime_ns: str
    sha256: str
    reason: str

    @property
    def file_names(self) -> list[str]:
        """The names in `files`."""
        return self.files.split(";") if self.files else []


@cache
def shard_of(corpus: str, record: str, n_shards: int) -> int:
    """Return the shard of a record, 0 to ``n_shards - 1``: its name alone decides, so a new record moves no other."""
    if n_shards < 1:
        raise ValueError(f"{n_shards} shards; expected at least 1")
    digest = hashlib.sha256(f"{corpus}/{record}".encode()).digest()
    return int.from_bytes(digest, "big") % n_shards


def shard_rows(rows: Iterable[SheetRow], shard: int, n_shards: int) -> list[SheetRow]:
    """Return the rows of one shard, in the order of the sheet."""
    if not 0 <= shard < n_shards:
        raise ValueError(f"shard {shard} of {n_shards}; expected 0 to {n_shards - 1}")
    return [row for row in rows if shard_of(row.corpus, row.record, n_shards) == shard]


def shard_digest(rows: Iterable[SheetRow], shard: int, n_shards: int) -> str:
    """Return the hexadecimal digest of a shard: which records it holds, their roles, contents and reasons."""
    lines = sorted(
        "\t".join((row.corpus, row.record, row.role, row.sha256, row.reason))
        for row in shard_rows(rows, shard, n_shards)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def used_shards(rows: Iterable[SheetRow], n_shards: int) -> list[int]:
    """Return the numbers of the shards that hold at least one record, ascending."""
    return sorted({shard_of(row.corpus, row.record, n_shards) for row in rows})


def format_sheet(rows: Sequence[SheetRow]) -> str:
    """Return the sheet as tab-separated text with a header line."""
    lines = ["\t".join(COLUMNS), *("\t".join(neutral(str(cell)) for cell in row) for row in rows)]
    return "\n".join(lines) + "\n"


def read_sheet(path: str | Path) -> list[SheetRow]:
    """Read a record sheet.

    Raises
    ------
    ValueError
        With file and line, where the file isn't a record sheet.
    """
    lines = Path(path).read_text(encoding="utf-8").split("\n")
    if tuple(lines[0].split("\t")) != COLUMNS or lines[-1]:
        raise ValueError(f"{path}: first line {lines[0][:100]!r}; expected the columns {' '.join(COLUMNS)}")
    rows = []
    for number, line in enumerate(lines[1:-1], start=2):
        values = line.split("\t")
        if len(values) != len(COLUMNS) or not values[6].isdecimal():
            raise ValueError(f"{path} line {number}: {line[:100]!r}; expected {len(COLUMNS)} columns, bytes a number")
        corpus, record, role, kind, location, files, size, times, sha256, reason = map(original, values)
        rows.append(SheetRow(corpus, record, role, kind, location, files, int(size), times, sha256, reason))
    return rows
