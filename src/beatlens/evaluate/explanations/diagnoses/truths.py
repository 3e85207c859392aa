"""Where a diagnosis shows in a record: its planted spans, or the regions of all its beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.corpora.synthetic.write import DX_CODES
from beatlens.evaluate.explanations.localisation import Grid, Truth
from beatlens.evaluate.explanations.regions import Region, region_of_diagnosis, region_truth
from beatlens.evaluate.explanations.truths import LENIENT, PLANTED, STRICT

if TYPE_CHECKING:
    import pandas as pd

    from beatlens.shards.shard import Shard

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RecordLabels:
    """What is known of a record and of the diagnosis that is explained.

    Attributes
    ----------
    diagnosis, codes
        Id of the diagnosis; the id with the codes that stand for it.
    spans
        The record's planted truth; empty where there is none.
    regions
        Diagnostic regions.
    """

    diagnosis: str
    codes: frozenset[str]
    spans: pd.DataFrame
    regions: Sequence[Region]

    @property
    def planted_kinds(self) -> frozenset[str]:
        """Kinds of made beats that make the diagnosis; none for a rhythm, which is no change of a beat."""
        return frozenset(kind for kind, code in DX_CODES.items() if str(code) in self.codes)

    @property
    def planted(self) -> pd.DataFrame:
        """Spans that make the diagnosis."""
        return self.spans[self.spans["label"].isin(self.planted_kinds)]

    @property
    def region(self) -> Region | None:
        """Where textbooks say that it shows, or None."""
        return region_of_diagnosis(self.regions, self.diagnosis, self.codes)


def truth_of(shard: Shard, corpus: str, record: str) -> pd.DataFrame:
    """Return a record's rows of the planted truth."""
    truth = shard.truth
    return truth[(truth["corpus"] == corpus) & (truth["record"] == record)]


def diagnosis_truths(labels: RecordLabels, grid: Grid, r_index: IntArray) -> dict[str, Truth]:
    """Return every truth of a diagnosis that the record has, by name.

    Parameters
    ----------
    labels
        Of the record and the diagnosis.
    grid
        Of the attribution; it covers the record.
    r_index
        (n,) R samples of the record, on the grid.

    Returns
    -------
    `PLANTED`, `STRICT` and `LENIENT`, those that there are.
    """
    found: dict[str, Truth | None] = {PLANTED: _planted(labels, grid)}
    region = labels.region
    if region is not None and len(r_index) > 1:
        times, beats = r_index / grid.fs, range(len(r_index))
        for name, strict in ((STRICT, True), (LENIENT, False)):
            found[name] = region_truth(region, times, grid, beats=beats, others=(), strict=strict)
    return {name: truth for name, truth in found.items() if truth is not None}


def _planted(labels: RecordLabels, grid: Grid) -> Truth | None:
    inside = np.zeros(grid.shape, dtype=bool)
    spans = labels.planted
    for span in spans[spans["lead"].isin(grid.leads)].itertuples():
        first, last = (max(0, grid.sample(time)) for time in (span.start_s, span.end_s))
        inside[grid.leads.index(span.lead), first:last] = True
    return Truth(inside, np.ones_like(inside)) if inside.any() else None
