"""Labelled records: what training needs of the detected beats of a split; signals stay memory-mapped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.beats.record_edges import is_cut
from beatlens.inputs.network_inputs import InputSpec, typical_beats, typical_rows, view_record
from beatlens.inputs.prepared_record import PreparedRecord
from beatlens.shards.shard import Shard, cut_beats
from beatlens.signals.added_noise import qrs_amplitude

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

AMPLITUDE_BEATS = 100
MAX_SHIFT = 16
"""A beat may be cut up to so many samples early or late in training."""


@dataclass(frozen=True)
class LabelledRecord:
    """One record's beats as training needs them.

    Attributes
    ----------
    record
        The record; its signal is cut where it is stored, never copied whole.
    lead_index
        (L,) place of its leads among the model's.
    amplitude
        (L,) peak-to-peak QRS amplitude in units of the lead scale.
    typical_wide
        (L, T + 2 `MAX_SHIFT`) the record's typical beat, scaled, with a margin on both sides.
    target
        (n,) class index, -1 where the beat is no training target.
    gate
        (n,) 1 noise, 0 clean, NaN unknown.
    """

    record: PreparedRecord
    lead_index: IntArray
    amplitude: FloatArray
    typical_wide: FloatArray
    target: IntArray
    gate: FloatArray

    def __len__(self) -> int:
        """Return the number of beats."""
        return len(self.record)

    def waves(self, low: int, high: int, shift: IntArray | int = 0) -> FloatArray:
        """Cut and scale the beats low..high-1, each `shift` samples late: (high - low, L, T)."""
        record = self.record
        cut = cut_beats(record.stored, record.r_index[low:high] + shift, record.geometry)
        return cut[:, record.rows] / record.lead_scale[:, None]

    def typical(self, shift: int = 0) -> FloatArray:
        """Return the record's typical beat (L, T), as if each R lay `shift` samples late."""
        length = self.record.geometry.length
        first = (self.typical_wide.shape[1] - length) // 2 + shift
        return self.typical_wide[:, first : first + length]


def clean_beats(beats: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Tell which beats are neither flagged by a quality rule nor annotated as noise."""
    clean: npt.NDArray[np.bool_] = (beats["reason"].to_numpy() == "") & ~beats["annotated_noise"].to_numpy(dtype=bool)
    return clean


def gate_labels(beats: pd.DataFrame) -> FloatArray:
    """Return what is known about noise: 1 in annotated noise, NaN unknown, else 0.

    Unknown are beats that a quality rule doubts, detections that match no annotated beat, and beats of records without
    annotations. A rule never makes a label, since the gate is meant to replace the rules.
    """
    unknown = (beats["reason"].to_numpy() != "") | (beats["label_source"].to_numpy() == "")
    unknown |= beats["label"].to_numpy() == "none"
    gate = np.where(unknown, np.nan, 0.0)
    return np.where(beats["annotated_noise"].to_numpy(dtype=bool), 1.0, gate).astype(np.float32)


def load_record(shard: Shard, beats: pd.DataFrame, spec: InputSpec) -> LabelledRecord:
    """Take what training needs of one record's detected beats; its signal stays memory-mapped."""
    record = view_record(shard, beats, spec)
    stored, rows, scale, r_index = record.stored, record.rows, record.lead_scale, record.r_index
    sample = np.unique(np.linspace(0, len(beats) - 1, AMPLITUDE_BEATS).astype(int))
    amplitude = qrs_amplitude(cut_beats(stored, r_index[sample], spec.geometry)[:, rows], spec.geometry) / scale
    wide = replace(spec.geometry, before=spec.geometry.before + MAX_SHIFT, after=spec.geometry.after + MAX_SHIFT)
    typical = typical_beats(cut_beats(stored, r_index[typical_rows(len(beats))], wide)[:, rows])
    class_index = {name: k for k, name in enumerate(spec.classes)}
    taught = np.where(is_cut(beats["reason"]), "", beats["label"].to_numpy(dtype=object))  # half a QRS is of no class
    return LabelledRecord(
        record=record,
        lead_index=np.array([spec.leads.index(lead) for lead in record.leads], dtype=np.int64),
        amplitude=amplitude,
        typical_wide=typical / scale[:, None],
        target=np.array([class_index.get(label, -1) for label in taught], dtype=np.int64),
        gate=gate_labels(beats),
    )


def records_of_split(records: pd.DataFrame, split: str) -> set[tuple[str, str]]:
    """Return the ``(corpus, record)`` of a split."""
    chosen = records[records["split"] == split]
    return set(zip(chosen["corpus"], chosen["record"], strict=True))


def split_beats(shards: Sequence[Shard], wanted: set[tuple[str, str]]) -> Iterator[tuple[Shard, pd.DataFrame]]:
    """Yield shard and detected beats of each wanted record, sorted by corpus and record, whatever the shards.

    One record's beats are in memory at a time, and the part of each shard's table that it lies in.
    """
    entries = [(key, shard) for shard in shards for key in shard.beat_records() if key in wanted]
    for key, shard in sorted(entries, key=lambda entry: entry[0]):
        yield shard, shard.beats_of(*key)
