"""What a perturbation needs of a record, frozen from the unperturbed signal: R peaks, scales, windows, RR features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beatlens.beats.beat_table import BeatSettings, constant_rhythm_features
from beatlens.inputs.look_alikes import LookAlikes
from beatlens.inputs.network_inputs import PreparedRecord
from beatlens.shards.shard import BeatGeometry

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scene:
    """The target beats of one case with everything that the model can see of the record for them.

    Attributes
    ----------
    corpus, record, patient
        Identifiers; `patient` is ``corpus/patient``, whose prototypes are left out.
    signal
        (L, n_samples) float32 mV, the conditioned record in the leads the model uses; read-only, no copy of the case's.
    lead_mean
        (L,) mean of each lead over the record in mV.
    leads, lead_ids, lead_scale
        L names, embedding indices and amplitudes in mV.
    typical
        (L, T) the record's typical beat in units of `lead_scale`.
    geometry
        Extent of a beat.
    r_index
        (B,) R samples of the beats in play, ascending.
    rr
        (B, R) RR features.
    rr_off
        (R,) RR features of a constant rhythm.
    windows, lengths, positions
        (n_targets, W), (n_targets,), (n_targets,): contexts of the targets, as rows of `r_index`.
    all_r_index
        R samples of all beats of the record.
    contrast
        (L, T) mV, a beat of another class that the target is contrasted with, or None.
    contrast_name
        Its class and where it comes from, "" where there is none.
    look_alikes
        Among which beats the targets' look-alikes are looked for, or None. A target is compared as a perturbation shows
        it; the record's other beats stay as they are.
    """

    corpus: str
    record: str
    patient: str
    signal: FloatArray
    lead_mean: npt.NDArray[np.float64]
    leads: tuple[str, ...]
    lead_ids: IntArray
    lead_scale: FloatArray
    typical: FloatArray
    geometry: BeatGeometry
    r_index: IntArray
    rr: FloatArray
    rr_off: FloatArray
    windows: IntArray
    lengths: IntArray
    positions: IntArray
    all_r_index: IntArray
    contrast: FloatArray | None = None
    contrast_name: str = ""
    look_alikes: LookAlikes | None = None

    @property
    def start(self) -> int:
        """First sample of the case window: that of the first context beat."""
        return max(0, int(self.r_index[0]) - self.geometry.before)

    @property
    def stop(self) -> int:
        """End of the case window: one past the last sample of the last context beat."""
        return min(int(self.signal.shape[1]), int(self.r_index[-1]) + self.geometry.after)

    @property
    def window(self) -> FloatArray:
        """(L, stop - start) mV: the signal of the case window."""
        return np.array(self.signal[:, self.start : self.stop])

    @property
    def start_s(self) -> float:
        """Time of the first sample of the case window, in seconds."""
        return float(self.start / self.geometry.fs)

    @property
    def target_rows(self) -> IntArray:
        """(n_targets,) rows of `r_index` that are targets."""
        return self.windows[np.arange(len(self.windows)), self.positions]

    @property
    def record_rows(self) -> IntArray:
        """(B,) which of the record's beats the beats in play are."""
        return np.searchsorted(self.all_r_index, self.r_index).astype(np.int64)

    def beat_samples(self, row: int) -> IntArray:
        """(T,) samples of the record that a beat shows; beyond the record's ends the end sample is repeated."""
        index: IntArray = self.r_index[row] + np.arange(-self.geometry.before, self.geometry.after)
        return np.asarray(np.clip(index, 0, self.signal.shape[1] - 1))


def make_scene(record: PreparedRecord, rows: Sequence[int], settings: BeatSettings) -> Scene:
    """Collect what a perturbation needs for target beats of one record.

    Parameters
    ----------
    record
        The record.
    rows
        Targets among its beats; several for a window target.
    settings
        Section ``beats`` of the bundle.
    """
    targets = np.asarray(rows, dtype=np.int64)
    windows, lengths = record.windows[targets], record.lengths[targets]
    used = np.arange(windows.shape[1]) < lengths[:, None]
    in_play, renamed = np.unique(windows[used], return_inverse=True)
    local = np.zeros_like(windows)
    local[used] = renamed
    return Scene(
        corpus=record.corpus,
        record=record.record,
        patient=record.patient,
        signal=record.signal,
        lead_mean=record.lead_mean,
        leads=record.leads,
        lead_ids=record.lead_ids,
        lead_scale=record.lead_scale,
        typical=record.typical,
        geometry=record.geometry,
        r_index=record.r_index[in_play],
        rr=record.rr[in_play],
        rr_off=constant_rhythm_features(float(record.beats["rr_usual_long_s"].iloc[targets].median()), settings),
        windows=local,
        lengths=lengths,
        positions=record.positions[targets],
        all_r_index=record.r_index,
    )
