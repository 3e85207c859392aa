"""A file that is downloaded in parts: continued where it broke off, whole once its checksum or length says so."""

from __future__ import annotations

import os
import re
import urllib.error
from io import BufferedRandom

from beatlens.corpora.downloads import https
from beatlens.corpora.downloads.download_folder import digest_of


class PartialFile:
    """A file that grows by what the server still has to send.

    What an earlier process left is continued only where the sha256 will show whether both parts are of one file. Within
    this process a validator of the server shows that (RFC 9110, If-Range).
    """

    def __init__(self, file: BufferedRandom, url: str, sha256: str | None, limit: int) -> None:
        self.file, self.url, self.sha256, self.limit = file, url, sha256, limit
        self._validator: str | None = None

    def append(self) -> None:
        """Append what the file lacks; OSError where the connection ends early."""
        have = os.fstat(self.file.fileno()).st_size
        if have > self.limit or (self.sha256 is None and self._validator is None):
            have = self.restart()
        headers = {"Range": f"bytes={have}-"} if have else {}
        if have and self._validator is not None:
            headers["If-Range"] = self._validator
        try:
            answer = https.request(self.url, headers)
        except urllib.error.HTTPError as error:
            if error.code == 416:  # the server's file ends before what is here does
                error.close()
                self.restart()
                raise OSError("what is here is no beginning of the server's file") from None
            raise
        with answer:
            if answer.status == 200:  # the server sends the whole file
                have = self.restart()
            elif not _is_rest(answer.headers.get("Content-Range", ""), have):
                self.restart()
                raise OSError(f"range {answer.headers.get('Content-Range')!r}; expected all from byte {have} on")
            tag = answer.headers.get("ETag", "")
            self._validator = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified")
            try:
                https.receive(answer, self.file.write, self.limit - have, whole=self.sha256 is None)
            finally:
                self.file.flush()

    def restart(self) -> int:
        """Drop what is here; return its new size, 0."""
        self.file.truncate(0)
        return 0


def _is_rest(content_range: str, start: int) -> bool:
    """Tell whether a Content-Range header is that of a file from byte `start` to its end."""
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", content_range)
    return match is not None and int(match[1]) == start and int(match[2]) + 1 == int(match[3])


def fill(part: PartialFile) -> None:
    """Append to a partial file until it is whole, and on disk."""
    for _ in range(2):  # the second time from the start, since what was here may be of another version
        try:
            https.persistently(part.url, part.append)
        except (https.NotOnServer, https.TooLong):
            part.restart()  # what is here is of no use
            raise
        if part.sha256 is None or digest_of(part.file) == part.sha256:
            os.fsync(part.file.fileno())
            return
        part.restart()
    detail = f"{part.url}: content differs from SHA256SUMS; expected sha256 {part.sha256}"
    raise https.Interrupted("checksum_mismatch", detail)
