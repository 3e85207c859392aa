"""WFDB annotation files: times, symbols, notes and their time resolution.

Format: annot(5) of the WFDB Applications Guide (Moody): words of 16 bits, low byte first, whose upper 6 bits are a code
and whose lower 10 bits a time difference or a value. The WFDB library's reader never ends on a note that begins with
``##`` and that it doesn't know, such as one with a flipped bit, so files are decoded here. On undamaged files both
readers agree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from beatlens.core.record_faults import RecordFault
from beatlens.corpora.wfdb.names import plain_text

MAX_BYTES = 1 << 26
"""Two bytes an annotation: a week at 50 annotations a second."""

SYMBOLS = (
    dict(enumerate(" NLRaVFJASEj/Q~", start=0)) | {16: "|"} | dict(enumerate('sT*D"=pB^t+u?![]en@xf()r', start=18))
)
"""Symbol of each code of ecgcodes.h; code 0 is no annotation."""

_NOTE, _SKIP, _NUM, _SUBTYPE, _CHANNEL, _AUX = 22, 59, 60, 61, 62, 63
_RESOLUTION = re.compile(r"## time resolution: (\d+\.?\d*)", re.ASCII)
_DEFINITION = re.compile(r"(\d+) (\S+) .+", re.ASCII)
_FIRST_DEFINITION, _LAST_DEFINITION = "## annotation type definitions", "## end of definitions"


@dataclass(frozen=True)
class AnnotationFile:
    """What an annotation file says, in the order of the file.

    Attributes
    ----------
    sample
        (n,) int64, in units of `rate`.
    symbol, aux, subtype
        (n,) each: symbols as in `SYMBOLS` or as the file defines, notes on one line, WFDB subtypes.
    rate
        Units of time a second as the file gives them; None where it counts the record's frames.
    """

    sample: npt.NDArray[np.int64]
    symbol: tuple[str, ...]
    aux: tuple[str, ...]
    subtype: tuple[int, ...]
    rate: float | None


def parse_annotations(content: bytes, where: str) -> AnnotationFile:
    """Decode an annotation file.

    Parameters
    ----------
    content
        The file; one without a byte has no annotations.
    where
        Its name, for messages.

    Raises
    ------
    RecordFault
        ``bad_annotations`` with what was found: a cut file, a code without meaning, a definition that can't be read.
    """
    found = _decode(content, where)
    rate, defined, definitions = _definitions(found, where)
    symbols = SYMBOLS | defined
    kept = [k for k, one in enumerate(found.code) if one != 0 and k not in definitions]
    for k in kept:
        if found.code[k] not in symbols:
            at = f"code {found.code[k]} at {found.sample[k]}"
            raise RecordFault("bad_annotations", f"{where}: {at}; expected one of annot(5)")
    return AnnotationFile(
        sample=np.array([found.sample[k] for k in kept], dtype=np.int64),
        symbol=tuple(symbols[found.code[k]] for k in kept),
        aux=tuple(plain_text(found.notes[k]) for k in kept),
        subtype=tuple(found.subtype[k] for k in kept),
        rate=rate,
    )


class _Decoded(NamedTuple):
    """All annotations of a file in its order, with those that define symbols or the time resolution."""

    sample: list[int]
    code: list[int]
    notes: list[str]
    subtype: list[int]


def _decode(content: bytes, where: str) -> _Decoded:
    sample: list[int] = []
    code: list[int] = []
    notes: list[str] = []
    subtype: list[int] = []
    if content and (len(content) % 2 or content[-2:] != b"\0\0"):
        raise RecordFault("bad_annotations", f"{where}: {len(content)} bytes without the mark of the end; a cut file?")
    words = np.frombuffer(content, dtype="<u2").tolist()
    now, at, end = 0, 0, len(words) - 1
    while at < end:
        kind, value = words[at] >> 10, words[at] & 0x3FF
        at += 1
        if kind == _SKIP:
            if at + 2 > end:
                raise RecordFault("bad_annotations", f"{where}: ends within a time; a cut file?")
            jump = words[at] << 16 | words[at + 1]
            now += jump - (1 << 32) if jump >= 1 << 31 else jump
            at += 2
        elif kind < _SKIP:
            now += value
            sample.append(now)
            code.append(kind)
            notes.append("")
            subtype.append(0)
        elif not sample:
            raise RecordFault("bad_annotations", f"{where}: begins with code {kind}; expected an annotation")
        elif kind == _SUBTYPE:
            subtype[-1] = (value & 0xFF) - (256 if value & 0x80 else 0)
        elif kind == _AUX:
            length = value & 0xFF
            if at + (length + 1) // 2 > end:
                raise RecordFault("bad_annotations", f"{where}: ends within a note; a cut file?")
            notes[-1] = content[2 * at : 2 * at + length].decode("latin-1")
            at += (length + 1) // 2
    return _Decoded(sample, code, notes, subtype)


def _definitions(found: _Decoded, where: str) -> tuple[float | None, dict[int, str], set[int]]:
    """Return the time resolution, symbols that the file defines, and which annotations at time 0 say so."""
    definitions = {
        k for k, (time, kind) in enumerate(zip(found.sample, found.code, strict=True)) if time == 0 and kind == _NOTE
    }
    rate: float | None = None
    defined: dict[int, str] = {}
    defining = False
    for k in sorted(definitions):
        note = found.notes[k].rstrip("\0")
        resolution, symbol = _RESOLUTION.fullmatch(note), _DEFINITION.fullmatch(note)
        if note in {_FIRST_DEFINITION, _LAST_DEFINITION}:
            defining = note == _FIRST_DEFINITION
        elif defining and symbol:
            defined[int(symbol[1])] = symbol[2]
        elif resolution and float(resolution[1]) > 0:
            rate = rate or float(resolution[1])
        elif defining or note.startswith("##"):
            expected = "expected a time resolution or an annotation type"
            raise RecordFault("bad_annotations", f"{where}: definition {plain_text(note)[:100]!r}; {expected}")
    return rate, defined, definitions
