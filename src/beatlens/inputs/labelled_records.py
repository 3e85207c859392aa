"""Labelled records: what training needs of the detected beats of a split; signals stay memory-mapped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.beats.beat_table import context_windows, rr_features, stretch_ids
from beatlens.beats.record_edges import is_cut
from beatlens.inputs.network_inputs import InputSpec, typical_beats, used_leads
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
    corpus, record, patient
        Identifiers; `patient` is ``corpus/patient``.
    leads
        Leads used, in the model's order; `lead_index` (L,) is their place among the model's leads.
    signal, rows
        (leads, n_samples) mV, a view of the file, and which of its rows `leads` are (L,).
    scale
        (L,) mV by which beats are divided when they are cut.
    amplitude
        (L,) peak-to-peak QRS amplitude in units of the scale.
    typical_wide
        (L, T + 2 `MAX_SHIFT`) the record's typical beat, scaled, with a margin on both sides.
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
    rows: IntArray
    scale: FloatArray
    amplitude: FloatArray
    typical_wide: FloatArray
    r_index: IntArray
    rr: FloatArray
    target: IntArray
    gate: FloatArray
    windows: IntArray
    lengths: IntArray
    positions: IntArray

    def waves(self, low: int, high: int, spec: InputSpec, shift: IntArray | int = 0) -> FloatArray:
        """Cut and scale the beats low..high-1, each `shift` samples late: (high - low, L, T)."""
        cut = cut_beats(self.signal, self.r_index[low:high] + shift, spec.geometry)
        return cut[:, self.rows] / self.scale[:, None]

    def typical(self, spec: InputSpec, shift: int = 0) -> FloatArray:
        """Return the record's typical beat (L, T), as if each R lay `shift` samples late."""
        first = (self.typical_wide.shape[1] - spec.geometry.length) // 2 + shift
        return self.typical_wide[:, first : first + spec.geometry.length]


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
    first = beats.iloc[0]
    corpus, record = first["corpus"], first["record"]
    leads = used_leads(shard, corpus, record, spec)
    own = shard.leads(corpus, record)
    index = np.array([own.index(lead) for lead in leads], dtype=np.int64)
    first_row = int(index.min())
    signal, rows = shard.signal(corpus, record)[first_row : int(index.max()) + 1], index - first_row
    scale = shard.lead_scale(corpus, record)[index]
    if not (scale > 0).all():
        raise ValueError(f"{shard.path}: {corpus}/{record} has lead scales {scale}; expected > 0")
    r_index = beats["r_index"].to_numpy(dtype=np.int64)
    sample = np.unique(np.linspace(0, len(beats) - 1, AMPLITUDE_BEATS).astype(int))
    amplitude = qrs_amplitude(cut_beats(signal, r_index[sample], spec.geometry)[:, rows], spec.geometry) / scale
    wide = replace(spec.geometry, before=spec.geometry.before + MAX_SHIFT, after=spec.geometry.after + MAX_SHIFT)
    class_index = {name: k for k, name in enumerate(spec.classes)}
    taught = np.where(is_cut(beats["reason"]), "", beats["label"].to_numpy(dtype=object))  # half a QRS is of no class
    windows, lengths, positions = context_windows(stretch_ids(beats), spec.beats.context)
    return LabelledRecord(
        corpus=corpus,
        record=record,
        patient=f"{corpus}/{first['patient']}",
        leads=leads,
        lead_index=np.array([spec.leads.index(lead) for lead in leads], dtype=np.int64),
        signal=signal,
        rows=rows,
        scale=scale,
        amplitude=amplitude,
        typical_wide=typical_beats(cut_beats(signal, r_index, wide)[:, rows]) / scale[:, None],
        r_index=r_index,
        rr=rr_features(beats, spec.beats),
        target=np.array([class_index.get(label, -1) for label in taught], dtype=np.int64),
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
    """Yield shard and detected beats of each wanted record, sorted by corpus and record, whatever the shards.

    One record's beats are in memory at a time, and the part of each shard's table that it lies in.
    """
    entries = [(key, shard) for shard in shards for key in shard.beat_records() if key in wanted]
    for key, shard in sorted(entries, key=lambda entry: entry[0]):
        yield shard, shard.beats_of(*key)
