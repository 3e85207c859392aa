"""What the network sees of a record: scaled waveforms, RR features, windows and prototype features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from beatlens.beats.beat_table import context_windows, rr_features, stretch_ids
from beatlens.beats.settings import BeatSettings
from beatlens.core.leads import lead_id
from beatlens.inputs.prepared_record import PreparedRecord, used_rows
from beatlens.inputs.prototype_bank import PrototypeBank, class_features, combine, lead_products, nearest_distance
from beatlens.inputs.settings import LookAlikeSettings
from beatlens.shards.patients import patient_key
from beatlens.shards.shard import BeatGeometry, Shard, cut_beats

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

TYPICAL_BEATS = 301
"""Beats, evenly spread over a record, whose median is its typical beat."""


@dataclass(frozen=True)
class InputSpec:
    """How inputs are made; part of the bundle.

    Attributes
    ----------
    classes
        Class ids, in the order of the logits.
    leads
        Leads used where present, by name.
    geometry
        Extent of a beat.
    beats
        Section ``beats`` of the configuration.
    bank
        Prototypes.
    look_alikes
        How beats of one shape share evidence; None where they don't.
    """

    classes: tuple[str, ...]
    leads: tuple[str, ...]
    geometry: BeatGeometry
    beats: BeatSettings
    bank: PrototypeBank
    look_alikes: LookAlikeSettings | None = None

    def __post_init__(self) -> None:
        if self.bank.leads != self.leads or self.bank.classes != self.classes:
            raise ValueError(
                f"prototype bank of leads {self.bank.leads} and classes {self.bank.classes}; "
                f"expected {self.leads} and {self.classes}"
            )


@dataclass(frozen=True)
class RecordInputs:
    """Inputs of one record's beats, all of which have the same leads.

    Attributes
    ----------
    record
        The record.
    beats
        Its rows of the beat table.
    waves
        (n, L, T) float32 in units of the record's `lead_scale`.
    """

    record: PreparedRecord
    beats: pd.DataFrame
    waves: FloatArray

    def __len__(self) -> int:
        """Return the number of beats."""
        return len(self.record)


def used_leads(shard: Shard, corpus: str, record: str, spec: InputSpec) -> tuple[str, ...]:
    """Return the leads of a record that the model uses, in the model's order."""
    listed = shard.leads(corpus, record)
    leads = tuple(lead for lead in spec.leads if lead in listed)
    if not leads:
        raise ValueError(f"{shard.path}: {corpus}/{record} has the leads {listed}; expected some of {spec.leads}")
    return leads


def used_signal(shard: Shard, corpus: str, record: str, leads: tuple[str, ...]) -> FloatArray:
    """Return a record's signal in the leads that the model uses, (L, n_samples) mV (`used_rows`)."""
    listed = shard.leads(corpus, record)
    return used_rows(np.asarray(shard.signal(corpus, record)), np.array([listed.index(lead) for lead in leads]))


def typical_beats(waves: FloatArray) -> FloatArray:
    """Return the typical beat of a record's beats (n, L, T): the median of up to `TYPICAL_BEATS` of them, (L, T).

    It is taken once from the whole record, without labels, and stays as it is under perturbation, as the leads' scales
    do.
    """
    typical: FloatArray = np.median(waves[typical_rows(len(waves))], axis=0).astype(np.float32)
    return typical


def typical_rows(n: int) -> IntArray:
    """Return which of a record's n beats its typical beat is taken from, ascending."""
    return np.unique(np.linspace(0, n - 1, min(TYPICAL_BEATS, n)).astype(np.int64))


