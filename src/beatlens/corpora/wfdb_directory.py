"""Reading one record of a WFDB folder: MIT-BIH style (.dat/.hea/.atr), PhysioNet Challenge (.mat/.hea) and our own.

Everything that can be wrong with a record ends as a `RecordFault`; nothing is written, and no path that leads out of
the corpus folder is opened. An ordinary record is read as one of several segments is: with one that is all of it.
"""

from __future__ import annotations

import logging
import posixpath
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from beatlens.corpora.annotation_file import MAX_BYTES, parse_annotations
from beatlens.corpora.header import (
    NULL_SEGMENT,
    Header,
    SegmentLine,
    SignalLine,
    beside,
    parse_header,
    plain_text,
    same_name,
)
from beatlens.corpora.places import find_file, read_header_bytes
from beatlens.corpora.samples import MAX_SAMPLES, MILLIVOLTS, count_frames, read_samples
from beatlens.faults import RecordFault, resolve_inside, safe_name
from beatlens.leads import canonical_lead
from beatlens.records import Annotations, Finding, FloatArray, Record, TruthSpan
from beatlens.time_limit import time_limit

logger = logging.getLogger(__name__)

MAX_OUTSIDE = 0.01
"""Share of annotations outside the signal above which they belong to another recording; below, they are dropped."""

SLOWEST_S, SLOWEST_FRAMES = 60.0, 1e6
"""A record that takes longer than this to read, and this many more frames a second, is given up."""


@dataclass(frozen=True)
class _Stretch:
    """Part of a record: the header of the signals that are stored for it, its place, and its first and last frame."""

    path: str
    header: Header
    start: int
    stop: int


def read_record(
    folder: Path,
    path: str,
    corpus: str,
    patients: Mapping[str, str] | None = None,
    annotator: str | None = "atr",
) -> Record:
    """Read one record.

    Parameters
    ----------
    folder
        The corpus folder.
    path
        The record's header in it, relative and without ending.
    corpus
        Name of the corpus.
    patients
        Patient ids by record. A record that isn't there has the id of its ``#Patient:`` comment, or else its own name.
    annotator
        Ending of the annotation file; None to read none. A record without that file has no annotations.

    Returns
    -------
    Record
        Its leads in millivolts, all at the highest rate that one of them has; other signals are left out with a remark.
        Annotations outside the signal are dropped with a warning.

    Raises
    ------
    RecordFault
        With the reason, whatever is wrong.
    """
    where = f"{corpus}/{path}"
    try:
        header = read_header(folder, path)
        limit = SLOWEST_S + min(header.n_samples or MAX_SAMPLES, MAX_SAMPLES) / SLOWEST_FRAMES
        with time_limit(limit):
            return _read_record(folder, path, corpus, header, patients or {}, annotator)
    except RecordFault:
        raise
    except TimeoutError as error:
        raise RecordFault("too_slow", f"{where}: {error}") from error
    except Exception as error:
        raise RecordFault("unreadable", f"{where}: {type(error).__name__}: {error}") from error


def record_name(path: str) -> str:
    """Return the id of a record from its header's place: the file's name, made safe."""
    return safe_name(unicodedata.normalize("NFC", posixpath.basename(path)))


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


def _read_record(
    folder: Path, path: str, corpus: str, header: Header, patients: Mapping[str, str], annotator: str | None
) -> Record:
    if header.fs is None:
        raise RecordFault("unknown_fs", f"{path}.hea: no sampling rate above 0 in the record line")
    layout, stretches = _stretches(folder, path, header)
    used = [signal for signal in layout if signal.units.lower() in MILLIVOLTS]
    others = [f"{signal.name or 'a signal'} in {signal.units}" for signal in layout if signal not in used]
    if not layout:
        raise RecordFault("zero_length", f"{path}.hea: no signals")
    if not used:
        raise RecordFault("unknown_units", f"{path}.hea: {', '.join(others)}; expected one in V, mV, uV or nV")
    signal, rates = _read_leads(folder, used, stretches)
    highest = max(rates)
    fs = header.fs * highest
    leads = _lead_names(used)
    slower = [f"{lead} from {header.fs * rate:g}" for lead, rate in zip(leads, rates, strict=True) if rate < highest]
    found = [Finding("other_signals", f"left out: {', '.join(others)}")] if others else []
    found += [Finding("resampled_leads", f"{', '.join(slower)} to {fs:g} Hz")] if slower else []
    notes = stretches[0].header.notes | header.notes
    name = record_name(path)
    n_samples = signal.shape[1]
    return Record(
        corpus=corpus,
        name=name,
        patient=patients.get(name) or notes.get("patient") or name,
        signal=_checked(signal, f"{folder / path}"),
        fs=fs,
        leads=leads,
        annotations=None if annotator is None else _read_annotations(folder, path, annotator, n_samples, fs, highest),
        dx=header.dx,
        truth=_read_truth(folder, path, fs),
        remarks=tuple(found),
    )


