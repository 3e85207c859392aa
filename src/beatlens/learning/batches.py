"""Training batches: runs of neighbouring beats, gathered from the memory-mapped signals of the shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.core.leads import lead_id
from beatlens.inputs.labelled_records import load_record, records_of_split, split_beats
from beatlens.inputs.network_inputs import InputSpec, record_similarities
from beatlens.inputs.prototype_bank import class_features
from beatlens.learning.augmentation import Augmentation
from beatlens.learning.simulated_rhythm import RhythmPool
from beatlens.shards.shard import Shard
from beatlens.signals.added_noise import NoiseSource, add_bursts

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

RUN_BEATS = 32
"""Targets in a run: each run also encodes the neighbours that its windows reach."""


@dataclass(frozen=True)
class Batch:
    """Arrays of one training step; beats are rows, targets refer to them through `windows`.

    Attributes
    ----------
    waves
        (m, T): one lead of one beat each; `row` and `column` (m,) say of which beat and which of `lead_ids`.
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
        (n, K) which classes the target's is told from: all, or those that differ in rhythm where that is simulated.
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
        rr = np.concatenate([record.rr[record.target >= 0] for record in self.records]).astype(np.float64)
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
            edges = np.arange(-int(rng.integers(RUN_BEATS)), len(record.r_index) + RUN_BEATS, RUN_BEATS)
            edges = np.unique(np.clip(edges, 0, len(record.r_index)))
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
        """Gather runs, changed by the augmentation where there is one (noise, rhythms only where there are sources)."""
        spec = self.spec
        side = spec.beats.context // 2
        used = sorted({int(k) for run in runs for k in self.records[run[0]].lead_index})
        column_of = np.full(len(spec.leads), -1, dtype=np.int64)
        column_of[used] = np.arange(len(used))
        waves, typical, rows, columns, rr, similarity, windows, lengths, positions, targets, gates, competing = (
            [] for _ in range(12)
        )
        n_beats = 0
        for k, start, stop in runs:
            record = self.records[k]
            low, high = max(start - side, 0), min(stop + side, len(record.r_index))
            shift, shifts = 0, np.zeros(high - low, dtype=np.int64)
            if augmentation is not None:
                shift, shifts = augmentation.shifts(high - low, spec.geometry.fs, rng)
            cut, amplitude = record.waves(low, high, spec, shifts), record.amplitude
            usual = record.typical(spec, shift)
            lead_index, leads = record.lead_index, record.leads
            target, gate = record.target[start:stop].copy(), record.gate[start:stop].copy()
            intervals, rivals = record.rr[low:high], np.ones((stop - start, len(spec.classes)), dtype=bool)
            if augmentation is not None and rhythms is not None and rng.random() < augmentation.rhythm_fraction:
                normal, early = self.rhythm_classes()
                if (record.target[low:high] == normal).all():
                    intervals, premature = rhythms.stretch(high - low, rng)
                    target[premature[start - low : stop - low]] = early
                    rivals[:] = np.isin(np.arange(len(spec.classes)), (normal, early))
            if augmentation is not None:
                keep, gain = augmentation.draw(len(leads), rng)
                cut, amplitude = cut[:, keep] * gain[:, None], amplitude[keep] * gain
                usual = usual[keep] * gain[:, None]
                if augmentation.shape_jitter:
                    cut, usual = augmentation.reshape(cut, usual, rng)
                lead_index, leads = lead_index[keep], tuple(leads[lead] for lead in keep)
            if augmentation is not None and noise:
                settings = augmentation.noise
                cut, snr, whole = add_bursts(
                    cut,
                    record.r_index[low:high],
                    amplitude,
                    geometry=spec.geometry,
                    noise=noise,
                    settings=settings,
                    rng=rng,
                )
                own, own_whole = snr[start - low : stop - low], whole[start - low : stop - low]
                noisy = own < settings.noisy_below_db
                gate[(own < settings.clean_above_db) & (gate == 0)] = np.nan
                gate[~own_whole & (gate == 0)] = np.nan
                gate[noisy & own_whole] = 1.0
                target[noisy & own_whole] = -1
            n, n_leads = cut.shape[:2]
            waves.append(cut.reshape(n * n_leads, -1))
            typical.append(np.tile(usual, (n, 1)))
            rows.append(n_beats + np.repeat(np.arange(n), n_leads))
            columns.append(np.tile(column_of[lead_index], n))
            rr.append(intervals)
            inner = cut[start - low : stop - low]
            similarity.append(class_features(record_similarities(inner, leads, spec.bank, record.patient), spec.bank))
            windows.append(np.clip(record.windows[start:stop] - low, 0, n - 1) + n_beats)
            lengths.append(record.lengths[start:stop])
            positions.append(record.positions[start:stop])
            targets.append(target)
            gates.append(gate)
            competing.append(rivals)
            n_beats += n
        return Batch(
            waves=np.concatenate(waves),
            typical=np.concatenate(typical),
            row=np.concatenate(rows),
            column=np.concatenate(columns),
            lead_ids=np.array([lead_id(spec.leads[k]) for k in used], dtype=np.int64),
            n_beats=n_beats,
            rr=np.concatenate(rr),
            similarity=np.concatenate(similarity),
            windows=np.concatenate(windows),
            lengths=np.concatenate(lengths),
            positions=np.concatenate(positions),
            target=np.concatenate(targets),
            gate=np.concatenate(gates),
            competing=np.concatenate(competing),
        )
