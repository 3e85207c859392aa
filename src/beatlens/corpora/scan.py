"""What lies in a corpus folder: its WFDB records, their files and a digest of each record's content.

The folder is walked once. A record whose files have the names, sizes and times of the previous sheet isn't opened. A
link to a file is followed only where it stays inside the folder, a link to a folder never. The segments of a record
aren't records themselves. Where the folder has a SHA256SUMS, files are compared with it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from beatlens.core.record_faults import RecordFault, resolve_inside, safe_name
from beatlens.corpora.folder import Folder
from beatlens.corpora.record_sheet import SheetRow
from beatlens.corpora.strays import TRUTH, find_strays, in_words
from beatlens.corpora.wfdb.header import NULL_SEGMENT, parse_header, segments_of
from beatlens.corpora.wfdb.names import beside, folded, same_name
from beatlens.corpora.wfdb.places import record_name

logger = logging.getLogger(__name__)

MAX_RECORD_BYTES = 1 << 33
"""A record with larger files isn't hashed; one of `beatlens.corpora.wfdb.samples.MAX_SAMPLES` samples is smaller."""


@dataclass(frozen=True)
class CorpusEntry:
    """What the sheet needs of one corpus of the configuration.

    Its name, role, format and annotation ending; of PTB-XL the rate in Hz, of the Challenge the databases to take.
    """

    name: str
    role: str
    format: str
    annotator: str
    fs: float | None = None
    databases: tuple[str, ...] = ()


