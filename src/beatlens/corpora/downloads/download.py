"""Downloading records in PhysioNet's layout: only those needed, resumed where they broke off, checked by SHA256SUMS.

The configuration alone says what is downloaded and where from. Files go into a folder that beatlens has made
(`beatlens.corpora.downloads.download_folder`), beside copies of the server's RECORDS and SHA256SUMS. `fetch_record`
fills the folder record by record.

urllib is used, since the WFDB library's downloader neither resumes by content nor checks.
"""

from __future__ import annotations

import logging
import posixpath
import re
import urllib.error
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from beatlens.core.record_faults import RecordFault
from beatlens.corpora.downloads import https
from beatlens.corpora.downloads.download_folder import DownloadFolder, check_member
from beatlens.corpora.downloads.partial_file import PartialFile, fill
from beatlens.corpora.wfdb.header import MAX_HEADER_BYTES, Header, parse_header
from beatlens.corpora.wfdb.names import beside

logger = logging.getLogger(__name__)

BASE_URL = "https://physionet.org/files"
MAX_LISTING_BYTES = {"RECORDS": 1 << 25, "SHA256SUMS": 1 << 28}
"""MIMIC-IV-ECG, of 800,035 records, has a SHA256SUMS of about 200 MB."""
MAX_ANNOTATION_BYTES = 1 << 26
MAX_SIGNAL_BYTES = 1 << 34
MARGIN_BYTES = 1 << 20
"""What a signal file may hold beyond the samples that its header counts, such as a prolog."""
_REMOTE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]*(?:/[A-Za-z0-9][A-Za-z0-9._~-]*)*/?")
_SUM = re.compile(r"([0-9A-Fa-f]{64})\s+\*?(?:\./)?(.+)")


@dataclass(frozen=True)
class Remote:
    """Where a corpus comes from.

    Attributes
    ----------
    remote
        Project and version, such as ``"mitdb/1.0.0"``.
    base_url
        What `remote` is appended to: https, or http on this machine.
    annotator
        Ending of the annotation file.
    """

    remote: str
    base_url: str
    annotator: str

    def __post_init__(self) -> None:
        https.check_url(self.base_url, "base_url")
        if not _REMOTE.fullmatch(self.remote):
            raise ValueError(f"remote: {self.remote!r}; expected a project and its version, such as mitdb/1.0.0")

    def url(self, name: str) -> str:
        """Return the address of a file of the corpus."""
        return posixpath.join(self.base_url, self.remote, urllib.parse.quote(name))

    @property
    def source(self) -> dict[str, str]:
        """What a folder is made for."""
        return {"remote": self.remote, "base_url": self.base_url}


_asked_again: set[str] = set()
"""Addresses of listings that this process asked for although it had a copy: once is enough."""


def read_listing(remote: Remote, folder: DownloadFolder | None, name: str, *, keep: bool, anew: bool = False) -> str:
    """Return RECORDS or SHA256SUMS of a remote corpus: from its folder, or else from the server.

    Parameters
    ----------
    remote
        The corpus; its version never changes on the server, so a copy is as good as the original.
    folder
        Where copies lie, if it is there.
    name
        The file's name.
    keep
        Whether to keep a copy.
    anew
        Whether to ask the server even where there is a copy.

    Returns
    -------
    str
        The text; "" where the server has no such file.

    Raises
    ------
    RecordFault
        ``download_failed``, also for a SHA256SUMS with other lines than such a file has.
    """
    kind = posixpath.basename(name)
    limit = MAX_LISTING_BYTES[kind]
    copy = folder.read(name, limit) if folder is not None and not anew else None
    if copy is not None and copy[-1:] in {b"", b"\n"} and (kind != "SHA256SUMS" or _are_sums(copy)):
        return copy.decode("utf-8", "replace")

    def ask() -> bytes:
        content = bytearray()
        with https.request(remote.url(name)) as answer:
            https.receive(answer, content.extend, limit, whole=True)
        return bytes(content)

    try:
        content = https.persistently(remote.url(name), ask)
    except https.NotOnServer:
        content = b""
    if kind == "SHA256SUMS" and not _are_sums(content):
        raise https.Interrupted("download_failed", f"{remote.url(name)}: expected lines of a sha256 and a file name")
    if keep and folder is not None and (content or kind == "SHA256SUMS"):  # that there is none is kept too
        folder.write(name, content.rstrip() + b"\n" if content else b"")  # a copy that was cut short has no end of line
    return content.decode("utf-8", "replace")


def _are_sums(content: bytes) -> bool:
    lines = content.decode("utf-8", "replace").splitlines()
    return all(_SUM.fullmatch(line.strip()) for line in lines if line.strip())


