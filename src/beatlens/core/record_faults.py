"""Faults of single records: the reasons a status table may name, and the checks that keep paths inside a corpus.

Standard library only, because the record sheet is updated whenever the Snakefile is parsed.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,99}")

REASONS = {
    "missing_header": "a segment, or a record that RECORDS lists, has no header",
    "missing_signal_file": "a signal file named in the header does not exist",
    "truncated_signal": "a signal file is shorter than the header says",
    "malformed_header": "the header can't be parsed",
    "header_names_another_record": "the record line of the header names another record",
    "unsafe_path": "a path of the record points outside the corpus",
    "unsafe_name": "a name has a tab, a line break, a semicolon or a character that can't be printed",
    "duplicate_id": "another record of this corpus has the same name",
    "unknown_fs": "no usable sampling rate",
    "unknown_units": "no signal is in volts",
    "wrong_samples": "the samples contradict the header's first value, checksum or shape",
    "malformed_table": "a table of strips can't be read",
    "malformed_wave": "the samples of a strip can't be read",
    "missing_patient": "a strip names no patient",
    "zero_length": "no samples",
    "all_nan": "no finite sample in any usable lead",
    "flat": "every usable lead is constant",
    "implausible_amplitude": "QRS complexes of a size that no body gives: the gain or the unit is probably wrong",
    "unknown_leads": "none of the configured leads is present",
    "checksum_mismatch": "a file differs from its SHA256SUMS entry",
    "download_failed": "a file could not be fetched",
    "not_in_table": "the table that describes the corpus has no row of the record, or one that can't be read",
    "bad_annotations": "annotations or a label that can't be read, or belong to another recording",
    "not_a_file": "a file of the record is a folder, a pipe or a device",
    "not_a_record": "the file is no part of a record that can be read here",
    "too_large": "the record claims or has more samples than are read",
    "too_slow": "reading the record took too long",
    "unreadable": "reading failed in another way",
}


class RecordFault(ValueError):
    """A record that can't be used, with a reason for the status table.

    Parameters
    ----------
    reason
        Short code, such as ``"truncated_signal"``; see `REASONS`.
    detail
        The value found, what was expected and the file.
    """

    def __init__(self, reason: str, detail: str) -> None:
        if reason not in REASONS:
            raise ValueError(f"unknown reason {reason!r}; expected one of {sorted(REASONS)}")
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def check_name(name: str, what: str) -> str:
    """Return a name that may become part of a file name, or raise.

    Raises
    ------
    RecordFault
        ``unsafe_path`` where the name has anything but letters, digits, ``.``, ``_`` and ``-``, or starts with ``.``.
    """
    if not _SAFE_NAME.fullmatch(name):
        raise RecordFault("unsafe_path", f"{what} {name!r}; expected letters, digits, '.', '_' and '-' only")
    return name


def safe_name(identifier: str, otherwise: str = "record") -> str:
    """Return an id that may be part of a file name: itself, or its safe characters and a digest of all of it.

    Parameters
    ----------
    identifier
        Any text.
    otherwise
        What stands for the safe characters where there are none.
    """
    try:
        return check_name(identifier, "name")
    except RecordFault:
        safe = re.sub(r"[^A-Za-z0-9._-]+", "_", identifier).lstrip("._-")[:80]
        digest = hashlib.sha256(identifier.encode("utf-8", "surrogateescape")).hexdigest()
        return f"{safe or otherwise}-{digest[:8]}"


def resolve_inside(root: Path, relative: str, what: str) -> Path:
    """Return ``root/relative`` where that lies inside `root` once all symbolic links are followed.

    Raises
    ------
    RecordFault
        ``unsafe_path`` where the path is absolute or leads out of `root`.
    """
    base = os.path.realpath(root)
    inside = bool(relative) and "\0" not in relative and not Path(relative).is_absolute()
    if inside:
        inside = os.path.realpath(Path(base, relative)).startswith(base.rstrip(os.sep) + os.sep)
    if not inside:
        raise RecordFault("unsafe_path", f"{what} {relative!r}; expected a path inside {root}")
    return Path(base, relative)
