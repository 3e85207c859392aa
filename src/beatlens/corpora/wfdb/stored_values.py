"""Values as they are stored in the signal files of a WFDB record without segments.

Format 16, which is plain 16-bit numbers, is decoded here: of ten seconds, the library takes longer to open than to
decode. For the others, the WFDB library (Xie et al. 2023, doi:10.13026/9njx-6322) is given a temporary folder with a
plain header and links to the checked signal files. So it never meets a header, a name or a file that it can't read or
reads against header(5).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from beatlens.core.record_faults import RecordFault, resolve_inside
from beatlens.corpora.wfdb.header import Header, SignalLine
from beatlens.corpora.wfdb.names import beside
from beatlens.corpora.wfdb.places import find_file

BYTES_PER_SAMPLE = {
    form: Fraction(size) for form, size in ((8, 1), (16, 2), (24, 3), (32, 4), (61, 2), (80, 1), (160, 2))
}
BYTES_PER_SAMPLE |= {212: Fraction(3, 2), 310: Fraction(4, 3), 311: Fraction(4, 3)}
"""Bytes that a sample takes, by WFDB format; compressed formats are left out."""

FLAC = frozenset({508, 516, 524})
_PLAIN = 16

NO_VALUE = {80: -(2**7), 508: -(2**7), 310: -(2**9), 311: -(2**9), 212: -(2**11), 24: -(2**23), 524: -(2**23)}
NO_VALUE |= {16: -(2**15), 61: -(2**15), 160: -(2**15), 516: -(2**15), 32: -(2**31)}
"""The stored value that means "no value", by format; format 8 has none."""

BLOCK_SAMPLES = 1 << 19
"""Samples of a lead of a long record that are decoded at once."""

APART = frozenset({16, 24, 32, 61, 80, 160, 212}) | FLAC
"""WFDB formats of which any stretch can be decoded by itself."""


class Block(NamedTuple):
    """Frames from `start` to before `stop`, and the stored values of each signal, NaN where there is no value."""

    start: int
    stop: int
    stored: list[npt.NDArray[np.float64]]


def stored_blocks(folder: Path, path: str, header: Header, frames: int) -> Iterator[Block]:
    """Yield the stored values of all signals in blocks."""
    blocks = _blocks(header, frames)
    if all((signal.format, signal.samples_per_frame) == (_PLAIN, 1) for signal in header.signals):
        for start, stop in blocks:
            yield Block(start, stop, _read_plain(folder, path, header, start, stop))
        return
    with _library_record(folder, path, header, frames) as record:
        for start, stop in blocks:
            yield Block(start, stop, _read_block(record, path, start, stop))


def by_file(path: str, header: Header) -> list[tuple[str, list[SignalLine]]]:
    """Return the signals by file, checked to be what a file can hold."""
    groups: list[tuple[str, list[SignalLine]]] = []
    for signal in header.signals:
        if groups and groups[-1][0] == signal.file:
            groups[-1][1].append(signal)
        else:
            groups.append((signal.file, [signal]))
    for name, group in groups:
        layouts = {(signal.format, signal.offset) for signal in group}
        if len(layouts) > 1 or [other for other, _ in groups].count(name) > 1:
            raise RecordFault("malformed_header", f"{path}.hea: signals of {name!r} differ in format or stand apart")
        if group[0].format not in BYTES_PER_SAMPLE and group[0].format not in FLAC:
            raise RecordFault(
                "malformed_header",
                f"{path}.hea: format {group[0].format}; expected one of {sorted({*BYTES_PER_SAMPLE, *FLAC})}",
            )
        if not all(signal.samples_per_frame > 0 for signal in group):
            raise RecordFault("malformed_header", f"{path}.hea: {name!r} has 0 samples a frame; expected 1 or more")
    return groups


def signal_file(folder: Path, path: str, name: str) -> Path:
    """Return a signal file that a header names; RecordFault where it may not be opened or isn't there."""
    found = find_file(folder, beside(path, name), f"{path}.hea: signal file")
    if found is None:
        raise RecordFault("missing_signal_file", f"{folder / beside(path, name)}: no such file")
    return resolve_inside(folder, found, f"{path}.hea: signal file")


def _blocks(header: Header, frames: int) -> list[tuple[int, int]]:
    """Return the frames that are read at once: blocks of a long record in formats of `APART`, else all frames.

    The library decodes in 64-bit numbers, several times the size of the record.
    """
    size = BLOCK_SAMPLES // max(signal.samples_per_frame for signal in header.signals)
    if frames <= size or size < 2 or any(signal.format not in APART for signal in header.signals):
        return [(0, frames)]
    return [(first, min(first + size, frames)) for first in range(0, frames, size)]


def _read_plain(folder: Path, path: str, header: Header, start: int, stop: int) -> list[npt.NDArray[np.float64]]:
    """Return the stored values of signals of format 16, each with one sample a frame, NaN where there is no value."""
    found: list[npt.NDArray[np.float64]] = []
    for name, group in by_file(path, header):
        n, offset = len(group), group[0].offset
        file = signal_file(folder, path, name)
        stored = np.fromfile(file, dtype="<i2", count=n * (stop - start), offset=offset + 2 * n * start)
        if len(stored) < n * (stop - start):
            raise RecordFault("truncated_signal", f"{file}: {len(stored)} samples; expected {n * (stop - start)}")
        values = stored.reshape(-1, n).T.astype(np.float64)
        values[values == NO_VALUE[_PLAIN]] = np.nan
        found += list(values)
    return found


@contextmanager
def _library_record(folder: Path, path: str, header: Header, frames: int) -> Iterator[str]:
    """Make a record for the library: a plain header and links to the signal files; gives its path without ending."""
    links = {name: f"s{k}.dat" for k, name in enumerate(header.signal_files)}
    lines = [f"r {len(header.signals)} 1 {frames}"]
    for signal in header.signals:
        place = f"{links[signal.file]} {signal.format}x{signal.samples_per_frame}+{signal.offset}"
        lines.append(f"{place} 1(0)/mV 0 0 {signal.first or 0} 0 0 s")
    with tempfile.TemporaryDirectory(prefix="beatlens-") as name:
        folder_of_links = Path(name)
        for file, link in links.items():
            (folder_of_links / link).symlink_to(signal_file(folder, path, file).resolve())
        (folder_of_links / "r.hea").write_text("\n".join(lines) + "\n", encoding="ascii")
        yield str(folder_of_links / "r")


def _read_block(record: str, path: str, start: int, stop: int) -> list[npt.NDArray[np.float64]]:
    """Return the stored values of every signal, NaN where there is no value.

    They are read as physical values at a gain of 1, since the library refuses format 61 where it reads stored values.
    """
    import wfdb

    try:
        read: Any = wfdb.rdrecord(record, sampfrom=start, sampto=stop, physical=True, smooth_frames=False)
    except TimeoutError:
        raise
    except Exception as error:
        raise RecordFault("unreadable", f"{path}: signal files: {type(error).__name__}: {error}") from error
    return [np.asarray(values) for values in read.e_p_signal]
