"""Training batches: runs of neighbouring beats, gathered from the memory-mapped signals of the shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.beats import context_windows, rr_features, stretch_ids
from beatlens.inputs import InputSpec, record_similarities, used_leads
from beatlens.leads import lead_id
from beatlens.noise import NoiseSettings, NoiseSource, add_bursts, qrs_amplitude
from beatlens.prototypes.similarity import class_features
from beatlens.shards import Shard, cut_beats

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

RUN_BEATS = 32
"""Targets in a run: each run also encodes the neighbours that its windows reach."""
AMPLITUDE_BEATS = 100


@dataclass(frozen=True)
class LabelledRecord:
    """One record's beats as training needs them.

    Attributes
    ----------
    corpus, record, patient
        Identifiers; `patient` is ``corpus/patient``.
    leads
        Leads used, in the model's order; `lead_index` (L,) is their place among the model's leads.
    signal
        (L, n_samples) mV, scaled by `scale` (L,) when beats are cut.
    amplitude
        (L,) peak-to-peak QRS amplitude in units of the scale.
    r_index, rr
        (n,) and (n, R).
    target
        (n,) class index, -1 where the beat is no training target.
    gate
        (n,) 1 noise, 0 clean, NaN unknown.
    windows, lengths, positions
        (n, W), (n,), (n,), rows within the record.
    """

    corpus: str
    record: str
    patient: str
    leads: tuple[str, ...]
    lead_index: IntArray
    signal: FloatArray
    scale: FloatArray
    amplitude: FloatArray
    r_index: IntArray
    rr: FloatArray
    target: IntArray
    gate: FloatArray
    windows: IntArray
    lengths: IntArray
    positions: IntArray

    def waves(self, low: int, high: int, spec: InputSpec) -> FloatArray:
        """Cut and scale the beats low..high-1: (high - low, L, T)."""
        return cut_beats(self.signal, self.r_index[low:high], spec.geometry) / self.scale[:, None]


@dataclass(frozen=True)
class Batch:
    """Arrays of one training step; beats are rows, targets refer to them through `windows`.

    Attributes
    ----------
    waves
        (m, T): one lead of one beat each; `row` and `column` (m,) say of which beat and which of `lead_ids`.
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
    """

    waves: FloatArray
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


def gate_labels(beats: pd.DataFrame) -> FloatArray:
    """Return what is known about noise: 1 in annotated noise, NaN where a quality rule or no annotator looked, else 0.

    A quality rule never makes a label, since the gate is to replace the rules; a beat that a rule doubts is unknown.
    """
    unknown = (beats["reason"].to_numpy() != "") | (beats["label_source"].to_numpy() == "")
    gate = np.where(unknown, np.nan, 0.0)
    return np.where(beats["annotated_noise"].to_numpy(dtype=bool), 1.0, gate).astype(np.float32)


def load_record(shard: Shard, beats: pd.DataFrame, spec: InputSpec) -> LabelledRecord:
    """Take what training needs of one record's detected beats; its signal stays memory-mapped."""
    first = beats.iloc[0]
    corpus, record = first["corpus"], first["record"]
    leads = used_leads(shard, corpus, record, spec)
    own = shard.leads(corpus, record)
    index = [own.index(lead) for lead in leads]
    signal = shard.signal(corpus, record)
    if index == list(range(index[0], index[0] + len(index))):
        signal = signal[index[0] : index[0] + len(index)]  # a view of the file
    else:
        signal = signal[index]
    scale = shard.lead_scale(corpus, record)[index]
    if not (scale > 0).all():
        raise ValueError(f"{shard.path}: {corpus}/{record} has lead scales {scale}; expected > 0")
    r_index = beats["r_index"].to_numpy(dtype=np.int64)
    sample = np.unique(np.linspace(0, len(beats) - 1, AMPLITUDE_BEATS).astype(int))
    amplitude = qrs_amplitude(cut_beats(signal, r_index[sample], spec.geometry), spec.geometry) / scale
    class_index = {name: k for k, name in enumerate(spec.classes)}
    windows, lengths, positions = context_windows(stretch_ids(beats), spec.beats.context)
    return LabelledRecord(
        corpus=corpus,
        record=record,
        patient=f"{corpus}/{first['patient']}",
        leads=leads,
        lead_index=np.array([spec.leads.index(lead) for lead in leads], dtype=np.int64),
        signal=signal,
        scale=scale,
        amplitude=amplitude,
        r_index=r_index,
        rr=rr_features(beats, spec.beats),
        target=np.array([class_index.get(label, -1) for label in beats["label"]], dtype=np.int64),
        gate=gate_labels(beats),
        windows=windows,
        lengths=lengths,
        positions=positions,
    )


