"""Samples of a WFDB record without segments, in millivolts, held against the header."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from beatlens.core.record import FloatArray
from beatlens.core.record_faults import RecordFault
from beatlens.corpora.wfdb.header import Header, SignalLine
from beatlens.corpora.wfdb.stored_values import (
    BYTES_PER_SAMPLE,
    FLAC,
    NO_VALUE,
    by_file,
    signal_file,
    stored_blocks,
)

MILLIVOLTS = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}
"""Millivolts in a unit, by its name in lower case; both characters for micro."""

_DIFFERENCES = 8

MAX_SAMPLES = 1 << 29
"""Most samples of a record, all signals together: twelve leads at 500 Hz for 24 h. More don't fit a job's memory."""

_MATLAB_TYPES = {0: "double", 1: "single", 2: "int32", 3: "int16", 4: "uint16", 5: "uint8"}
_MATLAB_FORMATS = {16: 3, 32: 2, 160: 4, 80: 5}
_MATLAB_HEAD, _MATLAB_NAME = 20, 64
"""Bytes before the name of a matrix, and of the longest name."""

LONGER = 1.1
"""Samples a signal of a file over those that its header says from which on it is told."""


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
    for name, group in by_file(path, header):
        file = signal_file(folder, path, name)
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


def longer_files(folder: Path, path: str, header: Header, frames: int) -> list[str]:
    """Return which of the files that `count_frames` checked hold many more samples than are read, in words."""
    found = []
    for name, group in by_file(path, header):
        samples = sum(signal.samples_per_frame for signal in group)
        stored = _stored_samples(signal_file(folder, path, name), group[0]) // samples
        if stored > LONGER * frames:
            found.append(f"{name} holds {stored} samples a signal; the header says {frames}")
    return found


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
    for start, stop, stored in stored_blocks(folder, path, header, frames):
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
    """Check the matrix of a level-4 MATLAB file against what the header says of it and of where its samples begin."""
    if not file.name.lower().endswith(".mat") or len(head) < _MATLAB_HEAD:
        return
    kind, rows, columns, imaginary, name_length = struct.unpack("<5i", head)
    precision, samples, offset = kind // 10 % 10, sum(signal.samples_per_frame for signal in group), group[0].offset
    is_matrix = kind == precision * 10 and min(rows, columns, name_length) > 0 and name_length <= _MATLAB_NAME
    if offset < _MATLAB_HEAD and not is_matrix:
        return  # plain samples under such a name
    expected = _MATLAB_FORMATS.get(group[0].format)
    if kind == precision * 10 and precision == expected and rows == samples and columns >= frames and not imaginary:
        begin = _MATLAB_HEAD + name_length
        if offset != begin:
            raise RecordFault("wrong_samples", f"{file}: samples begin at byte {begin}; the header says {offset}")
        return
    found = f"type {kind}, {rows} by {columns}"
    if kind == precision * 10 and precision in _MATLAB_TYPES:
        found = f"{rows} by {columns} matrix of {_MATLAB_TYPES[precision]}"
    wanted = "another type" if expected is None else _MATLAB_TYPES[expected]
    raise RecordFault("wrong_samples", f"{file}: {found}; the header says {samples} by {frames} of {wanted}")


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