@lru_cache(maxsize=4)
def parse_sums(text: str) -> Mapping[str, str]:
    """Return the sha256 of each file of a SHA256SUMS text."""
    found = (_SUM.fullmatch(line.strip()) for line in text.splitlines())
    return {match[2]: match[1].lower() for match in found if match}


def fetch_record(remote: Remote, path: str, folder: Path) -> list[Path]:
    """Fetch the files of one record that `folder` lacks: header, the signal files it names, annotations if any.

    Parameters
    ----------
    remote
        The corpus on the server.
    path
        The record, relative to the corpus.
    folder
        The corpus folder here, made where there is none.

    Returns
    -------
    list of Path
        The record's files.

    Raises
    ------
    RecordFault
        ``download_failed``, ``checksum_mismatch``, ``unsafe_path`` or ``malformed_header``.
    """
    annotations = f"{path}.{remote.annotator}"
    with DownloadFolder.opened(folder, remote.source, make=True) as home:
        assert home is not None
        corpus = _Corpus(remote, home)
        for segment in corpus.fetch_signals(path).segment_names:
            corpus.fetch_signals(beside(path, segment))
        try:
            corpus.fetch(annotations, limit=MAX_ANNOTATION_BYTES, always=False)
        except https.NotOnServer as fault:
            if annotations in corpus.sums:  # there are some, though not to be had now
                raise
            logger.info("%s: no annotations: %s", path, fault.detail)
    return [folder / name for name in corpus.names]


class _Corpus:
    """A corpus on a server and its folder here; `names` are the files that were fetched or found here."""

    def __init__(self, remote: Remote, home: DownloadFolder) -> None:
        self.remote, self.home = remote, home
        self.sums = parse_sums(read_listing(remote, home, "SHA256SUMS", keep=True))
        self.names: list[str] = []

    def fetch(self, name: str, *, limit: int, always: bool = True) -> None:
        """Fetch a file. One that SHA256SUMS doesn't list is a fault where it is `always` there, else it is absent."""
        if always and self.sums and name not in self.sums:
            self._read_sums_again()
        if self.sums and name not in self.sums:
            detail = f"{name}: not in the server's SHA256SUMS; expected all files of a record"
            if always:
                raise https.Interrupted("checksum_mismatch", detail)
            raise https.NotOnServer("download_failed", detail)
        try:
            fetch_file(self.remote, name, self.home, self.sums.get(name), limit=limit)
        except https.Interrupted as fault:
            fault.member = name
            raise
        self.names.append(name)

    def _read_sums_again(self) -> None:
        """Ask the server for SHA256SUMS, since the copy may be of one that was cut short there."""
        url = self.remote.url("SHA256SUMS")
        if url not in _asked_again:
            _asked_again.add(url)
            self.sums = parse_sums(read_listing(self.remote, self.home, "SHA256SUMS", keep=True, anew=True))

    def fetch_signals(self, path: str) -> Header:
        """Fetch a header and the signal files that it names; return the header."""
        name = f"{path}.hea"
        self.fetch(name, limit=MAX_HEADER_BYTES)
        header = parse_header(self.home.read(name, MAX_HEADER_BYTES) or b"", name)
        for file in header.signal_files:
            signal = check_member(beside(path, file), f"{name}: signal file")
            if signal.endswith(".hea"):
                raise RecordFault("unsafe_path", f"{name}: signal file {file!r}; expected no header")
            self.fetch(signal, limit=most_bytes(header, file))
        return header


def most_bytes(header: Header, file: str) -> int:
    """Return the most bytes that a signal file can have by its header: a sample takes at most 4 in any WFDB format."""
    signals = [signal for signal in header.signals if signal.file == file]
    if not header.n_samples:
        return MAX_SIGNAL_BYTES
    samples = header.n_samples * sum(signal.samples_per_frame for signal in signals)
    return min(4 * samples + max(signal.offset for signal in signals) + MARGIN_BYTES, MAX_SIGNAL_BYTES)


def fetch_file(remote: Remote, name: str, home: DownloadFolder, sha256: str | None, *, limit: int) -> None:
    """Fetch one file unless it is here already, whole and with the right checksum.

    Parameters
    ----------
    remote
        The corpus on the server.
    name
        The file, relative to the corpus.
    home
        The corpus folder here.
    sha256
        Of its content, where that is known.
    limit
        Most bytes that it may have.

    Raises
    ------
    RecordFault
        ``download_failed`` (`https.NotOnServer` where there is no such file), ``checksum_mismatch`` or
        ``unsafe_path``.
    """
    check_member(name, "remote file")
    if home.holds(name, sha256):
        return
    with home.partial(name) as file:
        if not home.holds(name, sha256):
            fill(PartialFile(file, remote.url(name), sha256, limit))
            home.keep(name)
