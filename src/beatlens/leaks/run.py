"""What a finished run holds, as the checks read it, and how they end."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from beatlens.beats.record_edges import is_cut
from beatlens.prediction.bundle import Bundle
from beatlens.shards.patients import patient_key
from beatlens.shards.record_table import records_digest
from beatlens.shards.shard import Shard

if TYPE_CHECKING:
    import pandas as pd

PEAKS = ("detected", "annotated")
EXAMPLES = 5
TOLERANCE = 1e-3
"""Tolerance of numbers that are computed anew: similarities, scores, seconds, and the scaler in standard deviations."""


class LeakError(ValueError):
    """A check found a leak; the message says where."""


class NotCheckedError(Exception):
    """A check lacks what it needs; the message says what."""


@dataclass(frozen=True)
class Run:
    """What a finished run holds.

    Attributes
    ----------
    shards, records
        All shards and the table ``records.tsv``.
    beats, annotated
        Predictions at detected and at annotated R peaks.
    bundle
        The model that made them.
    declared
        ``(corpus, patient)`` whose overlap of splits is declared (`beatlens.shards.splits.declared_overlaps`).
    history, held_out
        Table of epochs, and ``corpus/patient`` of the beats that calibration rests on; None where a bundle was given.
    """

    shards: Sequence[Shard]
    records: pd.DataFrame
    beats: pd.DataFrame
    annotated: pd.DataFrame
    bundle: Bundle
    declared: Collection[tuple[str, str]] = ()
    history: pd.DataFrame | None = None
    held_out: Collection[str] | None = None

    @property
    def origin(self) -> Mapping[str, Any]:
        """What the bundle says of its training."""
        return self.bundle.provenance

    def tables(self, *peaks: str) -> Iterator[pd.DataFrame]:
        """Yield the beat tables of the shards, one in memory at a time; of all `PEAKS` where none are named."""
        for kind in peaks or PEAKS:
            for shard in self.shards:
                yield shard.beats(kind)

    @cached_property
    def split_of(self) -> dict[tuple[str, str], str]:
        """Split of each ``(corpus, record)``."""
        columns = [self.records[name].tolist() for name in ("corpus", "record", "split")]
        return {(corpus, record): split for corpus, record, split in zip(*columns, strict=True)}

    def patients(self, *splits: str) -> set[str]:
        """Return the ``corpus/patient`` of splits, without declared overlaps."""
        listed = self.records[self.records["split"].isin(splits)]
        found = set(zip(listed["corpus"], listed["patient"], strict=True)) - set(self.declared)
        return {patient_key(*key) for key in found}

    def training_tables(self) -> Iterator[pd.DataFrame]:
        """Yield the detected beats that the network learnt classes from, shard by shard.

        Raises
        ------
        NotCheckedError
            Where the model was trained on other records than the run's.
        """
        if self.origin["corpora_digest"] != records_digest(self.records):
            raise NotCheckedError("the model was trained on other records than this run's")
        for table in self.tables("detected"):
            keys = zip(table["corpus"], table["record"], strict=True)
            learnt = np.array([self.split_of.get(key) == "train" for key in keys], dtype=bool)
            learnt &= ~is_cut(table["reason"])
            yield table[learnt & table["label"].isin(self.bundle.classes).to_numpy()]


def out_of_order(table: pd.DataFrame) -> list[str]:
    """Return ``corpus/record`` of each row whose R peak isn't after that of its record's row before."""
    backwards = table.groupby(["corpus", "record"], sort=False)["r_sample"].diff() <= 0
    return record_names(table[backwards])


def record_names(table: pd.DataFrame) -> list[str]:
    """Return ``corpus/record`` of each row."""
    return [f"{corpus}/{record}" for corpus, record in zip(table["corpus"], table["record"], strict=True)]


def counted(n: int, noun: str) -> str:
    """Return a number with its noun, in the plural where there isn't one."""
    return f"{n} {noun}" + ("" if n == 1 else "s")


def some(names: Iterable[str]) -> str:
    """Return the first few of some names, and how many more there are."""
    listed = list(dict.fromkeys(names))
    more = len(listed) - EXAMPLES
    return ", ".join(listed[:EXAMPLES]) + (f" and {more} more" if more > 0 else "")
