"""Samples of a WFDB record without segments: decoded, in millivolts, held against the header.

Format 16, which is plain 16-bit numbers, is decoded here: of ten seconds, the library takes longer to open than to
decode. For the others, the library (Xie et al. 2023, doi:10.13026/9njx-6322) is given a temporary folder
with a plain header and links to the checked signal files. So it never meets a header, a name or a file that it can't
read or reads against header(5). Skew, calibration and missing samples are handled here.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from beatlens.core.record import FloatArray
from beatlens.core.record_faults import RecordFault, resolve_inside
from beatlens.corpora.wfdb.header import Header, SignalLine
from beatlens.corpora.wfdb.names import beside
from beatlens.corpora.wfdb.places import find_file

MILLIVOLTS = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}
"""Millivolts in a unit, by its name in lower case; both characters for micro."""

BYTES_PER_SAMPLE = {
    form: Fraction(size) for form, size in ((8, 1), (16, 2), (24, 3), (32, 4), (61, 2), (80, 1), (160, 2))
}
BYTES_PER_SAMPLE |= {212: Fraction(3, 2), 310: Fraction(4, 3), 311: Fraction(4, 3)}
"""Bytes that a sample takes, by WFDB format; compressed formats are left out."""

FLAC = frozenset({508, 516, 524})
_DIFFERENCES = 8
_PLAIN = 16

NO_VALUE = {80: -(2**7), 508: -(2**7), 310: -(2**9), 311: -(2**9), 212: -(2**11), 24: -(2**23), 524: -(2**23)}
NO_VALUE |= {16: -(2**15), 61: -(2**15), 160: -(2**15), 516: -(2**15), 32: -(2**31)}
"""The stored value that means "no value", by format; format 8 has none."""

MAX_SAMPLES = 1 << 29
"""Most samples of a record, all signals together: twelve leads at 500 Hz for 24 h. More don't fit a job's memory."""

BLOCK_SAMPLES = 1 << 19
"""Samples of a lead of a long record that are decoded at once."""

APART = frozenset({16, 24, 32, 61, 80, 160, 212}) | FLAC
"""WFDB formats of which any stretch can be decoded by itself."""

_MATLAB_TYPES = {0: "double", 1: "single", 2: "int32", 3: "int16", 4: "uint16", 5: "uint8"}
_MATLAB_FORMATS = {16: 3, 32: 2, 160: 4, 80: 5}
_MATLAB_HEAD = 20


class Block(NamedTuple):
    """Frames from `start` to before `stop`, and the stored values of each signal, NaN where there is no value."""

    start: int
    stop: int
    stored: list[npt.NDArray[np.float64]]


def count_frames(folder: Path, path: str, header: Header) -> int:
    """Check that every signal file is there, is what the header says and is long enough, and return the frames.

    Raises
    ------
    RecordFault
        ``missing_signal_file``, ``truncated_signal``, ``zero_length``, ``too_large``, ``wrong_samples``,
        ``malformed_header``, ``unreadable``, ``unsafe_path`` or ``not_a_file``.
    """
    frames = header.n_samples
    if frames == 0:
        raise RecordFault("zero_length", f"{path}.hea: 0 samples")
    for name, group in _groups(path, header):
        file = _signal_file(folder, path, name)
        samples = sum(signal.samples_per_frame for signal in group)
        stored = _stored_samples(file, group[0]) // samples
        if stored == 0:
            wanted = f"; expected {frames} in frames of {samples} samples" if frames else ""
            raise RecordFault(
                "truncated_signal" if frames else "zero_length", f"{file}: {file.stat().st_size} bytes{wanted}"
            )
        frames = stored if frames is None else frames
        if stored < frames:
            raise RecordFault(
                "truncated_signal",
                f"{file}: {file.stat().st_size} bytes, {stored} samples a signal; the header says {frames}",
            )
        with file.open("rb") as stream:
            _check_matlab(stream.read(_MATLAB_HEAD), file, group, frames)
    if frames is None:
        raise RecordFault("zero_length", f"{path}.hea: no signals")
    total = frames * sum(signal.samples_per_frame for signal in header.signals)
    if total > MAX_SAMPLES:
        raise RecordFault("too_large", f"{path}.hea: {total} samples in all; at most {MAX_SAMPLES} are read")
    return frames


def read_samples(
    folder: Path, path: str, header: Header, *, wanted: Sequence[int], frames: int, out: Sequence[FloatArray]
) -> None:
    """Read some signals of a record whose files `count_frames` has checked.

    Parameters
    ----------
    folder, path, header
        The corpus folder, the header's place in it without ending, and what it says.
    wanted
        Places of the signals, all in volts.
    frames
        Frames to read, from the first.
    out
        For each a (frames * samples_per_frame,) float32 array to fill with millivolts, NaN where there is no value.

    Raises
    ------
    RecordFault
        ``wrong_samples`` where the first value or the checksum is another than the header's; ``unreadable``.
    """
    sums, firsts = [0] * len(wanted), [0] * len(wanted)
    for start, stop, stored in _stored_blocks(folder, path, header, frames):
        for k, place in enumerate(wanted):
            signal, values = header.signals[place], stored[place]
            whole = np.nan_to_num(values, nan=NO_VALUE.get(signal.format, 0)).astype(np.int64)
            sums[k] += int(whole.sum())
            firsts[k] = int(whole[0]) if start == 0 else firsts[k]
            part = slice(start * signal.samples_per_frame, stop * signal.samples_per_frame)
            out[k][part] = _millivolts(values, signal)
    for k, place in enumerate(wanted):
        signal = header.signals[place]
        if header.n_samples == frames:
            _check_against_header(path, signal, firsts[k], sums[k])
        late = min(signal.skew, frames) * signal.samples_per_frame
        if late:
            out[k][:-late] = out[k][late:].copy()
            out[k][-late:] = np.nan


def _groups(path: str, header: Header) -> list[tuple[str, list[SignalLine]]]:
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


def _signal_file(folder: Path, path: str, name: str) -> Path:
    found = find_file(folder, beside(path, name), f"{path}.hea: signal file")
    if found is None:
        raise RecordFault("missing_signal_file", f"{folder / beside(path, name)}: no such file")
    return resolve_inside(folder, found, f"{path}.hea: signal file")


def _stored_samples(file: Path, signal: SignalLine) -> int:
    """Return how many samples a file holds, all signals together, without reading them."""
    with file.open("rb") as stream:
        head = stream.read(26)
    if head.startswith((b"MATLAB 5.0", b"MATLAB 7.")):
        raise RecordFault("unreadable", f"{file}: MATLAB file of level 5 or later; expected level 4 (16-bit val)")
    if signal.format in FLAC:
        if not head.startswith(b"fLaC") or len(head) < 26:
            raise RecordFault("truncated_signal" if len(head) < 26 else "wrong_samples", f"{file}: no FLAC file")
        return max((int.from_bytes(head[18:26]) & ((1 << 36) - 1)) - signal.offset, 0) * _flac_channels(head)
    return int(max(file.stat().st_size - signal.offset, 0) // BYTES_PER_SAMPLE[signal.format])


def _flac_channels(head: bytes) -> int:
    return (head[20] >> 1 & 7) + 1


def _check_matlab(head: bytes, file: Path, group: Sequence[SignalLine], frames: int) -> None:
    """Check the matrix of a level-4 MATLAB file, which the header skips, against what the header says."""
    if not file.name.lower().endswith(".mat") or group[0].offset < _MATLAB_HEAD or len(head) < _MATLAB_HEAD:
        return
    kind, rows, columns, imaginary, _ = struct.unpack("<5i", head)
    precision, samples = kind // 10 % 10, sum(signal.samples_per_frame for signal in group)
    expected = _MATLAB_FORMATS.get(group[0].format)
    if kind == precision * 10 and precision == expected and rows == samples and columns >= frames and not imaginary:
        return
    found = f"type {kind}, {rows} by {columns}"
    if kind == precision * 10 and precision in _MATLAB_TYPES:
        found = f"{rows} by {columns} matrix of {_MATLAB_TYPES[precision]}"
    wanted = "another type" if expected is None else _MATLAB_TYPES[expected]
    raise RecordFault("wrong_samples", f"{file}: {found}; the header says {samples} by {frames} of {wanted}")


def _stored_blocks(folder: Path, path: str, header: Header, frames: int) -> Iterator[Block]:
    """Yield the stored values of all signals in blocks."""
    blocks = _blocks(header, frames)
    if all((signal.format, signal.samples_per_frame) == (_PLAIN, 1) for signal in header.signals):
        for start, stop in blocks:
            yield Block(start, stop, _read_plain(folder, path, header, start, stop))
        return
    with _library_record(folder, path, header, frames) as record:
        for start, stop in blocks:
            yield Block(start, stop, _read_block(record, path, start, stop))


def _read_plain(folder: Path, path: str, header: Header, start: int, stop: int) -> list[npt.NDArray[np.float64]]:
    """Return the stored values of signals of format 16, each with one sample a frame, NaN where there is no value."""
    found: list[npt.NDArray[np.float64]] = []
    for name, group in _groups(path, header):
        n, offset = len(group), group[0].offset
        file = _signal_file(folder, path, name)
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
            (folder_of_links / link).symlink_to(_signal_file(folder, path, file).resolve())
        (folder_of_links / "r.hea").write_text("\n".join(lines) + "\n", encoding="ascii")
        yield str(folder_of_links / "r")


def _blocks(header: Header, frames: int) -> list[tuple[int, int]]:
    """Return the frames that are read at once: blocks of a long record in formats of `APART`, else all frames.

    The library decodes in 64-bit numbers, several times the size of the record.
    """
    size = BLOCK_SAMPLES // max(signal.samples_per_frame for signal in header.signals)
    if frames <= size or size < 2 or any(signal.format not in APART for signal in header.signals):
        return [(0, frames)]
    return [(first, min(first + size, frames)) for first in range(0, frames, size)]


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


def _millivolts(stored: npt.NDArray[np.float64], signal: SignalLine) -> npt.NDArray[np.float64]:
    with np.errstate(over="ignore"):
        return (stored - signal.baseline) / signal.gain * MILLIVOLTS[signal.units.lower()]


def _check_against_header(path: str, signal: SignalLine, first: int, total: int) -> None:
    """Check the first value and the checksum of the samples as stored, as the WFDB library in C does.

    A 0 counts as not given, since converters leave it there. The first value isn't checked in a skewed signal, where
    header(5) doesn't settle which value it is, nor in format 8, where it is what the first difference is added to.
    """
    if signal.first and signal.first != first and not signal.skew and signal.format != _DIFFERENCES:
        raise RecordFault(
            "wrong_samples", f"{path}: {signal.name!r} begins with {first}; the header says {signal.first}"
        )
    if signal.checksum and (signal.checksum - total) % (1 << 16):
        raise RecordFault(
            "wrong_samples",
            f"{path}: the samples of {signal.name!r} add up to {total % (1 << 16)} modulo 65536; the header says "
            f"{signal.checksum % (1 << 16)}",
        )
