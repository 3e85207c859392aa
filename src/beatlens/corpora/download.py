"""Downloading records in PhysioNet's layout: only those needed, resumed where they broke off, checked by SHA256SUMS.

A folder that `update_sheet` made for a remote corpus holds ``remote.json`` (where its files come from) beside the
server's own RECORDS and SHA256SUMS; `fetch_record` fills it record by record. A file has its final name only once it
is whole; until then it is ``<name>.part``, which the next try continues.

The WFDB library's own downloader neither resumes by content nor checks, so this uses urllib.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import json
import logging
import os
import posixpath
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from beatlens.core.record_faults import RecordFault, resolve_inside
from beatlens.corpora.header import MAX_HEADER_BYTES, beside, parse_header

logger = logging.getLogger(__name__)

BASE_URL = "https://physionet.org/files"
TIMEOUT_S = 30.0
ATTEMPTS = 4
_CHUNK = 1 << 16


class NotOnServer(RecordFault):
    """The server answers, but hasn't got the file."""


@dataclass(frozen=True)
class Remote:
    """Where a corpus comes from.

    Attributes
    ----------
    remote
        Project and version, such as ``"mitdb/1.0.0"``.
    base_url
        What `remote` is appended to.
    annotator
        Ending of the annotation file.
    """

    remote: str
    base_url: str
    annotator: str

    def url(self, name: str) -> str:
        """Return the address of a file of the corpus."""
        return posixpath.join(self.base_url, self.remote, urllib.parse.quote(name))


def read_remote(folder: Path) -> Remote | None:
    """Return where a folder's records come from, or None for a folder that isn't filled from a server."""
    marker = folder / "remote.json"
    return Remote(**json.loads(marker.read_text(encoding="utf-8"))) if marker.is_file() else None


def write_remote(folder: Path, remote: Remote) -> None:
    """Mark a folder as filled from a server."""
    if read_remote(folder) != remote:
        _write(folder / "remote.json", json.dumps(asdict(remote), indent=1, sort_keys=True).encode() + b"\n")


def read_listing(remote: Remote, folder: Path, name: str, keep: bool) -> str:
    """Return RECORDS or SHA256SUMS of a remote corpus: from `folder`, or else from the server.

    Parameters
    ----------
    remote
        The corpus; its version never changes on the server, so a copy is as good as the original.
    folder
        Where copies lie.
    name
        The file's name.
    keep
        Whether to keep a copy.

    Returns
    -------
    str
        The text; "" where the server has no such file.

    Raises
    ------
    RecordFault
        ``download_failed``.
    """
    copy = resolve_inside(folder, name, "listing")
    if copy.is_file() and read_remote(folder) == remote:
        return copy.read_text(encoding="utf-8")
    for attempt in range(ATTEMPTS):
        try:
            with urllib.request.urlopen(remote.url(name), timeout=TIMEOUT_S) as response:
                content: bytes = response.read()
            break
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                content = b""
                break
            _pause(remote.url(name), error, attempt)
        except (OSError, http.client.HTTPException) as error:
            _pause(remote.url(name), error, attempt)
    if keep and (content or name == "SHA256SUMS"):  # that there are no checksums is worth knowing too
        _write(copy, content)
    return content.decode("utf-8", "replace")


def parse_sums(text: str) -> dict[str, str]:
    """Return the sha256 of each file of a SHA256SUMS text."""
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return {pair[1].lstrip("*").removeprefix("./"): pair[0].lower() for pair in pairs if len(pair) == 2}


def fetch_record(remote: Remote, path: str, folder: Path) -> list[Path]:
    """Fetch the files of one record that `folder` lacks: header, the signal files it names, annotations if any.

    Parameters
    ----------
    remote
        The corpus on the server.
    path
        The record, relative to the corpus.
    folder
        The corpus folder here.

    Returns
    -------
    list of Path
        The record's files.

    Raises
    ------
    RecordFault
        ``download_failed``, ``checksum_mismatch``, ``unsafe_path`` or ``malformed_header``.
    """
    sums = parse_sums(read_listing(remote, folder, "SHA256SUMS", keep=True))
    header_name = f"{path}.hea"
    header = fetch_file(remote, header_name, folder, sums.get(header_name))
    with header.open("rb") as file:
        signal_files = parse_header(file.read(MAX_HEADER_BYTES), header_name).signal_files
    files = [header]
    for name in (beside(path, file) for file in signal_files):
        files.append(fetch_file(remote, name, folder, sums.get(name)))
    annotations = f"{path}.{remote.annotator}"
    if not sums or annotations in sums:
        try:
            files.append(fetch_file(remote, annotations, folder, sums.get(annotations)))
        except NotOnServer:
            logger.info("%s: no %s annotations on the server", path, remote.annotator)
    return files


def fetch_file(remote: Remote, name: str, folder: Path, sha256: str | None) -> Path:
    """Fetch one file unless it is here already, whole and with the right checksum.

    Raises
    ------
    RecordFault
        ``download_failed`` (`NotOnServer` where there is no such file) or ``checksum_mismatch``.
    """
    target = resolve_inside(folder, name, "remote file")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    if _is_whole(target, sha256):
        return target
    with part.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # another run may fetch the same file
        try:
            if not _is_whole(target, sha256):
                _fill(file, remote.url(name), sha256)
                part.replace(target)
        finally:
            if part.exists() and part.stat().st_size == 0:
                part.unlink()
    return target


def _is_whole(path: Path, sha256: str | None) -> bool:
    return path.is_file() and (sha256 is None or _sha256(path) == sha256)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fill(file: BinaryIO, url: str, sha256: str | None) -> None:
    """Append to the partial file until it is whole."""
    mismatches = 0
    for attempt in range(ATTEMPTS):
        try:
            _append(file, url)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                raise NotOnServer("download_failed", f"{url}: not on the server") from None
            if error.code == 416:  # the partial file is no beginning of this one
                file.truncate(0)
            _pause(url, error, attempt)
            continue
        except (OSError, http.client.HTTPException) as error:
            _pause(url, error, attempt)
            continue
        if sha256 is None or _sha256(Path(file.name)) == sha256:
            return
        file.truncate(0)  # what was there may have come from another version: once more, from the start
        mismatches += 1
        if mismatches == 2:
            break
    raise RecordFault("checksum_mismatch", f"{url}: content differs from SHA256SUMS; expected sha256 {sha256}")


def _append(file: BinaryIO, url: str) -> None:
    """Append what the partial file lacks; OSError where the connection ends early."""
    have = os.fstat(file.fileno()).st_size
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        if have and response.status != 206:  # the server sends the whole file
            file.truncate(0)
        length = response.headers.get("Content-Length")
        received = 0
        try:
            while chunk := response.read(_CHUNK):
                received += file.write(chunk)
        finally:
            file.flush()
    if length is not None and received != int(length):
        raise OSError(f"{received} bytes of {length} received")


def _pause(url: str, error: Exception, attempt: int) -> None:
    """Wait before the next try, or give up after the last."""
    if attempt == ATTEMPTS - 1:
        raise RecordFault("download_failed", f"{url}: {error} ({ATTEMPTS} tries)") from error
    logger.warning("%s: %s; trying again", url, error)
    time.sleep(0.5 * 2**attempt)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)