def view_record(shard: Shard, beats: pd.DataFrame, spec: InputSpec) -> PreparedRecord:
    """Prepare one record without the waveforms of its beats; only those that the typical beat needs are cut.

    Parameters
    ----------
    shard
        Holds the record.
    beats
        All of the record's rows of a beat table, in time order.
    spec
        How inputs are made.
    """
    first_beat = beats.iloc[0]
    corpus, record = str(first_beat["corpus"]), str(first_beat["record"])
    leads = used_leads(shard, corpus, record, spec)
    listed, fs = shard.leads(corpus, record), shard.row(corpus, record).fs
    if fs != spec.geometry.fs:
        raise ValueError(f"{shard.path}: {corpus}/{record} is at {fs} Hz; expected {spec.geometry.fs} Hz")
    scale = shard.lead_scale(corpus, record)[[listed.index(lead) for lead in leads]]
    if not (scale > 0).all():
        raise ValueError(f"{shard.path}: {corpus}/{record} has lead scales {scale}; expected > 0")
    windows, lengths, positions = context_windows(stretch_ids(beats), spec.beats.context)
    rows = np.array([listed.index(lead) for lead in leads], dtype=np.int64)
    first = int(rows.min())
    stored = np.asarray(shard.signal(corpus, record))[first : int(rows.max()) + 1]
    r_index = beats["r_index"].to_numpy(dtype=np.int64)
    signal = used_rows(stored, rows - first)
    waves = scaled_beats(signal, r_index[typical_rows(len(beats))], scale, spec.geometry)
    return PreparedRecord(
        corpus=corpus,
        record=record,
        patient=patient_key(corpus, str(first_beat["patient"])),
        fs_file=float(shard.row(corpus, record).fs_file),
        leads=leads,
        lead_scale=scale,
        lead_ids=np.array([lead_id(lead) for lead in leads], dtype=np.int64),
        geometry=spec.geometry,
        stored=stored,
        rows=rows - first,
        typical=typical_beats(waves),
        r_index=r_index,
        rr=rr_features(beats, spec.beats),
        usual_rr_s=beats["rr_usual_long_s"].to_numpy(dtype=np.float64),
        windows=windows,
        lengths=lengths,
        positions=positions,
    )


def prepare_record(shard: Shard, beats: pd.DataFrame, spec: InputSpec) -> RecordInputs:
    """Make the inputs of one record; arguments as for `view_record`."""
    record = view_record(shard, beats, spec)
    return RecordInputs(record, beats, scaled_beats(record.signal, record.r_index, record.lead_scale, record.geometry))


def scaled_beats(signal: FloatArray, r_index: IntArray, scale: FloatArray, geometry: BeatGeometry) -> FloatArray:
    """Cut beats out of a signal (L, n_samples) and divide them by the leads' scales (L,): (n, L, T)."""
    waves = cut_beats(signal, r_index, geometry)
    waves /= scale[:, None]
    return waves


def prepare(shard: Shard, beats: pd.DataFrame, spec: InputSpec) -> Iterator[RecordInputs]:
    """Yield the inputs of each record of a beat table, one record in memory at a time, in the table's order."""
    for _, rows in beats.groupby(["corpus", "record"], sort=False).indices.items():
        yield prepare_record(shard, beats.iloc[np.sort(rows)].reset_index(drop=True), spec)


def record_similarities(waves: FloatArray, leads: tuple[str, ...], bank: PrototypeBank, patient: str) -> FloatArray:
    """Return similarities (n, P) of a record's scaled waves (n, L, T); -inf for prototypes of the record's patient."""
    return combine(*record_products(waves, leads, bank), patient)


class PrototypeProducts(NamedTuple):
    """The first arguments of `combine` and `nearest_distance`: products of n beats and P prototypes, a lead each."""

    dots: FloatArray
    norm2: FloatArray
    present: BoolArray
    bank: PrototypeBank


def record_products(waves: FloatArray, leads: tuple[str, ...], bank: PrototypeBank) -> PrototypeProducts:
    """Return what `combine` and `nearest_distance` take for a record's scaled waves (n, L, T)."""
    in_leads = bank.for_leads(leads)
    parts = [lead_products(waves[:, k], k, in_leads) for k in range(len(leads))]
    dots = np.stack([dot for dot, _ in parts], axis=1)
    norm2 = np.stack([norm for _, norm in parts], axis=1)
    return PrototypeProducts(dots, norm2, np.ones(norm2.shape, dtype=bool), in_leads)


def prototype_features(inputs: RecordInputs, bank: PrototypeBank) -> tuple[FloatArray, FloatArray]:
    """Return a record's prototype features (n, S) and the distance to the nearest prototype of another patient (n,)."""
    products = record_products(inputs.waves, inputs.record.leads, bank)
    return class_features(combine(*products, inputs.record.patient), bank), nearest_distance(
        *products, inputs.record.patient
    )


__all__ = [
    "InputSpec",
    "RecordInputs",
    "prepare",
    "prepare_record",
    "prototype_features",
    "record_products",
    "record_similarities",
    "scaled_beats",
    "typical_beats",
    "typical_rows",
    "used_leads",
    "used_signal",
    "view_record",
]
