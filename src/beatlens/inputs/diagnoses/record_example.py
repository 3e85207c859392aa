"""A record as the network of diagnoses is given it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.core.leads import lead_id
from beatlens.inputs.diagnoses.intervals import INTERVAL_CONTENT, interval_bounds, interval_content, usual_signal
from beatlens.inputs.diagnoses.rhythm import rhythm_statistics
from beatlens.inputs.network_inputs import typical_beats, typical_rows
from beatlens.inputs.prepared_record import used_rows
from beatlens.shards.patients import patient_key
from beatlens.shards.shard import BeatGeometry, Shard, cut_beats

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MAX_BEATS = 600
"""Beats of a record that are looked at, evenly spread over it; its rhythm is that of all."""


@dataclass(frozen=True)
class RecordExample:
    """One record: its beats in the leads that the model uses, the stretches between them, and its rhythm.

    Attributes
    ----------
    corpus, record, patient
        Identifiers; `patient` is the `patient_key`.
    leads
        Its leads that the model uses, in the model's order; none where it lacks all of them.
    lead_ids
        (L,) embedding indices.
    geometry
        Extent of a beat.
    signal
        (L, n_samples) float32 mV.
    lead_scale
        (L,) mV by which waves and typical beat are divided. It is 1 mV: amplitude is part of many diagnoses.
    r_index
        (n,) R samples of the beats that are looked at.
    next_r
        (n,) R sample of the beat that follows each in the record; the record's end after the last.
    typical
        (L, T) the record's typical beat in units of `lead_scale`; as it is under any change of the signal.
    rr_s
        RR intervals in seconds, of all beats, without those across gaps.
    beat_scale
        (L,) mV by which a network of beats would divide these leads.
    """

    corpus: str
    record: str
    patient: str
    leads: tuple[str, ...]
    lead_ids: IntArray
    geometry: BeatGeometry
    signal: FloatArray
    lead_scale: FloatArray
    r_index: IntArray
    next_r: IntArray
    typical: FloatArray
    rr_s: Float64Array
    beat_scale: FloatArray

    def __len__(self) -> int:
        """Return the number of beats."""
        return len(self.r_index)

    @property
    def name(self) -> str:
        """``corpus/record``."""
        return f"{self.corpus}/{self.record}"

    @cached_property
    def lead_mean(self) -> Float64Array:
        """(L,) mean of each lead over the record in mV."""
        mean: Float64Array = self.signal.mean(axis=1, dtype=np.float64)
        return mean

    @cached_property
    def waves(self) -> FloatArray:
        """(n, L, T) beats in units of `lead_scale`."""
        return self.waves_of(self.signal)

    @cached_property
    def intervals(self) -> FloatArray:
        """(n, L, B) content of the stretch from each beat to the next (`INTERVAL_CONTENT`)."""
        return self.intervals_of(self.signal)

    @cached_property
    def rhythm(self) -> FloatArray:
        """(R,) statistics of the RR series."""
        return rhythm_statistics(self.rr_s)

    @cached_property
    def constant_rhythm(self) -> FloatArray:
        """(R,) statistics of a constant RR series of the record's usual interval: rhythm off."""
        return rhythm_statistics(np.full(len(self.rr_s), np.median(self.rr_s)) if len(self.rr_s) else self.rr_s)

    @cached_property
    def bounds(self) -> IntArray:
        """(n, 2) first sample, and last + 1, of the stretch from each beat to the next, which `intervals` describe."""
        return interval_bounds(self.r_index, self.next_r, self.geometry.fs)

    @cached_property
    def usual(self) -> FloatArray:
        """(L, n_samples) mV: the typical beat at each R peak; as it is under any change of the signal."""
        mv = self.typical * self.lead_scale[:, None]
        return usual_signal(mv, self.geometry.before, self.r_index, self.next_r, self.signal.shape[1])

    def waves_of(self, signal: FloatArray) -> FloatArray:
        """Return the beats (n, L, T) of a changed signal (L, n_samples) mV."""
        waves = cut_beats(signal, self.r_index, self.geometry)
        waves /= self.lead_scale[:, None]
        return waves

    def intervals_of(self, signal: FloatArray) -> FloatArray:
        """Return the stretches' content (n, L, B) of a changed signal (L, n_samples) mV."""
        result = np.zeros((len(self), len(self.leads), len(INTERVAL_CONTENT)), dtype=np.float32)
        for k in range(len(self)):
            result[k] = self.interval_of(signal[:, slice(*self.bounds[k])], k, np.arange(len(self.leads)))
        return result

    def interval_of(self, stretches: FloatArray, beat: int, lead: IntArray) -> FloatArray:
        """Return the content (m, B) of changed stretches (m, S) mV from a beat to the next, each of one lead (m,)."""
        return interval_content(stretches, self.usual[lead, slice(*self.bounds[beat])], self.geometry.fs)

    def beat_view(self, waves: FloatArray, lead: IntArray) -> tuple[FloatArray, FloatArray, IntArray]:
        """Return leads of beats as a network of beats is given them (`beatlens.models.shared_encoder.BeatView`).

        Parameters
        ----------
        waves
            (m, T) in units of `lead_scale`, each of one of the leads (m,).
        """
        ratio = (self.lead_scale / self.beat_scale)[lead, None]
        return waves * ratio, self.typical[lead] * ratio, self.lead_ids[lead]

    def in_leads(self, kept: IntArray) -> RecordExample:
        """Return the record with some of its leads, by their places among `leads`."""
        return replace(
            self,
            leads=tuple(self.leads[k] for k in kept),
            lead_ids=self.lead_ids[kept],
            signal=self.signal[kept],
            lead_scale=self.lead_scale[kept],
            typical=self.typical[kept],
            beat_scale=self.beat_scale[kept],
        )


