"""Reading one record of a WFDB folder: MIT-BIH style (.dat/.hea/.atr), PhysioNet Challenge (.mat/.hea) and our own.

Everything that can be wrong with a record ends as a `RecordFault`; nothing is written, and no path that leads out of
the corpus folder is opened.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from beatlens.core.record import Annotations, Finding, FloatArray, Record, TruthSpan
from beatlens.core.record_faults import RecordFault, resolve_inside
from beatlens.corpora.formats.rules import ReadingRules
from beatlens.corpora.wfdb.annotation_file import MAX_BYTES, parse_annotations
from beatlens.corpora.wfdb.header import UNCALIBRATED, Header, SignalLine
from beatlens.corpora.wfdb.layout import Layout, read_header, read_layout, read_leads
from beatlens.corpora.wfdb.person import person_of
from beatlens.corpora.wfdb.places import find_file, record_name
from beatlens.corpora.wfdb.samples import MAX_SAMPLES, MILLIVOLTS, longer_files
from beatlens.corpora.wfdb.time_limit import time_limit

logger = logging.getLogger(__name__)

MAX_OUTSIDE = 0.01
"""Share of annotations outside the signal. Above it they belong to another recording; up to it, those are dropped."""

NO_RULES = ReadingRules()
SLOWEST_S, SLOWEST_FRAMES = 60.0, 1e6
"""A record is given up where reading it takes more than so many seconds and another one for each so many frames."""


def read_record(
    folder: Path,
    path: str,
    corpus: str,
    patients: Mapping[str, str] | None = None,
    annotator: str | None = "atr",
    *,
    rules: ReadingRules = NO_RULES,
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
        Patient ids by record. A record that isn't there has the id of its ``#Patient:`` comment, or else the one that
        `rules` find in its name, or else its own name.
    annotator
        Ending of the annotation file; None to read none. A record without that file has no annotations.
    rules
        What the names in its files mean.

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
            return _read_record(
                folder, path, header, corpus=corpus, patients=patients or {}, annotator=annotator, rules=rules
            )
    except RecordFault:
        raise
    except TimeoutError as error:
        raise RecordFault("too_slow", f"{where}: {error}") from error
    except Exception as error:
        raise RecordFault("unreadable", f"{where}: {type(error).__name__}: {error}") from error


def _read_record(
    folder: Path,
    path: str,
    header: Header,
    *,
    corpus: str,
    patients: Mapping[str, str],
    annotator: str | None,
    rules: ReadingRules,
) -> Record:
    if header.fs is None:
        raise RecordFault("unknown_fs", f"{path}.hea: no sampling rate above 0 in the record line")
    layout = read_layout(folder, path, header)
    used = [k for k, signal in enumerate(layout.signals) if signal.units.lower() in MILLIVOLTS]
    others = [
        f"{signal.name or 'a signal'} in {signal.units}"
        for signal in layout.signals
        if signal.units.lower() not in MILLIVOLTS
    ]
    if not used:
        raise RecordFault("unknown_units", f"{path}.hea: {', '.join(others)}; expected one in V, mV, uV or nV")
    signal, rates = read_leads(folder, layout, used)
    highest = max(rates)
    fs = header.fs * highest
    leads = _lead_names([layout.signals[k] for k in used], rules)
    slower = [f"{lead} from {header.fs * rate:g}" for lead, rate in zip(leads, rates, strict=True) if rate < highest]
    found = [Finding("other_signals", f"left out: {', '.join(others)}")] if others else []
    found += [Finding("resampled_leads", f"{', '.join(slower)} to {fs:g} Hz")] if slower else []
    found += _doubts(folder, layout, leads)
    notes = layout.segments[0].header.notes | header.notes
    person = person_of(dict.fromkeys((*header.comments, *layout.segments[0].header.comments)))
    name = record_name(path)
    signal = _checked(signal, f"{folder / path}")
    annotations = None
    if annotator is not None:
        annotations = _read_annotations(folder, path, annotator, n_samples=signal.shape[1], fs=fs, per_frame=highest)
    return Record(
        corpus=corpus,
        name=name,
        patient=patients.get(name) or notes.get("patient") or person.patient or rules.patient(name) or name,
        signal=signal,
        fs=fs,
        leads=leads,
        annotations=annotations,
        dx=header.dx,
        truth=_read_truth(folder, path, fs),
        age=person.age,
        sex=person.sex,
        remarks=(*found, *person.findings),
    )


def _doubts(folder: Path, layout: Layout, leads: Sequence[str]) -> list[Finding]:
    """Return remarks on what a header leaves open."""
    found = []
    stored = [signal for segment in layout.segments for signal in segment.header.signals]
    bare = [
        signal.name or "a signal" for signal in stored if signal.units.lower() in MILLIVOLTS and not signal.has_gain
    ]
    if bare:
        names = ", ".join(dict.fromkeys(bare))
        found.append(Finding("assumed_gain", f"{names}: no gain in the header; {UNCALIBRATED:g} units a mV are taken"))
    copies = [lead for lead in leads if lead.endswith(")") and lead.rpartition(" (")[0] in leads]
    if copies:
        found.append(Finding("same_lead", f"{', '.join(copies)}: the first signal of each name is used"))
    longer = [
        words
        for segment in layout.segments
        for words in longer_files(folder, segment.path, segment.header, segment.stop - segment.start)
    ]
    if longer:
        found.append(Finding("longer_file", "; ".join(longer[:3])))
    return found


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


def _lead_names(signals: Sequence[SignalLine], rules: ReadingRules) -> tuple[str, ...]:
    """Return the names of leads; one that comes again gets a number, since leads are addressed by name."""
    names: list[str] = []
    for k, signal in enumerate(signals, start=1):
        name = rules.lead(signal.name.replace(";", "_")) or f"signal {k}"
        copies = sum(1 for other in names if other == name or other.startswith(f"{name} ("))
        names.append(f"{name} ({copies + 1})" if copies else name)
    return tuple(names)


def _read_annotations(
    folder: Path, path: str, annotator: str, *, n_samples: int, fs: float, per_frame: int
) -> Annotations | None:
    """Read annotations. Their times count frames, unless the file gives a resolution."""
    name = find_file(folder, f"{path}.{annotator}", "annotations")
    if name is None:
        return None
    file = resolve_inside(folder, name, "annotations")
    if file.stat().st_size > MAX_BYTES:
        raise RecordFault("too_large", f"{file}: {file.stat().st_size} bytes; at most {MAX_BYTES} are read")
    found = parse_annotations(file.read_bytes(), str(file))
    scale = per_frame if found.rate is None else fs / found.rate
    at = np.rint(found.sample * scale)
    inside = np.flatnonzero((at >= 0) & (at < n_samples))
    outside = len(at) - len(inside)
    if outside > MAX_OUTSIDE * len(at):
        raise RecordFault("bad_annotations", f"{file}: {outside} of {len(at)} annotations lie outside the signal")
    if outside:
        logger.warning("%s: %d annotations outside the signal dropped", file, outside)
    order = inside[np.argsort(at[inside], kind="stable")]
    return Annotations(
        sample=at[order].astype(np.int64),
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
