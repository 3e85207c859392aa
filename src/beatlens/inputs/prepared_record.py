"""A record as the model sees it, made once and held by all that needs it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from beatlens.shards.shard import BeatGeometry

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PreparedRecord:
    """A record in the leads that the model uses, with all of its beats but the waveforms.

    It is made once (`beatlens.inputs.network_inputs.view_record`); inputs, labelled records, views, instances hold it.

    Attributes
    ----------
    corpus, record, patient
        Identifiers; `patient` is ``corpus/patient``.
    fs_file
        Rate of the record file in Hz.
    leads
        Leads of the record that the model uses, in the model's order.
    lead_scale
        (L,) mV by which beats are divided.
    lead_ids
        (L,) embedding indices.
    geometry
        Extent of a beat.
    stored, rows
        (m, n_samples) float32 mV, a read-only view of the shard's file, and which of its rows `leads` are (L,).
    typical
        (L, T) the record's typical beat in units of `lead_scale` (`beatlens.inputs.network_inputs.typical_beats`).
    r_index
        (n,) R samples.
    rr
        (n, R) RR features, not scaled.
    usual_rr_s
        (n,) usual RR interval around each beat in seconds (``rr_usual_long_s``).
    windows, lengths, positions
        (n, W), (n,), (n,): see `beatlens.beats.context_windows`; rows count within the record.
    """

    corpus: str
    record: str
    patient: str
    fs_file: float
    leads: tuple[str, ...]
    lead_scale: FloatArray
    lead_ids: IntArray
    geometry: BeatGeometry
    stored: FloatArray
    rows: IntArray
    typical: FloatArray
    r_index: IntArray
    rr: FloatArray
    usual_rr_s: npt.NDArray[np.float64]
    windows: IntArray
    lengths: IntArray
    positions: IntArray

    def __len__(self) -> int:
        """Return the number of beats."""
        return len(self.rr)

    @property
    def name(self) -> str:
        """``corpus/record``."""
        return f"{self.corpus}/{self.record}"

    @cached_property
    def signal(self) -> FloatArray:
        """(L, n_samples) float32 mV; in the shard's file where it can be (`used_rows`)."""
        return used_rows(self.stored, self.rows)

    @cached_property
    def lead_mean(self) -> npt.NDArray[np.float64]:
        """(L,) mean of each lead over the record in mV."""
        mean: npt.NDArray[np.float64] = self.signal.mean(axis=1, dtype=np.float64)
        return mean

    def with_signal(self, signal: FloatArray) -> PreparedRecord:
        """Return the record with another signal (L, n_samples) mV in its leads."""
        return replace(self, stored=signal, rows=np.arange(len(signal)))


def used_rows(signal: FloatArray, rows: IntArray) -> FloatArray:
    """Return rows of a signal: a view of it where they lie evenly spaced, as any one or two do, else a copy."""
    steps = set(np.diff(rows).tolist()) or {1}
    if len(steps) > 1 or not len(rows):
        return signal[rows]
    step = int(steps.pop())
    end = int(rows[-1]) + step
    return signal[int(rows[0]) : end if end >= 0 else None : step]