def content_digest(digests: Mapping[str, str], path: str) -> str:
    """Return a record's digest from those of its files, by name relative to the record's folder."""
    folder = posixpath.dirname(path)
    lines = sorted(f"{posixpath.relpath(name, folder or '.')} {digest}" for name, digest in digests.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def scan_folder(
    root: Path, corpus: CorpusEntry, previous: Mapping[str, SheetRow], *, below: Sequence[str] = ()
) -> list[SheetRow]:
    """Return one row for every record of a folder, in the order of their paths, then one for every stray file.

    Every header but those of segments is a record, whether RECORDS lists it or not. So is every entry of RECORDS that
    has no header.

    Parameters
    ----------
    root
        The corpus folder.
    corpus
        Its name, role, format and annotation ending.
    previous
        Rows of the previous sheet by path.
    below
        Folders in it to look into, relative to `root`; all of it where there are none.
    """
    folder = Folder.open(root, below)
    paths = {name[:-4] for name in sorted(folder.entries) if name.lower().endswith(".hea")}
    known = {
        path: row for path in paths if (row := previous.get(path)) is not None and _unchanged(folder, corpus, path, row)
    }
    parts = {path: {name[:-4] for name in _headers(row)} - {path} for path, row in known.items()}
    for path in paths - set(known) - {part for members in parts.values() for part in members}:
        parts[path] = _segments(folder, paths, path)
    segments = {part for members in parts.values() for part in members if not parts.get(part)}
    rows = []
    for path in sorted(paths - segments):
        row = known.get(path)
        kept = None if row is None else row._replace(role=corpus.role, format=corpus.format)
        rows.append(kept or _scan_record(folder, corpus, path))
    there = {folded(path) for path in paths}
    for listed in sorted({path for path in folder.listed() if folded(path) not in there}):
        rows.append(_row(corpus, listed, [], "", _unsafe(listed) or "missing_header"))
    seen: set[str] = set()
    for k, row in enumerate(rows):
        if row.record in seen and not row.reason:
            rows[k] = row._replace(reason="duplicate_id")
        seen.add(row.record)
    used = {name for row in rows for name in row.file_names} | {folder.name_of(f"{path}.hea") or "" for path in paths}
    strays = find_strays(folder.entries, used, corpus.format)
    return [*rows, *(file_row(folder, corpus, name, "not_a_record") for name in strays)]


def check_any_record(rows: list[SheetRow], root: Path, corpus: str) -> list[SheetRow]:
    """Return the rows of a folder unchanged; refuse a folder without a record.

    Raises
    ------
    ValueError
        With the folder, what was expected and what was found, where there is none.
    """
    if all(row.reason == "not_a_record" for row in rows):
        found = in_words(row.path for row in rows if row.files) or "nothing that looks like a recording"
        raise ValueError(
            f"corpora {corpus}: no WFDB record in {root}; expected headers (.hea) with their signal files (.dat or "
            f".mat); found {found}"
        )
    return rows


def wrong_sums(root: Path, row: SheetRow) -> str:
    """Return which files of a record differ from the SHA256SUMS of its corpus, in words."""
    sums = Folder.open(root).sums
    found = {name: _digest(resolve_inside(root, name, "file")) for name in row.file_names if name in sums}
    wrong = [f"{name} has sha256 {digest}, not {sums[name]}" for name, digest in found.items() if digest != sums[name]]
    return "; ".join(wrong) or "its files are now as SHA256SUMS says"


def _headers(row: SheetRow) -> list[str]:
    return [name for name in row.file_names if name.lower().endswith(".hea")]


def _segments(folder: Folder, paths: set[str], path: str) -> set[str]:
    """Return which of the headers belong to segments of a record.

    Where the record's header is damaged, these are the headers whose names begin with the record's name and ``_``.
    """
    found: set[str] = set()
    content, where = b"", f"{path}.hea"
    try:
        content = folder.header(path)
        names = segments_of(content, where)
        if not names:
            return found
        parse_header(content, where)
    except OSError:
        return found
    except RecordFault:
        names = segments_of(content, where)
        found = {other for other in paths if names and other.startswith(f"{path}_")}
    for name in names:
        try:
            stored = folder.name_of(f"{beside(path, name)}.hea")
        except RecordFault:
            continue
        if stored is not None:
            found.add(stored[:-4])
    return found - {path}


def _unsafe(path: str) -> str:
    """Return why the sheet can't hold a path or the path may not be opened; "" where neither is so."""
    if not path.isprintable() or ";" in path:
        return "unsafe_name"
    try:
        beside("", path)
    except RecordFault as fault:
        return fault.reason
    return ""


def _quoted(text: str) -> str:
    """Percent-encode what could break the sheet or a path."""
    return "".join(
        chr(byte) if chr(byte).isascii() and chr(byte).isalnum() or byte in b"._-/ " else f"%{byte:02x}"
        for byte in os.fsencode(text)
    )


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _scan_record(folder: Folder, corpus: CorpusEntry, path: str) -> SheetRow:
    files, reason = _find_files(folder, corpus, path)
    digests = {}
    stats = []
    try:
        stats = [folder.entries[name].stat() for name in files]
        if sum(stat.st_size for stat in stats) > MAX_RECORD_BYTES:
            reason = reason or "too_large"
        for name, stat in zip(files, stats, strict=True):
            large = reason == "too_large"
            digests[name] = str(stat.st_size) if large else _digest(resolve_inside(folder.root, name, "file"))
    except (OSError, RecordFault) as error:
        logger.warning("%s/%s: %s", corpus.name, path, error)
        reason = reason or (error.reason if isinstance(error, RecordFault) else "unreadable")
    if any(digest != folder.sums.get(name, digest) for name, digest in digests.items()):
        reason = reason or "checksum_mismatch"
    row = _row(corpus, path, files, content_digest(digests, path) if digests else "", reason)
    if reason:
        return row
    size, times = _size_and_times(stats)
    return row._replace(bytes=size, mtime_ns=times)


def _size_and_times(stats: Sequence[os.stat_result]) -> tuple[int, str]:
    """Return what the record sheet keeps to tell whether files changed: bytes of all, and the time of each."""
    return sum(file.st_size for file in stats), ";".join(str(file.st_mtime_ns) for file in stats)


def _row(corpus: CorpusEntry, path: str, files: list[str], sha256: str, reason: str) -> SheetRow:
    record = record_name(path)
    if _unsafe(path):
        path, files, reason = _quoted(path), [], _unsafe(path)
        record = posixpath.basename(path) or "%"
    return SheetRow(corpus.name, record, corpus.role, corpus.format, path, ";".join(files), 0, "", sha256, reason)


def file_row(folder: Folder, corpus: CorpusEntry, name: str, reason: str) -> SheetRow:
    """Return the row of a file that gives no record; it isn't opened."""
    digest = hashlib.sha256(f"{name} {folder.entries[name].stat(follow_symlinks=False).st_size}".encode()).hexdigest()
    row = _row(corpus, name, [name], digest, reason)
    return row._replace(record=safe_name(row.path), reason=reason)


def _unchanged(folder: Folder, corpus: CorpusEntry, path: str, old: SheetRow) -> bool:
    """Whether a record is as the previous sheet has it, its files not opened."""
    names = old.file_names
    expected = {folder.name_of(name) for name in _extras(corpus, path)} - {None}
    extras = {folded(name) for name in _extras(corpus, path)}
    if old.reason or not old.sha256 or not names or {name for name in names if folded(name) in extras} != expected:
        return False
    try:
        for name in names:
            if folder.entries[name].is_symlink():
                resolve_inside(folder.root, name, "file")
        stats = [folder.entries[name].stat() for name in names]
    except (KeyError, OSError, RecordFault):
        return False
    if (old.bytes, old.mtime_ns) != _size_and_times(stats):
        return False
    sums = {name: folder.sums[name] for name in names if name in folder.sums}
    return not sums or content_digest(sums, path) == old.sha256


def _extras(corpus: CorpusEntry, path: str) -> tuple[str, str]:
    """Return the names that a record's annotations and planted truth have, where it has them."""
    return f"{path}.{corpus.annotator}", f"{path}{TRUTH}"


def _find_files(folder: Folder, corpus: CorpusEntry, path: str) -> tuple[list[str], str]:
    """Return the record's files that are there and may be read, and the first fault."""
    if reason := _unsafe(path):
        return [], reason
    files: list[str] = []
    reason = ""
    places = [path]
    for place in places:  # grows by the record's segments
        try:
            content = folder.header(place)
            files.append(folder.name_of(f"{place}.hea") or f"{place}.hea")
            header = parse_header(content, f"{place}.hea")
            if not same_name(header.record, posixpath.basename(place)):
                reason = reason or "header_names_another_record"
            wanted = [beside(place, name) for name in header.signal_files if name != NULL_SEGMENT]
            if len(places) == 1:
                places += [beside(path, name) for name in header.segment_names]
        except RecordFault as fault:
            reason = reason or fault.reason
            continue
        except OSError as error:
            logger.warning("%s/%s: %s", corpus.name, place, error)
            reason = reason or "unreadable"
            continue
        for name in wanted:
            reason = _add(folder, files, name, "missing_signal_file") or reason
    for name in _extras(corpus, path):
        reason = _add(folder, files, name, "") or reason
    return list(dict.fromkeys(files)), reason


def _add(folder: Folder, files: list[str], name: str, missing: str) -> str:
    """Add a file as it is stored to those of a record, and return the fault with it."""
    try:
        found = folder.find(name, "file")
    except RecordFault as fault:
        return fault.reason
    if found is not None:
        files.append(found)
    return "" if found is not None else missing