def _stretches(folder: Path, path: str, header: Header) -> tuple[Sequence[SignalLine], list[_Stretch]]:
    """Return the signals of a record and the parts that hold samples, their files checked."""
    if header.segments is None:
        return header.signals, [_Stretch(path, header, 0, count_frames(folder, path, header))]
    segments = list(header.segments)
    total = sum(segment.n_samples for segment in segments)
    if header.n_samples is not None and total != header.n_samples:
        raise RecordFault("malformed_header", f"{path}.hea: segments of {total} samples; expected {header.n_samples}")
    layout: Header | None = None
    if segments and segments[0].n_samples == 0:  # a header without samples that names the signals of all segments
        layout = read_header(folder, beside(path, segments.pop(0).name))
    stretches: list[_Stretch] = []
    start = 0
    for segment in segments:
        if segment.name != NULL_SEGMENT:
            stretches.append(_segment(folder, path, header, segment, start))
        start += segment.n_samples
    if not stretches:
        raise RecordFault("all_nan", f"{path}.hea: every segment is empty")
    return (layout or stretches[0].header).signals, stretches


def _segment(folder: Path, path: str, header: Header, segment: SegmentLine, start: int) -> _Stretch:
    place = beside(path, segment.name)
    own = read_header(folder, place)
    if own.segments is not None:
        raise RecordFault("malformed_header", f"{place}.hea: a segment of {path} that has segments of its own")
    if own.fs not in (None, header.fs):
        raise RecordFault("malformed_header", f"{place}.hea: {own.fs:g} Hz; the record {path} has {header.fs:g} Hz")
    frames = count_frames(folder, place, own)
    if frames != segment.n_samples:
        raise RecordFault("truncated_signal", f"{place}: {frames} samples; {path}.hea says {segment.n_samples}")
    if start + frames > MAX_SAMPLES:
        raise RecordFault("too_large", f"{path}: more than {MAX_SAMPLES} samples")
    return _Stretch(place, own, start, start + frames)


def _read_leads(
    folder: Path, used: Sequence[SignalLine], stretches: Sequence[_Stretch]
) -> tuple[FloatArray, list[int]]:
    """Return (n_leads, n_samples) mV, NaN where a segment lacks a lead, and each lead's samples a frame."""
    places = [_places(stretch, used, alone=len(stretches) == 1) for stretch in stretches]
    rates = [1] * len(used)
    for stretch, place in zip(stretches, places, strict=True):
        for lead, k in place.items():
            rates[lead] = max(rates[lead], stretch.header.signals[k].samples_per_frame)
    highest, frames = max(rates), stretches[-1].stop
    if len(used) * highest * frames > MAX_SAMPLES:
        raise RecordFault("too_large", f"{stretches[0].path}: {len(used)} leads of {highest * frames} samples")
    signal = np.full((len(used), highest * frames), np.nan, dtype=np.float32)
    for stretch, place in zip(stretches, places, strict=True):
        count = stretch.stop - stretch.start
        targets = [signal[lead, highest * stretch.start : highest * stretch.stop] for lead in place]
        signals = [stretch.header.signals[k] for k in place.values()]
        out = [
            target if one.samples_per_frame == highest else np.empty(count * one.samples_per_frame, dtype=np.float32)
            for target, one in zip(targets, signals, strict=True)
        ]
        read_samples(folder, stretch.path, stretch.header, list(place.values()), count, out)
        for target, values in zip(targets, out, strict=True):
            if len(values) < len(target):
                target[:] = _resampled(values, len(target))
    return signal, rates


