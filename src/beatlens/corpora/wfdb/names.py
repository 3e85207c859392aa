"""Names and texts of WFDB headers: on one line, compared whatever their case, and inside the corpus folder."""

from __future__ import annotations

import posixpath
import unicodedata

from beatlens.core.record_faults import RecordFault


def plain_text(text: str) -> str:
    """Return text on one line: what can't be printed is a blank, and blanks are single."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def same_name(one: str, other: str) -> bool:
    """Whether two names are the same but for case and for how their accents are stored."""
    return folded(one) == folded(other)


def folded(name: str) -> str:
    """Return a name in the form in which names are compared: composed characters, without case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def beside(path: str, file: str) -> str:
    """Return a file that a header names, relative to the corpus folder.

    Parameters
    ----------
    path
        The header's place in the corpus folder, with or without ending.
    file
        File name in the header.

    Raises
    ------
    RecordFault
        ``unsafe_path`` where the name is absolute or climbs out of the corpus folder.
    """
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(path), file))
    if file.startswith("/") or joined.startswith(("../", "/")) or joined in {"..", "."} or "\\" in file:
        raise RecordFault("unsafe_path", f"{path}: signal file {file!r}; expected a file of this corpus")
    return joined
