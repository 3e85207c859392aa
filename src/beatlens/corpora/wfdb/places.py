"""Finding a record's files in a corpus folder: inside it, whatever the case of their names, and regular files only.

Standard library only, because the record sheet is updated whenever the Snakefile is parsed.
"""

from __future__ import annotations

import os
import posixpath
import stat
import unicodedata
from functools import lru_cache
from pathlib import Path

from beatlens.core.record_faults import RecordFault, resolve_inside, safe_name
from beatlens.corpora.wfdb.header import MAX_HEADER_BYTES
from beatlens.corpora.wfdb.names import folded


def find_file(root: Path, relative: str, what: str) -> str | None:
    """Return the name of a file of a corpus, as it is stored there.

    Parameters
    ----------
    root
        The corpus folder.
    relative
        The file in it. Where no file has exactly this name, the one that differs in case or in how accents are stored.
    what
        What it is, for messages.

    Returns
    -------
    str or None
        Relative to `root`; None where there is none.

    Raises
    ------
    RecordFault
        ``unsafe_path`` where it lies outside, ``not_a_file`` where it is a folder, a pipe, a socket or a device.
    """
    file = resolve_inside(root, relative, what)
    if not os.path.lexists(file):
        alike = _alike(file.parent).get(folded(file.name), ())
        if len(alike) != 1:
            return None
        relative = posixpath.join(posixpath.dirname(relative), alike[0])
        file = resolve_inside(root, relative, what)
    if not file.exists():
        return None
    mode = file.stat().st_mode
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
        raise RecordFault("not_a_file", f"{file}: {what} is {kind}; expected a file")
    return relative


def record_name(path: str) -> str:
    """Return the id of a record from its header's place: the file's name, made safe."""
    return safe_name(unicodedata.normalize("NFC", posixpath.basename(path)))


def read_header_bytes(root: Path, relative: str) -> bytes:
    """Return the bytes of a header, at most one more than a header may have.

    Raises
    ------
    RecordFault
        ``missing_header`` where it isn't there; as `find_file`.
    """
    name = find_file(root, relative, "header")
    if name is None:
        raise RecordFault("missing_header", f"{root / relative}: no such file")
    with resolve_inside(root, name, "header").open("rb") as file:
        return file.read(MAX_HEADER_BYTES + 1)


def _alike(folder: Path) -> dict[str, tuple[str, ...]]:
    try:
        return _names(folder, folder.stat().st_mtime_ns)
    except OSError:
        return {}


@lru_cache(maxsize=64)
def _names(folder: Path, mtime_ns: int) -> dict[str, tuple[str, ...]]:
    """Return the names in a folder by the form in which they are compared; of a folder that hasn't changed since."""
    names: dict[str, tuple[str, ...]] = {}
    for name in sorted(entry.name for entry in folder.iterdir()):
        names[folded(name)] = (*names.get(folded(name), ()), name)
    return names