def record_example(
    shard: Shard, row: tuple[str, str], beats: pd.DataFrame, leads: tuple[str, ...], geometry: BeatGeometry
) -> RecordExample:
    """Make the example of one record.

    Parameters
    ----------
    shard
        Holds the record.
    row
        Its corpus and name.
    beats
        All of its rows of the table of detected beats, in time order; may be empty.
    leads
        Leads of the model.
    geometry
        Extent of a beat.
    """
    corpus, record = row
    of_record = shard.row(corpus, record)
    if of_record.fs != geometry.fs:
        raise ValueError(f"{shard.path}: {corpus}/{record} is at {of_record.fs} Hz; expected {geometry.fs} Hz")
    listed = shard.leads(corpus, record)
    used = tuple(lead for lead in leads if lead in listed)
    places = np.array([listed.index(lead) for lead in used], int)
    signal = used_rows(np.asarray(shard.signal(corpus, record)), places)
    r_all = beats["r_index"].to_numpy(dtype=np.int64)
    stretch = beats["stretch"].to_numpy()
    rows = np.unique(np.linspace(0, len(r_all) - 1, min(MAX_BEATS, len(r_all))).astype(np.int64))
    r_index = r_all[rows]
    scale = np.ones(len(used), dtype=np.float32)
    if len(r_all) and used:
        typical = typical_beats(cut_beats(signal, r_all[typical_rows(len(r_all))], geometry))
    else:
        typical = np.zeros((len(used), geometry.length), dtype=np.float32)
    return RecordExample(
        corpus=corpus,
        record=record,
        patient=patient_key(corpus, of_record.patient),
        leads=used,
        lead_ids=np.array([lead_id(lead) for lead in used], dtype=np.int64),
        geometry=geometry,
        signal=signal,
        lead_scale=scale,
        r_index=r_index,
        next_r=np.append(r_all[1:], signal.shape[1])[rows].astype(np.int64),
        typical=typical,
        rr_s=np.diff(beats["r_time_s"].to_numpy(dtype=np.float64))[stretch[1:] == stretch[:-1]],
        beat_scale=shard.lead_scale(corpus, record)[places],
    )
