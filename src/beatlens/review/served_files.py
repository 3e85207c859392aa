"""Files of one folder for a server: nothing outside it, no hidden file, no link followed, no listing."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".pdf": "application/pdf",
    ".csv": "text/csv; charset=utf-8",
    ".tsv": "text/tab-separated-values; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".yaml": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
}
"""Content type by the ending of a name; other files are bytes to download."""
OTHER = "application/octet-stream"


@contextmanager
def open_below(folder: Path, target: str) -> Iterator[BinaryIO]:
    """Open a regular file below a folder by the path of a request.

    Each part of the path is opened inside the part before, and a link is refused. So what is opened lies in the folder
    also where somebody changes folders and links meanwhile.

    Parameters
    ----------
    folder
        The folder.
    target
        Path as it stands in a request, percent-encoded, with ``/`` first.

    Raises
    ------
    FileNotFoundError
        For anything else than a regular file below the folder whose path has no hidden part.
    """
    try:
        path = unquote(target, errors="strict")
    except UnicodeDecodeError as error:
        raise FileNotFoundError(target) from error
    names = path.split("/")[1:]
    bad = [name for name in names if not name or name.startswith(".") or "\0" in name or "\\" in name]
    if not path.startswith("/") or not names or bad:
        raise FileNotFoundError(target)
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for number, name in enumerate(names):
            last = number == len(names) - 1
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | (0 if last else os.O_DIRECTORY)
            below = os.open(name, flags, dir_fd=opened)
            os.close(opened)
            opened = below
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise FileNotFoundError(target)
    except OSError as error:
        os.close(opened)
        raise FileNotFoundError(target) from error
    with os.fdopen(opened, "rb") as file:
        yield file


def content_type(target: str) -> str:
    """Return the content type of a file by its name."""
    return TYPES.get(PurePosixPath(target).suffix.lower(), OTHER)
