"""Reading one record of a WFDB folder: MIT-BIH style (.dat/.hea/.atr), PhysioNet Challenge (.mat/.hea) and our own.

Everything that can be wrong with a record ends as a `RecordFault`; nothing is written, and no path that leads out of
the corpus folder is opened. Samples are decoded by the WFDB library (Xie et al. 2023, doi:10.13026/9njx-6322).
"""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from beatlens.core.leads import canonical_lead
from beatlens.core.record import Annotations, FloatArray, Record, TruthSpan
from beatlens.core.record_faults import RecordFault, check_name, resolve_inside
from beatlens.corpora.header import MAX_HEADER_BYTES, Header, beside, parse_header

logger = logging.getLogger(__name__)

MILLIVOLTS = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}
"""Millivolts in a unit, by its name in lower case; both characters for micro."""

BYTES_PER_SAMPLE = {8: 1.0, 16: 2.0, 24: 3.0, 32: 4.0, 61: 2.0, 80: 1.0, 160: 2.0, 212: 1.5, 310: 4 / 3, 311: 4 / 3}
"""Of the WFDB formats that are not compressed."""

BLOCK_SAMPLES = 1 << 19
"""Samples a lead of a long record that are decoded at once."""

APART = frozenset({16, 24, 32, 80, 212})
"""WFDB formats that say each sample by itself, in whole bytes or pairs of samples."""

