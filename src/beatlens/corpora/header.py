"""WFDB headers: the record line, the signal lines and the comments, parsed without numpy or the WFDB library.

Format: header(5) of the WFDB Applications Guide (Moody). The WFDB library reads headers as ASCII and drops every other
byte, which turns a lead in µV into one in V, and gives a record without a rate 250 Hz; here neither happens.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from beatlens.core.record_faults import RecordFault

MAX_HEADER_BYTES = 1 << 20

_RECORD = re.compile(r"(?P<name>[^\s/]+)(?:/(?P<segments>\d+))?\s+(?P<signals>\d+)(?:\s+(?P<rest>.*))?")
_FORMAT = re.compile(r"(?P<format>\d+)(?:x(?P<frame>\d+))?(?::(?P<skew>\d+))?(?:\+(?P<offset>\d+))?")
_GAIN = re.compile(
    r"(?P<gain>[-+]?[\d.]+(?:e[-+]?\d+)?)(?:\((?P<baseline>-?\d+)\))?(?:/(?P<units>\S+))?", re.IGNORECASE
)
_INTEGER = re.compile(r"-?\d+")
_NOTE = re.compile(r"#\s*(?P<key>[A-Za-z]+)\s*:\s*(?P<value>.*)")


@dataclass(frozen=True)
class SignalLine:
    """One signal of a header.

    Attributes
    ----------
    file
        Signal file, relative to the header.
    format
        WFDB storage format (16, 212, ...).
    samples_per_frame
        Samples stored for each sample interval of the record.
    skew
        Samples by which the signal lies late in its file.
    offset
        Bytes before the first sample.
    units
        Physical units as written; "mV" where none are given, as WFDB defines.
    name
        Description, such as the lead name; "" where there is none.
    """

    file: str
    format: int
    samples_per_frame: int
    skew: int
    offset: int
    units: str
    name: str


@dataclass(frozen=True)
class Header:
    """What a header says.

    Attributes
    ----------
    record
        Name in the record line.
    segments
        Number of segments, or None for an ordinary record.
    fs
        Rate in Hz, or None where it is absent, not a number or not above 0.
    n_samples
        Samples a signal, or None where it isn't given.
    signals
        The signal lines; empty for a record of several segments.
    notes
        ``# Key: value`` comments, by key in lower case (``dx``, ``patient``).
    """

    record: str
    segments: int | None
    fs: float | None
    n_samples: int | None
    signals: tuple[SignalLine, ...]
    notes: dict[str, str]

    @property
    def signal_files(self) -> tuple[str, ...]:
        """Names of the signal files, each once, in order."""
        return tuple(dict.fromkeys(signal.file for signal in self.signals))

    @property
    def dx(self) -> tuple[str, ...]:
        """Codes of the ``#Dx:`` comment, sorted; none where it is empty or says Unknown."""
        codes = {code.strip() for code in self.notes.get("dx", "").split(",")}
        return tuple(sorted(code for code in codes if code and code.lower() != "unknown"))


def parse_header(content: bytes, where: str) -> Header:
    """Parse the bytes of a header file.

    Parameters
    ----------
    content
        The file; UTF-8, or else Latin-1.
    where
        Its name, for messages.

    Raises
    ------
    RecordFault
        ``malformed_header`` with the line and what was expected.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    lines = [line.strip() for line in text.splitlines()]
    comments = [line for line in lines if line.startswith("#")]
    lines = [line for line in lines if line and not line.startswith("#")]
    match = _RECORD.fullmatch(lines[0]) if lines else None
    if match is None:
        found = lines[0][:100] if lines else ""
        raise RecordFault("malformed_header", f"{where}: record line {found!r}; expected name, signals, rate, samples")
    n_signals, rest = int(match["signals"]), (match["rest"] or "").split()
    signals: tuple[SignalLine, ...] = ()
    if match["segments"] is None:
        if len(lines) - 1 != n_signals:
            raise RecordFault("malformed_header", f"{where}: {len(lines) - 1} signal lines; expected {n_signals}")
        signals = tuple(_parse_signal(line, where) for line in lines[1:])
    return Header(
        record=match["name"],
        segments=None if match["segments"] is None else int(match["segments"]),
        fs=_rate(rest[0]) if rest else None,
        n_samples=_count(rest[1], where) if len(rest) > 1 else None,
        signals=signals,
        notes={found["key"].lower(): found["value"].strip() for found in map(_NOTE.fullmatch, comments) if found},
    )


def _rate(text: str) -> float | None:
    try:
        rate = float(re.split(r"[/(]", text)[0])
    except ValueError:
        return None
    return rate if 0 < rate < float("inf") else None


def _count(text: str, where: str) -> int:
    if not text.isdecimal():
        raise RecordFault("malformed_header", f"{where}: {text!r} samples a signal; expected a whole number")
    return int(text)


def _parse_signal(line: str, where: str) -> SignalLine:
    fields = line.split()
    form = _FORMAT.fullmatch(fields[1]) if len(fields) > 1 else None
    gain = _GAIN.fullmatch(fields[2]) if len(fields) > 2 else None
    if form is None or (len(fields) > 2 and gain is None):
        raise RecordFault("malformed_header", f"{where}: signal line {line[:100]!r}; expected file, format, gain, ...")
    name = 3  # resolution, zero, first value, checksum and block size may stand before it
    while name < min(8, len(fields)) and _INTEGER.fullmatch(fields[name]):
        name += 1
    return SignalLine(
        file=fields[0],
        format=int(form["format"]),
        samples_per_frame=int(form["frame"] or 1),
        skew=int(form["skew"] or 0),
        offset=int(form["offset"] or 0),
        units=(gain["units"] if gain is not None else None) or "mV",
        name=" ".join(fields[name:]),
    )


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
