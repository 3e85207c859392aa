"""The planted truth: which samples of which lead make a beat differ from its patient's normal beat.

A beat's truth compares the record with itself where that one beat is replaced by a normal beat of the same patient
with the same fiducial point, breathing, amplitude and T-wave timing, both without noise and conditioned alike. It is
kept beside the record as ``<record>.truth.csv`` and used only to score explanations. Beats whose class shows in no lead
(a premature beat with its usual P wave, say) have no rows: their class is in the timing alone.

Decoys (`beatlens.corpora.synthetic.decoys`) stand in the same file: where they change the record by more than the same
threshold, with ``decoy:<kind>`` in place of a class. A sample may be both truth and decoy.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from beatlens.core.leads import canonical_lead
from beatlens.core.record import DECOY, TruthSpan
from beatlens.core.text_tables import read_rows
from beatlens.corpora.synthetic.decoys import Decoy, decoy_spans
from beatlens.corpora.synthetic.morphology import Heart, Table, dipole
from beatlens.corpora.synthetic.rhythm import Beat
from beatlens.signals.conditioning import BandPass, condition

COLUMNS = ("lead", "start_sample", "end_sample", "class", "r_sample")
REACH_S = 4.0
"""The conditioning filter has forgotten a beat after this long (less than 0.1 % of its amplitude is left)."""


def render(beats: Sequence[Beat], heart: Heart, matrix: Table, fs: float, n_samples: int) -> Table:
    """Return the noise-free leads (n_leads, n_samples) in mV of beats at their places.

    Parameters
    ----------
    beats
        Beats, in any order.
    heart
        The patient.
    matrix
        (n_leads, 3): leads from the dipole.
    fs, n_samples
        Rate in Hz and length.
    """
    total = np.zeros((3, n_samples))
    for beat in beats:
        table = heart.shape(beat.kind, beat.focus).table(beat.rr_s, beat.variation, beat.with_p)
        first = (beat.time_s + float((table[:, 0] - 6 * table[:, 1]).min())) * fs
        last = (beat.time_s + float((table[:, 0] + 6 * table[:, 1]).max())) * fs
        begin, end = max(0, int(np.floor(first))), min(n_samples, int(np.ceil(last)) + 1)
        if begin < end:
            total[:, begin:end] += dipole(table, np.arange(begin, end) / fs - beat.time_s)
    return np.asarray(matrix @ total)


def counterfactual(beat: Beat) -> Beat:
    """Return the normal beat that the patient would have had at a beat's place."""
    return replace(beat, kind="N", focus=0)


def difference(
    beat: Beat, heart: Heart, matrix: Table, *, fs: float, n_samples: int, settings: BandPass
) -> tuple[int, npt.NDArray[np.float32]]:
    """Return the conditioned difference in mV that a beat's class makes, and the sample it begins at.

    Conditioning is linear, so the difference of two conditioned records is the conditioned difference, and it needs
    only the samples that the beat reaches.
    """
    begin = max(0, round((beat.time_s - REACH_S) * fs))
    end = min(n_samples, round((beat.time_s + REACH_S) * fs))
    near = replace(beat, time_s=beat.time_s - begin / fs)
    actual = render([near], heart, matrix, fs, end - begin)
    raw = actual - render([counterfactual(near)], heart, matrix, fs, end - begin)
    return begin, condition(raw.astype(np.float32), fs, settings).signal


def spans(values: npt.NDArray[np.float32], threshold_mv: float) -> list[tuple[int, int]]:
    """Return the runs ``(start, end)``, end exclusive, where the magnitude of a lead exceeds a threshold."""
    above = np.abs(values) > threshold_mv
    edges = np.flatnonzero(np.diff(above, prepend=False, append=False))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


class TruthRow(NamedTuple):
    """A row of a truth file (`COLUMNS`)."""

    lead: str
    start_sample: int
    end_sample: int
    label: str
    r_sample: int


def truth_rows(
    beats: Sequence[tuple[Beat, int]],
    heart: Heart,
    matrix: Table,
    *,
    leads: Sequence[str],
    fs: float,
    n_samples: int,
    settings: BandPass,
    threshold_mv: float,
) -> list[TruthRow]:
    """Return the rows of a truth file (`COLUMNS`) for beats, given with their R samples, of any class but N."""
    rows = []
    for beat, r_sample in beats:
        if beat.kind == "N":
            continue
        begin, values = difference(beat, heart, matrix, fs=fs, n_samples=n_samples, settings=settings)
        for lead, row in zip(leads, values, strict=True):
            for start, end in spans(row, threshold_mv):
                rows.append(TruthRow(lead, begin + start, begin + end, beat.kind, r_sample))
    return rows


def decoy_rows(
    decoys: Sequence[Decoy],
    seen: npt.NDArray[np.float32],
    sources: Table,
    *,
    leads: Sequence[str],
    r_samples: Sequence[int],
    threshold_mv: float,
) -> list[TruthRow]:
    """Return the rows of decoys, whose class is `DECOY` with their kind; parameters as for `decoy_spans`."""
    return [
        TruthRow(leads[lead], start, end, DECOY + decoy.kind, r_samples[decoy.beat])
        for decoy, lead, start, end in decoy_spans(decoys, seen, sources, threshold_mv)
    ]


def write_truth(path: Path, rows: Sequence[TruthRow]) -> None:
    """Write a truth file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def read_truth(path: str | Path, fs: float) -> list[TruthSpan]:
    """Read a ``<record>.truth.csv``.

    Parameters
    ----------
    path
        The file.
    fs
        Rate of the record file in Hz, which the file's samples are counted at.

    Raises
    ------
    ValueError
        For other columns or a span that ends before it begins.
    """
    result = []
    for line, row in read_rows(path, COLUMNS):
        try:
            start, end, r_sample = int(row["start_sample"]), int(row["end_sample"]), int(row["r_sample"])
        except ValueError:
            raise ValueError(f"{path} line {line}: {list(row.values())}; expected values of {COLUMNS}") from None
        if not 0 <= start < end:
            raise ValueError(f"{path} line {line}: span {start} to {end}; expected 0 <= start < end")
        result.append(TruthSpan(canonical_lead(row["lead"]), start / fs, end / fs, row["class"], r_sample))
    return result