MAX_OUTSIDE = 0.01
"""Share of annotations outside the signal above which they belong to another recording; below, they are dropped."""


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
        In millivolts at the file's rate. Annotations outside the signal are dropped with a warning.

    Raises
    ------
    RecordFault
        With the reason, whatever is wrong.
    """
    where = f"{corpus}/{path}"
    try:
        name = check_name(posixpath.basename(path), f"{corpus}: record")
        header = _read_header(folder, path, name)
        _check_files(folder, path, header)
        signal, fs = _read_signal(folder, path, header)
        return Record(
            corpus=corpus,
            name=name,
            patient=(patients or {}).get(name) or header.notes.get("patient") or name,
            signal=signal,
            fs=fs,
            leads=_lead_names(header),
            annotations=None if annotator is None else _read_annotations(folder, path, annotator, signal.shape[1], fs),
            dx=header.dx,
            truth=_read_truth(folder, path, fs),
        )
    except RecordFault:
        raise
    except Exception as error:
        raise RecordFault("unreadable", f"{where}: {type(error).__name__}: {error}") from error


def _read_header(folder: Path, path: str, name: str) -> Header:
    file = resolve_inside(folder, f"{path}.hea", "header")
    if not file.is_file():
        raise RecordFault("missing_header", f"{file}: no such file")
    with file.open("rb") as stream:
        header = parse_header(stream.read(MAX_HEADER_BYTES), str(file))
    if header.record != name:
        raise RecordFault("header_names_another_record", f"{file}: record line of {header.record!r}; expected {name!r}")
    if header.segments is not None:
        raise RecordFault("unreadable", f"{file}: {header.segments} segments; expected a record of one segment")
    if header.fs is None:
        raise RecordFault("unknown_fs", f"{file}: no sampling rate above 0 in the record line")
    if not header.signals:
        raise RecordFault("zero_length", f"{file}: no signals")
    for signal in header.signals:
        if signal.units.lower() not in MILLIVOLTS:
            raise RecordFault("unknown_units", f"{file}: {signal.name!r} in {signal.units!r}; expected V, mV, uV or nV")
    return header


def _check_files(folder: Path, path: str, header: Header) -> None:
    """Check that every signal file lies in the corpus, is there and is long enough."""
    frames = header.n_samples
    for name in header.signal_files:
        file = resolve_inside(folder, beside(path, name), f"{path}.hea: signal file")
        if not file.is_file():
            raise RecordFault("missing_signal_file", f"{file}: no such file")
        own = [signal for signal in header.signals if signal.file == name]
        with file.open("rb") as stream:
            start = stream.read(10)
        if start.startswith((b"MATLAB 5.0", b"MATLAB 7.")):
            raise RecordFault("unreadable", f"{file}: MATLAB file of level 5 or later; expected level 4 (16-bit val)")
        per_sample = BYTES_PER_SAMPLE.get(own[0].format)
        if per_sample is None:
            continue
        samples = (frames or 0) * sum(signal.samples_per_frame for signal in own)
        size, expected = file.stat().st_size, own[0].offset + int(samples * per_sample)
        if size < expected:
            raise RecordFault("truncated_signal", f"{file}: {size} bytes; expected {expected} for {frames} samples")
        if size <= own[0].offset:
            raise RecordFault("zero_length", f"{file}: no samples")
    if frames == 0:
        raise RecordFault("zero_length", f"{path}.hea: 0 samples")


def _read_signal(folder: Path, path: str, header: Header) -> tuple[FloatArray, float]:
    """Return (n_leads, n_samples) mV and the rate in Hz."""
    blocks = _blocks(header)
    if len(blocks) == 1:
        signal = _read_block(folder, path, header, *blocks[0])
    else:
        signal = np.empty((len(header.signals), header.n_samples or 0), dtype=np.float32)
        for first, last in blocks:
            signal[:, first:last] = _read_block(folder, path, header, first, last)
    finite = np.isfinite(signal)
    if not finite.all():
        signal[~finite] = np.nan
    if not finite.any():
        raise RecordFault("all_nan", f"{folder / path}: no valid sample in any lead")
    present = [lead if valid.all() else lead[valid] for lead, valid in zip(signal, finite, strict=True) if valid.any()]
    if all(np.ptp(lead) == 0 for lead in present):
        raise RecordFault("flat", f"{folder / path}: every lead is constant")
    assert header.fs is not None
    return signal, header.fs


def _blocks(header: Header) -> list[tuple[int, int | None]]:
    """Return the samples that are read at once: all, but of a long record whose samples are stored one by one.

    The library decodes in 64-bit numbers, several times the size of the record.
    """
    n = header.n_samples or 0
    apart = all(
        signal.format in APART and signal.samples_per_frame == 1 and not signal.skew for signal in header.signals
    )
    if n <= BLOCK_SAMPLES or not apart:
        return [(0, None)]
    return [(first, min(first + BLOCK_SAMPLES, n)) for first in range(0, n, BLOCK_SAMPLES)]


def _read_block(folder: Path, path: str, header: Header, first: int, last: int | None) -> FloatArray:
    """Return samples `first` to `last` (None: to the end), (n_leads, n) mV."""
    import wfdb

    try:
        record = wfdb.rdrecord(
            str((folder / path).resolve()), sampfrom=first, sampto=last, physical=True, return_res=64
        )
    except (wfdb.io.header.HeaderSyntaxError, ValueError, IndexError, KeyError, TypeError) as error:
        raise RecordFault("malformed_header", f"{folder / path}.hea: {error}") from error
    values: npt.NDArray[np.float64] = np.asarray(record.p_signal)
    if values.ndim != 2 or values.shape[0] == 0:
        raise RecordFault("zero_length", f"{folder / path}: no samples")
    if values.shape[1] != len(header.signals):
        raise RecordFault("malformed_header", f"{folder / path}: {values.shape[1]} signals, not {len(header.signals)}")
    signal = np.empty(values.T.shape, dtype=np.float32)
    with np.errstate(over="ignore"):
        for lead, column, entry in zip(signal, values.T, header.signals, strict=True):
            lead[:] = column * MILLIVOLTS[entry.units.lower()]
    return signal


def _lead_names(header: Header) -> tuple[str, ...]:
    """Return canonical lead names; a name that comes again gets a number, since leads are addressed by name."""
    names: list[str] = []
    for k, signal in enumerate(header.signals, start=1):
        name = canonical_lead(signal.name.replace(";", "_")) or f"signal {k}"
        copies = sum(1 for other in names if other == name or other.startswith(f"{name} ("))
        names.append(f"{name} ({copies + 1})" if copies else name)
    return tuple(names)


def _read_annotations(folder: Path, path: str, annotator: str, n_samples: int, fs: float) -> Annotations | None:
    file = resolve_inside(folder, f"{path}.{annotator}", "annotations")
    if not file.is_file():
        return None
    import wfdb

    try:
        found: Any = wfdb.rdann(str((folder / path).resolve()), annotator)
    except Exception as error:
        raise RecordFault("bad_annotations", f"{file}: {type(error).__name__}: {error}") from error
    scale = fs / found.fs if found.fs else 1.0
    sample = np.rint(np.asarray(found.sample) * scale).astype(np.int64)
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
        aux=tuple((found.aux_note[k] or "").rstrip("\0").strip() for k in order),
        subtype=tuple(int(found.subtype[k]) for k in order),
    )


def _read_truth(folder: Path, path: str, fs: float) -> tuple[TruthSpan, ...]:
    file = resolve_inside(folder, f"{path}.truth.csv", "truth")
    if not file.is_file():
        return ()
    from beatlens.corpora.synthetic import read_truth

    return tuple(read_truth(file, fs))
