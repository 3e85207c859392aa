"""WFDB headers: the record line, the signal or segment lines and the comments, parsed without the WFDB library.

Format: header(5) of the WFDB Applications Guide (Moody). The WFDB library reads headers as ASCII and drops every other
byte, which turns a lead in µV into one in V. It also gives a record without a rate 250 Hz, and refuses dates in other
forms than one. Here none of that happens.
"""

from __future__ import annotations

import codecs
import posixpath
import re
from dataclasses import dataclass

from beatlens.core.record_faults import RecordFault
from beatlens.corpora.wfdb.names import plain_text, same_name

MAX_HEADER_BYTES = 1 << 20
MAX_SIGNALS = 1024
"""A header with more signals is damaged; the largest arrays of electrodes have some hundred."""
MAX_LINE = 4096
NULL_SEGMENT = "~"
"""Name of a segment in which nothing was recorded."""

_RECORD = re.compile(
    r"(?P<name>[^\s/]+)(?:/(?P<segments>\d{1,9}))?\s+(?P<signals>\d{1,9})(?:\s+(?P<rest>.*))?", re.ASCII
)
_SIGNAL = re.compile(
    r"(?P<file>\S(?:.*?\S)??)\s+(?P<format>\d{1,9})(?:x(?P<frame>\d{1,9}))?(?::(?P<skew>\d{1,9}))?(?:\+(?P<offset>\d{1,18}))?"
    r"(?:\s+(?P<rest>.*))?",
    re.ASCII,
)
_GAIN = re.compile(
    r"(?P<gain>[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)(?:\((?P<baseline>-?\d{1,18})\))?(?:/(?P<units>\S+))?",
    re.IGNORECASE,
)
_SEGMENT = re.compile(r"(?P<name>\S(?:.*?\S)??)\s+(?P<length>\d{1,18})", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)
_NOTE = re.compile(r"#\s*(?P<key>[A-Za-z]+)\s*:\s*(?P<value>.*)", re.DOTALL)
LEAST_GAIN = 1e-9
"""Least gain in steps a unit, and least units a step; no converter is below, whatever its unit."""
UNCALIBRATED = 200.0
"""Units a millivolt where the header gives none, as WFDB defines."""


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
        Sample intervals by which the signal lies late in its file.
    offset
        Bytes (of FLAC: samples) before the first sample.
    gain
        Stored units a physical unit.
    baseline
        Stored value of 0 physical units.
    units
        Physical units as written; "mV" where none are given, as WFDB defines.
    first
        Value of the first sample, or None where it isn't given.
    checksum
        Sum of the samples modulo 2**16, or None where it isn't given.
    name
        Description, such as the lead name; "" where there is none.
    has_gain
        Whether the header gives the gain; if not, `gain` is what WFDB defines for this case.
    """

    file: str
    format: int
    samples_per_frame: int
    skew: int
    offset: int
    gain: float
    baseline: int
    units: str
    first: int | None
    checksum: int | None
    name: str
    has_gain: bool


@dataclass(frozen=True)
class SegmentLine:
    """One segment of a multi-segment record: the name of the segment's own header, and its length in frames."""

    name: str
    n_samples: int


