"""The annotated beats of a record: their samples, symbols and classes by the label table, and the annotated noise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from beatlens.core.record import Finding, Record
from beatlens.corpora.label_table import UNKNOWN, LabelTable, noise_intervals

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class BeatLabels:
    """Annotated beats of a record.

    Attributes
    ----------
    sample
        (n,) int64 R positions at the file's rate, strictly ascending.
    symbol, label
        (n,) annotation symbol and class id, "" where the label table doesn't have the symbol.
    noise
        Annotated noise stretches as (start, end), end exclusive.
    unknown
        Beats by symbol that the label table doesn't have.
    """

    sample: IntArray
    symbol: Sequence[str]
    label: Sequence[str]
    noise: Sequence[tuple[int, int]] = ()
    unknown: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> BeatLabels:
        """Return no beats."""
        return cls(np.zeros(0, dtype=np.int64), (), ())

    def in_noise(self, sample: IntArray) -> BoolArray:
        """Tell which samples lie in an annotated noise stretch."""
        inside = np.zeros(len(sample), dtype=bool)
        for start, end in self.noise:
            inside |= (sample >= start) & (sample < end)
        return inside


NOISE = "noise"
"""The class by which a label table marks a record that is noise as a whole."""


def record_class(record: Record, table: LabelTable | None) -> str | None:
    """Return the class of a record's weak label, which is one for all of its beats.

    None where the record has no such label, or has beat annotations, or where there is no table or the table doesn't
    have the label (`unknown_labels`); `NOISE` for a record that is noise.
    """
    if not record.label or table is None or record.annotations is not None:
        return None
    return table.of_record(record.label) or None


def unknown_labels(record: Record, table: LabelTable | None, labels: BeatLabels | None) -> list[Finding]:
    """Return the remark on what a label table doesn't have, if there is something.

    Parameters
    ----------
    record, table
        As for `label_beats`.
    labels
        What that gave.
    """
    if table is None:
        return []
    if labels is not None and labels.unknown:
        counts = ", ".join(f"{symbol!r} {count}" for symbol, count in sorted(labels.unknown.items()))
        return [Finding("unknown_symbols", f"beats by symbol that {table.path.name} doesn't have: {counts}")]
    if record.label and record.annotations is None and table.of_record(record.label) is None:
        known = ", ".join(symbol for symbol, _ in table.rules)
        return [Finding("unknown_symbols", f"label {record.label!r}; {table.path.name} has {known}")]
    return []


def label_beats(record: Record, table: LabelTable | None) -> BeatLabels | None:
    """Apply a label table to a record's annotations.

    A stretch is noise only where all signals of the record are annotated as noisy: where one lead still shows the
    beats, they were labelled from that lead. Of two beats at one sample the first is kept.

    Parameters
    ----------
    record
        The record.
    table
        Its corpus's label table, or None where there is none.

    Returns
    -------
    None for a record without annotations, or without a table.
    """
    annotations = record.annotations
    if annotations is None or table is None:
        return None
    classes = table.classify(annotations.symbol, annotations.aux)
    is_beat = np.array([label != "" for label in classes], dtype=bool)
    sample, first = np.unique(annotations.sample[is_beat], return_index=True)
    chosen = np.flatnonzero(is_beat)[first]
    return BeatLabels(
        sample.astype(np.int64),
        [annotations.symbol[k] for k in chosen],
        ["" if classes[k] == UNKNOWN else classes[k] for k in chosen],
        noise_intervals(annotations, record.signal.shape[1], every_of=len(record.leads)),
        Counter(annotations.symbol[k] for k in chosen if classes[k] == UNKNOWN),
    )
