"""Files that users give: regular ones of a limited size, and text in the encodings that spreadsheets save.

A named pipe, a device or a file without end is refused before anything is read of it. Standard library only, because
tables and configurations are read whenever the Snakefile is parsed.
"""

from __future__ import annotations

import codecs
import io
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

logger = logging.getLogger(__name__)

_BLOCK = 1 << 20
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@contextmanager
def open_regular(path: str | Path, limit: int) -> Iterator[BinaryIO]:
    """Open a file for reading that is a regular one of at most `limit` bytes.

    Raises
    ------
    ValueError
        For a folder, pipe or device, or a larger file.
    OSError
        Where there is no such file, or it may not be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # doesn't wait for a pipe's writer
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path}: a folder, pipe or device; expected a regular file")
        if status.st_size > limit:
            raise ValueError(f"{path}: {status.st_size} bytes; expected at most {limit}")
        file = os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
    with file:
        yield file


def read_bytes(path: str | Path, limit: int) -> bytes:
    """Return the content of a regular file of at most `limit` bytes; see `open_regular`."""
    with open_regular(path, limit) as file:
        content = file.read(limit + 1)  # a file of /proc has no size, and one may grow
    if len(content) > limit:
        raise ValueError(f"{path}: more than {limit} bytes; expected at most so many")
    return content


@contextmanager
def open_text(path: str | Path, limit: int) -> Iterator[TextIO]:
    """Open a text file: by its byte order mark UTF-8 or UTF-16, else UTF-8, else Windows-1252, which is logged.

    Raises
    ------
    ValueError
        For text in none of these, NUL characters, or what `open_regular` refuses.
    OSError
        As there.
    """
    with open_regular(path, limit) as file:
        encoding = _encoding(file, path, limit)
        file.seek(0)
        yield io.TextIOWrapper(file, encoding=encoding, newline="")


def _encoding(file: BinaryIO, path: str | Path, limit: int) -> str:
    head = file.read(4)
    marked = [encoding for mark, encoding in _BOMS.items() if head.startswith(mark)]
    for encoding in marked or ["utf-8", "cp1252"]:
        file.seek(0)
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            while block := file.read(_BLOCK):
                if "\0" in decoder.decode(block):
                    raise ValueError(f"{path}: holds NUL characters; expected text")
                if file.tell() > limit:
                    raise ValueError(f"{path}: more than {limit} bytes; expected at most so many")
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        if encoding == "cp1252":
            logger.warning("%s: isn't UTF-8, and is read as Windows-1252", path)
        return encoding
    raise ValueError(f"{path}: text of an unknown encoding; expected UTF-8, UTF-16 with its mark, or Windows-1252")