def _places(stretch: _Stretch, used: Sequence[SignalLine], alone: bool) -> dict[int, int]:
    """Return which signal of a segment each lead of the record is, by name and, of equal names, by order."""
    places: dict[int, int] = {}
    signals = stretch.header.signals
    for lead, wanted in enumerate(used):
        free = [k for k, one in enumerate(signals) if one.name == wanted.name and k not in places.values()]
        free = [k for k in free if signals[k].units.lower() in MILLIVOLTS]
        if free:
            places[lead] = free[0]
        elif alone:
            raise RecordFault("unknown_leads", f"{stretch.path}.hea: no signal {wanted.name!r} in volts")
    return places


def _resampled(values: FloatArray, n: int) -> FloatArray:
    """Return a lead at a higher rate, (n,); samples beside a missing one are missing."""
    from scipy.signal import resample_poly

    from beatlens.signal import fill_gaps

    missing = ~np.isfinite(values)
    filled = fill_gaps(values[None])[0][0] if missing.any() else values
    step = int(np.gcd(n, len(values)))
    raised = resample_poly(filled.astype(np.float64), n // step, len(values) // step, padtype="line")
    at = np.arange(n) * (len(values) / n)
    before, after = np.floor(at).astype(np.int64), np.minimum(np.ceil(at).astype(np.int64), len(values) - 1)
    raised[missing[before] | missing[after]] = np.nan
    return raised.astype(np.float32)


def _checked(signal: FloatArray, where: str) -> FloatArray:
    """Return the signal with NaN for all that isn't finite; a fault where nothing is left or all leads are constant."""
    finite = np.isfinite(signal)
    if not finite.all():
        signal[~finite] = np.nan
    if not finite.any():
        raise RecordFault("all_nan", f"{where}: no valid sample in any lead")
    present = [lead if valid.all() else lead[valid] for lead, valid in zip(signal, finite, strict=True) if valid.any()]
    if all(np.ptp(lead) == 0 for lead in present):
        raise RecordFault("flat", f"{where}: every lead is constant")
    return signal


def _lead_names(signals: Sequence[SignalLine]) -> tuple[str, ...]:
    """Return canonical lead names; a name that comes again gets a number, since leads are addressed by name."""
    names: list[str] = []
    for k, signal in enumerate(signals, start=1):
        name = canonical_lead(signal.name.replace(";", "_")) or f"signal {k}"
        copies = sum(1 for other in names if other == name or other.startswith(f"{name} ("))
        names.append(f"{name} ({copies + 1})" if copies else name)
    return tuple(names)


def _read_annotations(
    folder: Path, path: str, annotator: str, n_samples: int, fs: float, per_frame: int
) -> Annotations | None:
    """Read annotations, whose times are frames, or in the resolution that their file gives."""
    name = find_file(folder, f"{path}.{annotator}", "annotations")
    if name is None:
        return None
    file = resolve_inside(folder, name, "annotations")
    if file.stat().st_size > MAX_BYTES:
        raise RecordFault("too_large", f"{file}: {file.stat().st_size} bytes; at most {MAX_BYTES} are read")
    found = parse_annotations(file.read_bytes(), str(file))
    scale = per_frame if found.rate is None else fs / found.rate
    sample = np.rint(found.sample * scale).astype(np.int64)
    inside = np.flatnonzero((sample >= 0) & (sample < n_samples))
    outside = len(sample) - len(inside)
    if outside > MAX_OUTSIDE * len(sample):
        raise RecordFault("bad_annotations", f"{file}: {outside} of {len(sample)} annotations lie outside the signal")
    if outside:
        logger.warning("%s: %d annotations outside the signal dropped", file, outside)
    order = inside[np.argsort(sample[inside], kind="stable")]
    return Annotations(
        sample=sample[order],
        symbol=tuple(found.symbol[k] for k in order),
        aux=tuple(found.aux[k] for k in order),
        subtype=tuple(found.subtype[k] for k in order),
    )


def _read_truth(folder: Path, path: str, fs: float) -> tuple[TruthSpan, ...]:
    name = find_file(folder, f"{path}.truth.csv", "truth")
    if name is None:
        return ()
    from beatlens.corpora.synthetic import read_truth

    return tuple(read_truth(resolve_inside(folder, name, "truth"), fs))
