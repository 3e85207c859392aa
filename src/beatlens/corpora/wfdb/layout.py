"""The signals of a WFDB record of one or several segments: what the headers name, brought to one array of leads.

An ordinary record is read as a multi-segment record with one segment.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from beatlens.core.record import FloatArray
from beatlens.core.record_faults import RecordFault
from beatlens.corpora.wfdb.header import NULL_SEGMENT, Header, SegmentLine, SignalLine, parse_header
from beatlens.corpora.wfdb.names import beside, same_name
from beatlens.corpora.wfdb.places import read_header_bytes
from beatlens.corpora.wfdb.samples import MAX_SAMPLES, MILLIVOLTS, count_frames, read_samples


@dataclass(frozen=True)
class Layout:
    """The signals of a record, the parts that hold samples, and the frames of the whole.

    A part has all signals, in this order. In a record of variable layout (`varies`) a part may lack some of them.
    """

    signals: Sequence[SignalLine]
    segments: Sequence[Segment]
    frames: int
    varies: bool


@dataclass(frozen=True)
class Segment:
    """Part of a record: the header of the signals that are stored for it, its place, and its first and last frame."""

    path: str
    header: Header
    start: int
    stop: int


def read_header(folder: Path, path: str) -> Header:
    """Read the header of a record and check that it is of that record.

    Raises
    ------
    RecordFault
        ``missing_header``, ``malformed_header``, ``header_names_another_record``, ``unsafe_path`` or ``not_a_file``.
    """
    stem = posixpath.basename(path)
    header = parse_header(read_header_bytes(folder, f"{path}.hea"), f"{path}.hea")
    if not same_name(header.record, stem):
        raise RecordFault(
            "header_names_another_record", f"{path}.hea: record line of {header.record!r}; expected {stem!r}"
        )
    return header


def read_layout(folder: Path, path: str, header: Header) -> Layout:
    """Return the layout of a record, the headers of its segments read and all its files checked."""
    if header.segments is None:
        frames = count_frames(folder, path, header)
        return Layout(header.signals, [Segment(path, header, 0, frames)], frames, varies=False)
    lines = list(header.segments)
    frames = sum(line.n_samples for line in lines)
    if header.n_samples not in (None, frames):
        raise RecordFault("malformed_header", f"{path}.hea: segments of {frames} samples; expected {header.n_samples}")
    names: Header | None = None
    if lines and lines[0].n_samples == 0:
        names = read_header(folder, beside(path, lines.pop(0).name))
    segments: list[Segment] = []
    start = 0
    for line in lines:
        if line.name != NULL_SEGMENT:
            segments.append(_read_segment(folder, path, header, line, start))
        start += line.n_samples
    if not segments:
        raise RecordFault("all_nan", f"{path}.hea: every segment is empty")
    if names is not None:
        return Layout(names.signals, segments, frames, varies=True)
    signals = segments[0].header.signals
    for segment in segments:
        if len(segment.header.signals) != len(signals):
            found = f"{segment.path}.hea: {len(segment.header.signals)} signals"
            raise RecordFault("malformed_header", f"{found}; other segments of {path} have {len(signals)}")
    return Layout(signals, segments, frames, varies=False)


def _read_segment(folder: Path, path: str, header: Header, line: SegmentLine, start: int) -> Segment:
    place = beside(path, line.name)
    segment_header = read_header(folder, place)
    if segment_header.segments is not None:
        raise RecordFault("malformed_header", f"{place}.hea: a segment of {path} that has segments of its own")
    if segment_header.fs not in (None, header.fs):
        raise RecordFault(
            "malformed_header", f"{place}.hea: {segment_header.fs:g} Hz; the record {path} has {header.fs:g} Hz"
        )
    frames = count_frames(folder, place, segment_header)
    if frames != line.n_samples:
        raise RecordFault("truncated_signal", f"{place}: {frames} samples; {path}.hea says {line.n_samples}")
    if start + frames > MAX_SAMPLES:
        raise RecordFault("too_large", f"{path}: more than {MAX_SAMPLES} samples")
    return Segment(place, segment_header, start, start + frames)


def read_leads(folder: Path, layout: Layout, used: Sequence[int]) -> tuple[FloatArray, list[int]]:
    """Return (n_leads, n_samples) mV, NaN where a segment lacks a lead, and each lead's samples a frame."""
    segments = layout.segments
    places = [_places(layout, segment, used) for segment in segments]
    rates = [1] * len(used)
    for segment, place in zip(segments, places, strict=True):
        for lead, k in place.items():
            rates[lead] = max(rates[lead], segment.header.signals[k].samples_per_frame)
    highest, frames = max(rates), layout.frames
    if len(used) * highest * frames > MAX_SAMPLES:
        raise RecordFault("too_large", f"{segments[0].path}: {len(used)} leads of {highest * frames} samples")
    signal = np.full((len(used), highest * frames), np.nan, dtype=np.float32)
    for segment, place in zip(segments, places, strict=True):
        count = segment.stop - segment.start
        targets = [signal[lead, highest * segment.start : highest * segment.stop] for lead in place]
        signals = [segment.header.signals[k] for k in place.values()]
        out = [
            target if one.samples_per_frame == highest else np.empty(count * one.samples_per_frame, dtype=np.float32)
            for target, one in zip(targets, signals, strict=True)
        ]
        read_samples(folder, segment.path, segment.header, wanted=list(place.values()), frames=count, out=out)
        for target, values in zip(targets, out, strict=True):
            if len(values) < len(target):
                target[:] = _resampled(values, len(target))
    return signal, rates


def _places(layout: Layout, segment: Segment, used: Sequence[int]) -> dict[int, int]:
    """Return which signal of a segment each lead of the record is; a lead that the segment lacks is left out."""
    signals = segment.header.signals
    places: dict[int, int] = {}
    for lead, k in enumerate(used):
        alike = (j for j, one in enumerate(signals) if one.name == layout.signals[k].name and j not in places.values())
        place = next(alike, None) if layout.varies else k
        if place is None:
            continue
        if signals[place].units.lower() not in MILLIVOLTS:
            raise RecordFault("unknown_units", f"{segment.path}.hea: {signals[place].name!r} in {signals[place].units}")
        places[lead] = place
    return places


def _resampled(values: FloatArray, n: int) -> FloatArray:
    """Return a lead at a higher rate, (n,); samples beside a missing one are missing."""
    from scipy.signal import resample_poly

    from beatlens.signals.gaps import fill_gaps

    missing = ~np.isfinite(values)
    filled = fill_gaps(values[None])[0][0] if missing.any() else values
    step = int(np.gcd(n, len(values)))
    raised = resample_poly(filled.astype(np.float64), n // step, len(values) // step, padtype="line")
    at = np.arange(n) * (len(values) / n)
    before, after = np.floor(at).astype(np.int64), np.minimum(np.ceil(at).astype(np.int64), len(values) - 1)
    raised[missing[before] | missing[after]] = np.nan
    result: FloatArray = raised.astype(np.float32)
    return result