@dataclass(frozen=True)
class Header:
    """What a header says.

    Attributes
    ----------
    record
        Name in the record line.
    segments
        The segment lines of a record of several segments; None for an ordinary record.
    fs
        Frames a second in Hz, which are samples a second of signals with one sample a frame; None where the rate is
        absent, not a number or not above 0.
    n_samples
        Frames of the record, or None where they aren't given.
    signals
        The signal lines; empty for a record of several segments.
    notes
        ``# Key: value`` comments, by key in lower case (``dx``, ``patient``).
    comments
        All comment lines without their ``#``, on one line each, in order.
    """

    record: str
    segments: tuple[SegmentLine, ...] | None
    fs: float | None
    n_samples: int | None
    signals: tuple[SignalLine, ...]
    notes: dict[str, str]
    comments: tuple[str, ...] = ()

    @property
    def signal_files(self) -> tuple[str, ...]:
        """Names of the signal files, each once, in order."""
        return tuple(dict.fromkeys(signal.file for signal in self.signals))

    @property
    def segment_names(self) -> tuple[str, ...]:
        """Names of the segments that have a header, each once, in order."""
        return tuple(dict.fromkeys(one.name for one in self.segments or () if one.name != NULL_SEGMENT))

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
        The file; UTF-16 with its mark, UTF-8, or else Latin-1.
    where
        Its name, for messages, and since a record may be named like the file with blanks in it.

    Raises
    ------
    RecordFault
        ``malformed_header`` with the line and what was expected.
    """
    if len(content) > MAX_HEADER_BYTES:
        raise RecordFault("malformed_header", f"{where}: more than {MAX_HEADER_BYTES} bytes; expected a header of text")
    lines, comments = _lines(content)
    for line in lines:
        if len(line) > MAX_LINE:
            raise RecordFault("malformed_header", f"{where}: line {line[:100]!r}... of {len(line)} characters")
    head = lines[0] if lines else ""
    name, match = _record_line(head, where)
    if match is None:
        raise RecordFault(
            "malformed_header", f"{where}: record line {head[:100]!r}; expected name, signals, rate, samples"
        )
    n_signals, rest = int(match["signals"]), (match["rest"] or "").split()
    signals: tuple[SignalLine, ...] = ()
    segments: tuple[SegmentLine, ...] | None = None
    if match["segments"] is not None:
        _check_count(len(lines) - 1, int(match["segments"]), "segment", where)
        segments = tuple(_parse_segment(line, where) for line in lines[1:])
    else:
        _check_count(len(lines) - 1, n_signals, "signal", where)
        signals = tuple(_parse_signal(line, where) for line in lines[1:])
    if n_signals > MAX_SIGNALS:
        raise RecordFault("malformed_header", f"{where}: {n_signals} signals; expected at most {MAX_SIGNALS}")
    found = [note for note in map(_NOTE.fullmatch, comments) if note]
    return Header(
        record=name,
        segments=segments,
        fs=_rate(rest[0]) if rest else None,
        n_samples=_count(rest[1], where) if len(rest) > 1 else None,
        signals=signals,
        notes={note["key"].lower(): plain_text(note["value"]) for note in found},
        comments=tuple(plain_text(line.lstrip("#")) for line in comments),
    )


def segments_of(content: bytes, where: str) -> tuple[str, ...]:
    """Return the names of a record's segments, also where its header can't be used; none of an ordinary record."""
    lines, _ = _lines(content)
    lines = [line for line in lines if len(line) <= MAX_LINE]
    match = _record_line(lines[0], where)[1] if lines else None
    if match is None or match["segments"] is None:
        return ()
    found = (_SEGMENT.fullmatch(line) for line in lines[1:])
    names = (segment["name"] if segment else line for segment, line in zip(found, lines[1:], strict=True))
    return tuple(dict.fromkeys(name for name in names if name != NULL_SEGMENT))


def _lines(content: bytes) -> tuple[list[str], list[str]]:
    """Return the lines of a header and its comments."""
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    lines = [line.strip() for line in re.split(r"\r\n|\r|\n", text)]
    comments = [line for line in lines if line.startswith("#")]
    return [line for line in lines if line and not line.startswith("#")], comments


def _record_line(line: str, where: str) -> tuple[str, re.Match[str] | None]:
    """Return the name in a record line and its match."""
    match = _RECORD.fullmatch(_without_blanks(line, where))
    return (line[: match.end("name")] if match else ""), match


def _without_blanks(line: str, where: str) -> str:
    """Return the line, with ``_`` for each character of the header's own name (it may have blanks) at its beginning."""
    stem = posixpath.splitext(posixpath.basename(where))[0]
    return "_" * len(stem) + line[len(stem) :] if same_name(line[: len(stem)], stem) else line


def _check_count(found: int, expected: int, what: str, where: str) -> None:
    if found != expected:
        raise RecordFault("malformed_header", f"{where}: {found} {what} lines; expected {expected}")


def _rate(text: str) -> float | None:
    try:
        rate = float(re.split(r"[/(]", text)[0])
    except ValueError:
        return None
    return rate if 0 < rate < float("inf") else None


def _count(text: str, where: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise RecordFault("malformed_header", f"{where}: {text[:100]!r} samples a signal; expected a whole number")
    return int(text)


def _parse_segment(line: str, where: str) -> SegmentLine:
    match = _SEGMENT.fullmatch(line)
    if match is None:
        raise RecordFault("malformed_header", f"{where}: segment line {line[:100]!r}; expected name and length")
    return SegmentLine(match["name"], int(match["length"]))


def _parse_signal(line: str, where: str) -> SignalLine:
    match = _SIGNAL.fullmatch(_without_blanks(line, where))
    fields = (match["rest"] or "").split() if match else []
    gain = _GAIN.fullmatch(fields[0]) if fields else None
    if match is None or (fields and gain is None):
        raise RecordFault("malformed_header", f"{where}: signal line {line[:100]!r}; expected file, format, gain, ...")
    whole = [_INTEGER.fullmatch(text) is not None for text in fields[1:6]]
    if sum(whole) >= 3 and whole != sorted(whole, reverse=True):  # no name yet, but one of these numbers is damaged
        expected = "expected resolution, zero, first value, checksum and block size as whole numbers"
        raise RecordFault("malformed_header", f"{where}: signal line {line[:100]!r}; {expected}")
    per_unit = float(gain["gain"]) if gain is not None else 0.0
    if per_unit and not LEAST_GAIN <= abs(per_unit) <= 1 / LEAST_GAIN:
        expected = f"expected {LEAST_GAIN:g} to {1 / LEAST_GAIN:g} steps a unit"
        raise RecordFault("malformed_header", f"{where}: signal line {line[:100]!r}; {expected}")
    numbers: list[int] = []  # resolution, zero, first value, checksum and block size may stand before the name
    for text in fields[1:6]:
        if not _INTEGER.fullmatch(text):
            break
        numbers.append(int(text))
    zero, first, checksum = (numbers[k] if len(numbers) > k else None for k in (1, 2, 3))
    baseline = gain["baseline"] if gain is not None else None
    return SignalLine(
        file=line[: match.end("file")],
        format=int(match["format"]),
        samples_per_frame=int(match["frame"] or 1),
        skew=int(match["skew"] or 0),
        offset=int(match["offset"] or 0),
        gain=per_unit or UNCALIBRATED,
        baseline=int(baseline) if baseline is not None else zero or 0,
        units=plain_text((gain["units"] if gain is not None else None) or "mV"),
        first=first,
        checksum=checksum,
        name=plain_text(" ".join(fields[1 + len(numbers) :])),
        has_gain=per_unit != 0,
    )
