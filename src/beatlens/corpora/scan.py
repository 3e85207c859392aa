"""What lies in a corpus folder: its WFDB records, their files and a digest of each record's content.

One `os.scandir` walk; a record whose files have the names, sizes and times of the previous sheet is not opened.
Symbolic links inside the folder are followed only where they stay inside it, links to folders never.
"""

from __future__ import annotations

import hashlib
import logging
import os
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from beatlens.core.record_faults import RecordFault, check_name, resolve_inside
from beatlens.corpora.header import MAX_HEADER_BYTES, beside, parse_header
from beatlens.corpora.record_sheet import SheetRow

logger = logging.getLogger(__name__)

Entries = dict[str, "os.DirEntry[str]"]


@dataclass(frozen=True)
class CorpusEntry:
    """What the sheet needs of one corpus of the configuration: its name, role, reader and annotation ending."""

    name: str
    role: str
    format: str
    annotator: str


def walk(root: Path) -> Entries:
    """Return the files below a folder by path relative to it, without hidden ones."""
    found: Entries = {}
    pending = [""]
    while pending:
        prefix = pending.pop()
        with os.scandir(root / prefix) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append(prefix + entry.name + "/")
                else:
                    found[prefix + entry.name] = entry
    return found


def content_digest(digests: Mapping[str, str], path: str) -> str:
    """Return a record's digest from those of its files, by name relative to the record's folder."""
    folder = posixpath.dirname(path)
    lines = sorted(f"{posixpath.relpath(name, folder or '.')} {digest}" for name, digest in digests.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def scan_folder(root: Path, corpus: CorpusEntry, previous: Mapping[str, SheetRow]) -> list[SheetRow]:
    """Return one row for every record of a folder, in the order of their paths.

    Records are the headers found, whether the folder's RECORDS lists them or not, and what RECORDS lists beyond them.

    Parameters
    ----------
    root
        The corpus folder.
    corpus
        Its name, role, format and annotation ending.
    previous
        Rows of the previous sheet by path.
    """
    entries = walk(root)
    paths = {name[:-4] for name in entries if name.endswith(".hea")}
    rows = [_scan_record(root, entries, path, corpus, previous.get(path)) for path in sorted(paths)]
    for listed in sorted(set(_listed(root, entries, "RECORDS")) - paths):
        rows.append(_row(corpus, listed, [], "", "missing_header" if _is_safe(listed) else "unsafe_path"))
    seen: set[str] = set()
    for k, row in enumerate(rows):
        if row.record in seen and not row.reason:
            rows[k] = row._replace(reason="duplicate_id")
        seen.add(row.record)
    return rows


def _listed(root: Path, entries: Entries, index: str, depth: int = 0) -> Iterator[str]:
    """Yield the records of a RECORDS file; a line that ends in / names a folder with a RECORDS file of its own."""
    if index not in entries or depth > 4:
        return
    folder = posixpath.dirname(index)
    for line in _read(root, index).decode("utf-8", "surrogateescape").splitlines():
        if line.strip().endswith("/"):
            yield from _listed(root, entries, posixpath.join(folder, line.strip(), "RECORDS"), depth + 1)
        elif line.strip():
            yield posixpath.normpath(posixpath.join(folder, line.strip()))


def _is_safe(path: str) -> bool:
    try:
        beside("", path)
        check_name(posixpath.basename(path), "record")
    except RecordFault:
        return False
    return path.isprintable() and ";" not in path


def _quoted(text: str) -> str:
    """Percent-encode what could break the sheet or a path."""
    return "".join(
        chr(byte) if chr(byte).isascii() and chr(byte).isalnum() or byte in b"._-/ " else f"%{byte:02x}"
        for byte in os.fsencode(text)
    )


def _read(root: Path, name: str) -> bytes:
    with resolve_inside(root, name, "file").open("rb") as file:
        return file.read(MAX_HEADER_BYTES)


def _scan_record(root: Path, entries: Entries, path: str, corpus: CorpusEntry, old: SheetRow | None) -> SheetRow:
    if old is not None and not old.reason and old.sha256 and _unchanged(root, entries, path, corpus, old):
        return old._replace(role=corpus.role, format=corpus.format)
    files, reason = _find_files(root, entries, path, corpus)
    digests = {}
    stats = []
    try:
        for name in files:
            stats.append(entries[name].stat())
            with resolve_inside(root, name, "file").open("rb") as file:
                digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, RecordFault) as error:
        logger.warning("%s/%s: %s", corpus.name, path, error)
        reason = reason or (error.reason if isinstance(error, RecordFault) else "unreadable")
    row = _row(corpus, path, files, content_digest(digests, path) if digests else "", reason)
    if reason:
        return row
    return row._replace(bytes=sum(s.st_size for s in stats), mtime_ns=";".join(str(s.st_mtime_ns) for s in stats))


def _row(corpus: CorpusEntry, path: str, files: list[str], sha256: str, reason: str) -> SheetRow:
    if not _is_safe(path):
        path, files, reason = _quoted(path), [], "unsafe_path"
    record = posixpath.basename(path) or "%"
    return SheetRow(corpus.name, record, corpus.role, corpus.format, path, ";".join(files), 0, "", sha256, reason)


def _unchanged(root: Path, entries: Entries, path: str, corpus: CorpusEntry, old: SheetRow) -> bool:
    names = old.file_names
    if not names or any((extra in entries) != (extra in names) for extra in _extras(path, corpus)):
        return False
    try:
        for name in names:
            if entries[name].is_symlink():
                resolve_inside(root, name, "file")
        stats = [entries[name].stat() for name in names]
    except (KeyError, OSError, RecordFault):
        return False
    return old.bytes == sum(s.st_size for s in stats) and old.mtime_ns == ";".join(str(s.st_mtime_ns) for s in stats)


def _extras(path: str, corpus: CorpusEntry) -> tuple[str, str]:
    return f"{path}.{corpus.annotator}", f"{path}.truth.csv"


def _find_files(root: Path, entries: Entries, path: str, corpus: CorpusEntry) -> tuple[list[str], str]:
    """Return the record's files that are there and may be read, and the first fault."""
    if not _is_safe(path):
        return [], "unsafe_path"
    files, reason = [], ""
    try:
        header = parse_header(_read(root, f"{path}.hea"), f"{path}.hea")
        files.append(f"{path}.hea")
        if header.record != posixpath.basename(path):
            reason = "header_names_another_record"
        wanted = [beside(path, name) for name in header.signal_files]
    except RecordFault as fault:
        if fault.reason == "malformed_header":
            files = [f"{path}.hea"]
        return files, fault.reason
    except OSError as error:
        logger.warning("%s/%s: %s", corpus.name, path, error)
        return [], "unreadable"
    for name in dict.fromkeys([*wanted, *_extras(path, corpus)]):
        try:
            if resolve_inside(root, name, f"{path}: file").is_file() and name in entries:
                files.append(name)
            elif name in wanted:
                reason = reason or "missing_signal_file"
        except RecordFault as fault:
            reason = fault.reason
    return files, reason
