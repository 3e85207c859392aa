"""Making an attribution of one's own: from annotations in seconds or samples, from a table or from an array."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from beatlens.core.leads import canonical_lead
from beatlens.core.record import Record
from beatlens.explain.result.attribution import Attribution
from beatlens.explain.result.metadata import VALUE, AttributionMeta
from beatlens.workbench.own_attribution import OwnAttribution
from beatlens.workbench.predicted import PredictedRecord

if TYPE_CHECKING:
    import pandas as pd

Meeting = Literal["add", "last"]
MEETINGS = {"add": "values of annotations that overlap add up", "last": "where annotations overlap the later one wins"}
COLUMNS = ("lead", "start", "end", "value")


@dataclass(frozen=True)
class Annotation:
    """A value on a stretch of a lead.

    Attributes
    ----------
    lead
        Its name, by any spelling; None for every lead.
    start, end
        The stretch, in seconds of the record or in samples; the end isn't part of it.
    value
        Above 0 for, below 0 against.
    """

    lead: str | None
    start: float
    end: float
    value: float


def attribution_from_annotations(
    record: PredictedRecord | Record,
    annotations: Iterable[Annotation] | pd.DataFrame,
    *,
    fs: float | None = None,
    overlap: Meeting = "add",
    name: str = "annotations",
) -> OwnAttribution:
    """Make an attribution of values on stretches of leads.

    Parameters
    ----------
    record
        Of `load_record`, `predict` or ``open_run(...).record(...)``.
    annotations
        `Annotation` after `Annotation`, or a table with the columns lead, start, end and value, whose empty lead is
        every lead.
    fs
        Rate in Hz in which start and end are samples; None where they are seconds. The samples of annotation files and
        of beat ids are those of the record's file.
    overlap
        Where annotations overlap, values ``add`` up, or the ``last`` one given wins. The figure says which where any
        do.
    name
        What the figure calls the values.

    Returns
    -------
    OwnAttribution
        Values at the rate of the record, 0 where there is no annotation.

    Raises
    ------
    ValueError
        For no annotations, a lead that the record hasn't got, a stretch that isn't in the record or holds no sample,
        or a value that isn't finite. The annotation is named by its number, from 1.

    Examples
    --------
    >>> from beatlens.api import Annotation, attribution_from_annotations, load_record
    >>> record = load_record("results/corpora/synthetic/c01_1")
    >>> marks = [Annotation("V1", 1.0, 1.2, 0.8), Annotation("II", 1.5, 2.0, -0.3)]
    >>> attribution = attribution_from_annotations(record, marks)
    >>> attribution.plot(figures={"style": "width", "top_leads": 2}).savefig("marks.svg")
    """
    if overlap not in MEETINGS:
        raise ValueError(f"overlap {overlap!r}; expected one of {', '.join(MEETINGS)}")
    if fs is not None and not fs > 0:
        raise ValueError(f"fs {fs} Hz; expected a rate > 0, or None for seconds")
    listed = _of_table(annotations) if hasattr(annotations, "columns") else list(annotations)
    if not listed:
        raise ValueError("no annotations; expected one or more")
    values, count = np.zeros(record.signal.shape, np.float64), np.zeros(record.signal.shape, np.int64)
    for number, one in enumerate(listed, start=1):
        rows, part = _place(record, one, number, fs)
        for row in rows:
            values[row, part] = one.value + (values[row, part] if overlap == "add" else 0.0)
            count[row, part] += 1
    note = MEETINGS[overlap] if (count > 1).any() else ""
    return OwnAttribution(_attribution(record, values, record.leads, name=name), record, note)


def attribution_from_values(
    record: PredictedRecord | Record,
    values: npt.ArrayLike | pd.DataFrame,
    leads: Sequence[str] | None = None,
    *,
    fs: float | None = None,
    start_s: float = 0.0,
    name: str = "values",
) -> OwnAttribution:
    """Make an attribution of a value for each sample.

    Parameters
    ----------
    record
        As for `attribution_from_annotations`.
    values
        (n_leads, n_samples) with `leads`, or a table with a column a lead and a row a sample.
    leads
        Names of the rows of `values`, by any spelling; for a table, of some of its columns, by default all.
    fs
        Rate of the values in Hz; by default that of the record.
    start_s
        Time of the first sample in the record, in seconds.
    name
        What the figure calls the values.

    Returns
    -------
    OwnAttribution
        In the leads given, over the stretch given.

    Raises
    ------
    ValueError
        For values without names of leads or of another shape, a lead that the record hasn't got or that is there twice,
        a value that isn't finite, or a stretch that isn't in the record.

    Examples
    --------
    >>> from beatlens.api import attribution_from_values, load_record
    >>> record = load_record("results/corpora/synthetic/c01_1")
    >>> attribution_from_values(record, abs(record.signal[:2]), record.leads[:2]).values.shape
    (2, 5000)
    """
    names, array = _rows_of(values, leads)
    if array.ndim != 2 or len(array) != len(names) or array.shape[1] < 1:
        raise ValueError(f"values of shape {array.shape} with {len(names)} leads; expected (leads, samples)")
    known = [record.leads[_row(record, lead, "values")] for lead in names]
    if len(set(known)) != len(known):
        raise ValueError(f"leads {names} are {known} in the record; expected each once")
    if not np.isfinite(array).all():
        raise ValueError(f"values: {int((~np.isfinite(array)).sum())} that are not finite; expected finite numbers")
    rate = float(record.fs) if fs is None else fs
    if not rate > 0:
        raise ValueError(f"fs {fs} Hz; expected a rate > 0")
    duration_s, end_s = record.signal.shape[1] / float(record.fs), start_s + array.shape[1] / rate
    if not (start_s >= 0 and end_s <= duration_s + 1 / rate):
        raise ValueError(
            f"values from {start_s:g} to {end_s:g} s; expected a stretch within {record.corpus}/{record.name}, 0 to "
            f"{duration_s:g} s"
        )
    return OwnAttribution(_attribution(record, array, known, name=name, fs=rate, start_s=start_s), record)


def _rows_of(values: Any, leads: Sequence[str] | None) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Return the names of leads, and an array with a row for each."""
    if hasattr(values, "columns"):
        by_name = {str(column): values[column] for column in values.columns}
        names = list(by_name) if leads is None else list(map(str, leads))
        if missing := [name for name in names if name not in by_name]:
            raise ValueError(f"leads {missing}; expected columns of the table: {', '.join(by_name)}")
        return names, np.array([by_name[name].to_numpy(dtype=np.float64) for name in names])
    if leads is None:
        raise ValueError("values without leads; expected leads, the name of each row")
    return list(map(str, leads)), np.asarray(values, dtype=np.float64)


