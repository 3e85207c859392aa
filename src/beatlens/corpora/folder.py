"""The content of a corpus folder, found in one walk: files by name, whatever its case, RECORDS and SHA256SUMS.

Standard library only, because the record sheet is updated whenever the Snakefile is parsed.
"""

from __future__ import annotations

import logging
import os
import posixpath
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from beatlens.core.record_faults import RecordFault, resolve_inside
from beatlens.corpora.wfdb.header import MAX_HEADER_BYTES
from beatlens.corpora.wfdb.names import folded

logger = logging.getLogger(__name__)

MAX_LISTING_BYTES = 1 << 28
"""Largest RECORDS or SHA256SUMS that is read: some million lines."""

Entries = dict[str, "os.DirEntry[str]"]


@dataclass(frozen=True)
class Folder:
    """A corpus folder: what is in it, and what its SHA256SUMS says of that."""

    root: Path
    entries: Entries
    sums: Mapping[str, str]
    alike: Mapping[str, list[str]] = field(default_factory=dict)
    starts: Sequence[str] = ("",)

    @classmethod
    def open(cls, root: Path, below: Sequence[str] = ()) -> Folder:
        """List a folder, or only some folders below it."""
        starts = [f"{one}/" for one in below] or [""]
        entries = walk(root, starts)
        alike: dict[str, list[str]] = {}
        for name in entries:
            alike.setdefault(folded(name), []).append(name)
        return cls(root, entries, read_sums(root), alike, starts)

    def name_of(self, name: str) -> str | None:
        """Return a file's name as it is stored; None where there is none, or several that differ in case."""
        if name in self.entries:
            return name
        alike = self.alike.get(folded(name), [])
        return alike[0] if len(alike) == 1 else None

    def find(self, name: str, what: str) -> str | None:
        """Return a file that may be opened, by its name as it is stored.

        Raises
        ------
        RecordFault
            ``unsafe_path`` or ``not_a_file``.
        """
        stored = self.name_of(name)
        file = resolve_inside(self.root, stored or name, what)
        if not file.exists() or (stored is None and not file.is_dir()):
            return None
        if stored is None or not stat.S_ISREG(file.stat().st_mode):
            raise RecordFault("not_a_file", f"{file}: {what} is a folder, a pipe, a socket or a device")
        return stored

    def read(self, name: str, limit: int) -> bytes:
        """Return the beginning of a file; RecordFault where it may not be opened or isn't there."""
        found = self.find(name, "file")
        if found is None:
            raise RecordFault("missing_header", f"{self.root / name}: no such file")
        with resolve_inside(self.root, found, "file").open("rb") as file:
            return file.read(limit)

    def header(self, path: str) -> bytes:
        """Return a header's bytes, at most one more than a header may have."""
        return self.read(f"{path}.hea", MAX_HEADER_BYTES + 1)

    def listed(self) -> Iterator[str]:
        """Yield the records that RECORDS lists; a line of it that ends in / names a folder with another one."""
        for start in self.starts:
            yield from self._listed(f"{start}RECORDS", 0)

    def _listed(self, index: str, depth: int) -> Iterator[str]:
        if index not in self.entries or depth > 4:
            return
        place = posixpath.dirname(index)
        try:
            text = self.read(index, MAX_LISTING_BYTES).decode("utf-8-sig", "surrogateescape")
        except (OSError, RecordFault) as error:
            logger.warning("%s: %s", self.root / index, error)
            return
        for line in text.splitlines():
            if line.strip().endswith("/"):
                yield from self._listed(posixpath.join(place, line.strip(), "RECORDS"), depth + 1)
            elif line.strip():
                yield posixpath.normpath(posixpath.join(place, line.strip()))


def walk(root: Path, starts: Sequence[str] = ("",)) -> Entries:
    """Return the files below a folder by path relative to it, without hidden ones, and folders named like headers."""
    found: Entries = {}
    pending = list(starts)
    while pending:
        prefix = pending.pop()
        with os.scandir(root / prefix) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                folder = entry.is_dir(follow_symlinks=False)
                if folder:
                    pending.append(prefix + entry.name + "/")
                if not folder or entry.name.lower().endswith(".hea"):
                    found[prefix + entry.name] = entry
    return found


def read_sums(root: Path) -> Mapping[str, str]:
    """Return the sha256 of the files that a folder's SHA256SUMS lists; none where there is no such file."""
    from beatlens.corpora.downloads.download import parse_sums

    file = resolve_inside(root, "SHA256SUMS", "file")
    if not file.is_file():
        return {}
    with file.open("rb") as stream:
        return parse_sums(stream.read(MAX_LISTING_BYTES).decode("utf-8", "surrogateescape"))
