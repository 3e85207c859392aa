"""Training batches: runs of neighbouring beats, gathered from the memory-mapped signals of the shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.core.leads import lead_id
from beatlens.inputs.labelled_records import load_record, records_of_split, split_beats
from beatlens.inputs.network_inputs import InputSpec
from beatlens.learning.augmentation import Augmentation
from beatlens.learning.runs import Run, cut_run, with_changed_leads, with_noise, with_simulated_rhythm
from beatlens.learning.simulated_rhythm import RhythmPool
from beatlens.shards.shard import Shard
from beatlens.signals.added_noise import NoiseSource

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

RUN_BEATS = 32
"""Targets in a run. Each run also encodes the neighbours in its windows."""


@dataclass(frozen=True)
class Batch:
    """Arrays of one training step; beats are rows, targets refer to them through `windows`.

    Attributes
    ----------
    waves
        (m, T) one lead of one beat each. `row` and `column` (m,) are its beat and its place in `lead_ids`.
    typical
        (m, T) typical beats of their records in that lead.
    lead_ids
        (L,) embedding indices of the leads in the batch.
    n_beats
        Beats encoded.
    rr
        (n_beats, R).
    similarity, windows, lengths, positions
        (n, S), (n, W), (n,), (n,) of the targets.
    target
        (n,) class index, -1 where the beat gives no class loss.
    gate
        (n,) 1, 0 or NaN.
    competing
        (n, K) classes among which the target's must be found: all, or where the rhythm is simulated those that differ
        in rhythm.
    """

    waves: FloatArray
    typical: FloatArray
    row: IntArray
    column: IntArray
    lead_ids: IntArray
    n_beats: int
    rr: FloatArray
    similarity: FloatArray
    windows: IntArray
    lengths: IntArray
    positions: IntArray
    target: IntArray
    gate: FloatArray
    competing: BoolArray

    @classmethod
    def joined(cls, runs: Sequence[Run], spec: InputSpec) -> Batch:
        """Join runs; their beats are numbered through."""
        used = sorted({int(lead) for run in runs for lead in run.record.lead_index})
        column_of = np.full(len(spec.leads), -1, dtype=np.int64)
        column_of[used] = np.arange(len(used))
        sizes = [len(run) for run in runs]
        firsts = np.cumsum([0, *sizes[:-1]]).tolist()
        return cls(
            waves=np.concatenate([run.waves.reshape(-1, run.waves.shape[2]) for run in runs]),
            typical=np.concatenate([np.tile(run.typical, (len(run), 1)) for run in runs]),
            row=np.concatenate(
                [
                    first + np.repeat(np.arange(len(run)), len(run.shown))
                    for first, run in zip(firsts, runs, strict=True)
                ]
            ),
            column=np.concatenate([np.tile(column_of[run.lead_index], len(run)) for run in runs]),
            lead_ids=np.array([lead_id(spec.leads[lead]) for lead in used], dtype=np.int64),
            n_beats=sum(sizes),
            rr=np.concatenate([run.rr for run in runs]),
            similarity=np.concatenate([run.similarity(spec) for run in runs]),
            windows=np.concatenate([first + run.windows for first, run in zip(firsts, runs, strict=True)]),
            lengths=np.concatenate([run.record.record.lengths[run.rows] for run in runs]),
            positions=np.concatenate([run.record.record.positions[run.rows] for run in runs]),
            target=np.concatenate([run.target for run in runs]),
            gate=np.concatenate([run.gate for run in runs]),
            competing=np.concatenate([run.competing for run in runs]),
        )


class TrainingSet:
    """The labelled records of one split.

    Parameters
    ----------
    shards
        All shards.
    records
        Table ``records.tsv``.
    split
        Split to take.
    spec
        How inputs are made.
    """

    def __init__(self, shards: Sequence[Shard], records: pd.DataFrame, split: str, spec: InputSpec) -> None:
        self.spec = spec
        self.records = [
            load_record(shard, beats, spec) for shard, beats in split_beats(shards, records_of_split(records, split))
        ]
        self.split = split

    @property
    def class_counts(self) -> IntArray:
        """(K,) labelled beats of each class."""
        counts = np.zeros(len(self.spec.classes), dtype=np.int64)
        for record in self.records:
            counts += np.bincount(record.target[record.target >= 0], minlength=len(counts))
        return counts

    def rr_statistics(self) -> tuple[FloatArray, FloatArray]:
        """Return (R,) mean and standard deviation of the RR features over the labelled beats."""
        rr = np.concatenate([record.record.rr[record.target >= 0] for record in self.records]).astype(np.float64)
        return rr.mean(axis=0).astype(np.float32), rr.std(axis=0).astype(np.float32)

    def rhythm_classes(self) -> tuple[int, int]:
        """Return the indices of the two classes that differ in rhythm alone: the normal one and the premature one."""
        names = self.spec.look_alikes.rhythm_classes if self.spec.look_alikes is not None else ()
        if len(names) != 2 or not set(names) <= set(self.spec.classes):
            raise ValueError(
                f"training.rhythm_fraction: look_alikes.rhythm_classes are {list(names)}; expected a normal and a "
                f"premature one of the classes {list(self.spec.classes)}, or a fraction of 0"
            )
        normal, premature = (self.spec.classes.index(name) for name in names)
        return normal, premature

    def runs(self, rng: np.random.Generator) -> list[tuple[int, int, int]]:
        """Cut records into labelled runs ``(record, start, stop)``, at random places and in random order."""
        result = []
        for k, record in enumerate(self.records):
            edges = np.arange(-int(rng.integers(RUN_BEATS)), len(record) + RUN_BEATS, RUN_BEATS)
            edges = np.unique(np.clip(edges, 0, len(record)))
            for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
                if (record.target[start:stop] >= 0).any() or (record.gate[start:stop] == 1).any():
                    result.append((k, start, stop))
        return [result[k] for k in rng.permutation(len(result))]

    def batches(
        self,
        batch_beats: int,
        rng: np.random.Generator,
        noise: Sequence[NoiseSource] = (),
        augmentation: Augmentation | None = None,
    ) -> Iterator[Batch]:
        """Yield the batches of one epoch, of about `batch_beats` targets each."""
        rhythms = None
        if augmentation is not None and augmentation.rhythm_fraction:
            rhythms = RhythmPool.draw(self.spec.beats, rng)
        pending: list[tuple[int, int, int]] = []
        size = 0
        for run in self.runs(rng):
            pending.append(run)
            size += run[2] - run[1]
            if size >= batch_beats:
                yield self.batch(pending, rng, noise, augmentation, rhythms)
                pending, size = [], 0
        if pending:
            yield self.batch(pending, rng, noise, augmentation, rhythms)

    def batch(
        self,
        runs: Sequence[tuple[int, int, int]],
        rng: np.random.Generator,
        noise: Sequence[NoiseSource] = (),
        augmentation: Augmentation | None = None,
        rhythms: RhythmPool | None = None,
    ) -> Batch:
        """Cut runs, change each by the augmentation where there is one, and join them.

        Noise is added only where there are sources, and rhythms are simulated only where there are some.
        """
        changed = []
        for k, start, stop in runs:
            run = cut_run(self.records[k], start, stop, self.spec, augmentation=augmentation, rng=rng)
            if augmentation is not None:
                if rhythms is not None and rng.random() < augmentation.rhythm_fraction:
                    run = with_simulated_rhythm(run, rhythms, *self.rhythm_classes(), rng)
                run = with_changed_leads(run, augmentation, rng)
                if noise:
                    run = with_noise(run, noise, augmentation, self.spec, rng)
            changed.append(run)
        return Batch.joined(changed, self.spec)