def _of_table(table: Any) -> list[Annotation]:
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise ValueError(f"annotations without the columns {', '.join(missing)}; expected {', '.join(COLUMNS)}")
    leads = [
        str(lead) if known and lead != "" else None
        for lead, known in zip(table["lead"], table["lead"].notna(), strict=True)
    ]
    numbers = table[list(COLUMNS[1:])].itertuples(index=False, name=None)
    return [Annotation(lead, *map(float, row)) for lead, row in zip(leads, numbers, strict=True)]


def _place(record: PredictedRecord | Record, one: Annotation, number: int, fs: float | None) -> tuple[list[int], slice]:
    """Return the rows and samples of an annotation."""
    what = f"annotation {number}"
    unit, rate = ("s", 1.0) if fs is None else ("samples", fs)
    n_samples, own_rate = record.signal.shape[1], float(record.fs)
    length = n_samples / own_rate * rate
    if not all(map(math.isfinite, (one.start, one.end, one.value))):
        raise ValueError(f"{what}: start {one.start}, end {one.end}, value {one.value}; expected finite numbers")
    if not 0 <= one.start < one.end <= length + rate / own_rate:
        raise ValueError(
            f"{what}: from {one.start:g} to {one.end:g} {unit}; expected an end after the start, within 0 to "
            f"{length:g} {unit}"
        )
    first, stop = round(one.start / rate * own_rate), min(round(one.end / rate * own_rate), n_samples)
    if stop <= first:
        raise ValueError(
            f"{what}: from {one.start:g} to {one.end:g} {unit} holds no sample at {own_rate:g} Hz; expected a longer "
            "stretch"
        )
    rows = list(range(len(record.leads))) if one.lead is None else [_row(record, one.lead, what)]
    return rows, slice(first, stop)


def _row(record: PredictedRecord | Record, lead: str, what: str) -> int:
    standard = [canonical_lead(name) for name in record.leads]
    found = list(record.leads) if lead in record.leads else standard
    wanted = lead if lead in record.leads else canonical_lead(lead)
    if wanted not in found:
        raise ValueError(f"{what}: lead {lead!r}; expected one of {', '.join(record.leads)}")
    return found.index(wanted)


def _attribution(
    record: PredictedRecord | Record,
    values: npt.NDArray[np.float64],
    leads: Sequence[str],
    *,
    name: str,
    fs: float | None = None,
    start_s: float = 0.0,
) -> Attribution:
    meta = AttributionMeta(
        case=f"{record.corpus}-{record.name}",
        corpus=record.corpus,
        record=record.name,
        beat_id="",
        target="given",
        case_class="",
        method=name,
        units=VALUE,
        spread="a sample's value holds for that sample",
    )
    return Attribution(values.astype(np.float32), tuple(leads), float(record.fs if fs is None else fs), start_s, meta)