def records_of_split(records: pd.DataFrame, split: str) -> set[tuple[str, str]]:
    """Return the ``(corpus, record)`` of a split."""
    chosen = records[records["split"] == split]
    return set(zip(chosen["corpus"], chosen["record"], strict=True))


def split_beats(shards: Sequence[Shard], wanted: set[tuple[str, str]]) -> Iterator[tuple[Shard, pd.DataFrame]]:
    """Yield shard and detected beats of each wanted record, sorted by corpus and record, whatever the shards."""
    entries = []
    for shard in shards:
        beats = shard.beats()
        for key, rows in beats.groupby(["corpus", "record"], sort=False).indices.items():
            if key in wanted:
                entries.append((key, shard, beats.iloc[np.sort(rows)].reset_index(drop=True)))
    for _, shard, table in sorted(entries, key=lambda entry: entry[0]):
        yield shard, table


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
        noise_settings: NoiseSettings | None = None,
    ) -> Iterator[Batch]:
        """Yield the batches of one epoch, of about `batch_beats` targets each."""
        pending: list[tuple[int, int, int]] = []
        size = 0
        for run in self.runs(rng):
            pending.append(run)
            size += run[2] - run[1]
            if size >= batch_beats:
                yield self.batch(pending, rng, noise, noise_settings)
                pending, size = [], 0
        if pending:
            yield self.batch(pending, rng, noise, noise_settings)

    def batch(
        self,
        runs: Sequence[tuple[int, int, int]],
        rng: np.random.Generator,
        noise: Sequence[NoiseSource] = (),
        noise_settings: NoiseSettings | None = None,
    ) -> Batch:
        """Gather runs, with noise added where settings are given."""
        spec = self.spec
        side = spec.beats.context // 2
        used = sorted({int(k) for run in runs for k in self.records[run[0]].lead_index})
        column_of = np.full(len(spec.leads), -1, dtype=np.int64)
        column_of[used] = np.arange(len(used))
        waves, rows, columns, rr, similarity, windows, lengths, positions, targets, gates = ([] for _ in range(10))
        n_beats = 0
        for k, start, stop in runs:
            record = self.records[k]
            low, high = max(start - side, 0), min(stop + side, len(record.r_index))
            cut = record.waves(low, high, spec)
            target, gate = record.target[start:stop].copy(), record.gate[start:stop].copy()
            if noise_settings is not None and noise:
                cut, snr, whole = add_bursts(
                    cut, record.r_index[low:high], record.amplitude, spec.geometry, noise, noise_settings, rng
                )
                own, own_whole = snr[start - low : stop - low], whole[start - low : stop - low]
                noisy = own < noise_settings.noisy_below_db
                gate[(own < noise_settings.clean_above_db) & (gate == 0)] = np.nan
                gate[~own_whole & (gate == 0)] = np.nan
                gate[noisy & own_whole] = 1.0
                target[noisy & own_whole] = -1
            n, n_leads = cut.shape[:2]
            waves.append(cut.reshape(n * n_leads, -1))
            rows.append(n_beats + np.repeat(np.arange(n), n_leads))
            columns.append(np.tile(column_of[record.lead_index], n))
            rr.append(record.rr[low:high])
            inner = cut[start - low : stop - low]
            similarity.append(
                class_features(record_similarities(inner, record.leads, spec.bank, record.patient), spec.bank)
            )
            windows.append(np.clip(record.windows[start:stop] - low, 0, n - 1) + n_beats)
            lengths.append(record.lengths[start:stop])
            positions.append(record.positions[start:stop])
            targets.append(target)
            gates.append(gate)
            n_beats += n
        return Batch(
            waves=np.concatenate(waves),
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
        )
