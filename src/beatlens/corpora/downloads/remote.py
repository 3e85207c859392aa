"""The rows of a corpus on a server, and the corpora of a configuration that come from one."""

from __future__ import annotations

import posixpath
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from beatlens.core.record_faults import RecordFault
from beatlens.corpora.downloads.download import BASE_URL, Remote, parse_sums, read_listing
from beatlens.corpora.downloads.download_folder import DownloadFolder, check_member
from beatlens.corpora.record_sheet import SheetRow
from beatlens.corpora.scan import CorpusEntry, content_digest
from beatlens.corpora.settings import CorpusSettings
from beatlens.corpora.wfdb.places import record_name

_SIGNAL_ENDINGS = (".dat", ".mat")
MAX_LISTINGS = 10_000
"""Most RECORDS files of one corpus that are read: a server could name ever more."""
_MAX_DEPTH = 5
_MAX_LINE = 200


def remote_of(config: Mapping[str, Any]) -> Remote:
    """Return where a corpus of the configuration comes from.

    Raises
    ------
    ValueError
        For an address that isn't one of https, naming the corpus.
    """
    try:
        return Remote(
            config["remote"], config.get("base_url") or BASE_URL, config.get("annotator") or CorpusSettings.annotator
        )
    except ValueError as error:
        raise ValueError(f"corpora {config['name']}: {error}") from None


def remote_rows(folder: Path, corpus: CorpusEntry, config: Mapping[str, Any], *, keep: bool) -> list[SheetRow]:
    """Return the rows of a corpus on a server; the digests are those its files have once they are here.

    Parameters
    ----------
    folder
        Where its files are downloaded to.
    corpus
        Its name, role, format and annotation ending.
    config
        The corpus in the configuration.
    keep
        Whether to make the folder and keep copies of the server's listings there.

    Raises
    ------
    ValueError
        Where the listings can't be had, or list nothing, with the corpus and the address.
    """
    remote = remote_of(config)
    try:
        with DownloadFolder.opened(folder, remote.source, make=keep) as home:
            listed = _Listed(remote, home, keep)
            listed.read("RECORDS")
            sums = parse_sums(read_listing(remote, home, "SHA256SUMS", keep=keep))
    except RecordFault as fault:
        raise ValueError(f"corpora {corpus.name}: neither in the data folder nor to be had: {fault.detail}") from fault
    if not listed.paths and not listed.refused:
        raise ValueError(f"corpora {corpus.name}: {remote.url('RECORDS')} lists no record; expected one a line")
    endings = (".hea", *_SIGNAL_ENDINGS, f".{corpus.annotator}")
    rows = []
    seen: set[str] = set()
    for path in sorted(listed.paths):
        record = record_name(path)
        known = {path + ending: sums[path + ending] for ending in endings if path + ending in sums}
        digest = content_digest(known or {path: remote.remote}, path)
        reason = "duplicate_id" if record in seen else ""
        seen.add(record)
        files = ";".join(known)
        rows.append(SheetRow(corpus.name, record, corpus.role, corpus.format, path, files, 0, "", digest, reason))
    for line in sorted(listed.refused):
        path = urllib.parse.quote(line, safe="/")  # what could break the sheet is percent-encoded
        record = posixpath.basename(path.rstrip("/")).lstrip(".") or "%"
        reason = "unsafe_path" if line.isprintable() and ";" not in line else "unsafe_name"
        rows.append(SheetRow(corpus.name, record, corpus.role, corpus.format, path, "", 0, "", "", reason))
    return sorted(rows, key=lambda row: row.path)


class _Listed:
    """What RECORDS of a server lists: `paths` of records, and lines `refused` since they lead elsewhere."""

    def __init__(self, remote: Remote, home: DownloadFolder | None, keep: bool) -> None:
        self.remote, self.home, self.keep = remote, home, keep
        self.paths: set[str] = set()
        self.refused: set[str] = set()
        self._read: set[str] = set()

    def read(self, index: str, depth: int = 0) -> None:
        """Read a RECORDS file; a line that ends in / names a folder with another RECORDS file."""
        self._read.add(index)
        if len(self._read) > MAX_LISTINGS:
            detail = f"{self.remote.url('RECORDS')} names more than {MAX_LISTINGS} folders; expected fewer"
            raise RecordFault("download_failed", detail)
        text = read_listing(self.remote, self.home, index, keep=self.keep)
        for line in filter(None, map(str.strip, text.splitlines())):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(index), line))
            try:
                check_member(path, "RECORDS: line")
            except RecordFault:
                self.refused.add(line[:_MAX_LINE])
                continue
            if not line.endswith("/"):
                self.paths.add(path)
            elif depth < _MAX_DEPTH and f"{path}/RECORDS" not in self._read:
                self.read(f"{path}/RECORDS", depth + 1)
