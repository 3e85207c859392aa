"""What a perturbation needs of a record, frozen from the unperturbed signal: R peaks, scales, windows, RR features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.beats import constant_rhythm_features, context_windows, rr_features, stretch_ids
from beatlens.inputs import InputSpec, typical_beats, used_leads
from beatlens.leads import lead_id
from beatlens.look_alikes import LookAlikes
from beatlens.shards import BeatGeometry, Shard

if TYPE_CHECKING:
    import pandas as pd

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
        (L, n_samples) float32 mV, the whole conditioned record in the leads the model uses.
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


def make_scene(shard: Shard, beats: pd.DataFrame, beat_ids: Sequence[str], spec: InputSpec) -> Scene:
    """Collect what a perturbation needs for target beats of one record.

    Parameters
    ----------
    shard
        Holds the record.
    beats
        All of the record's rows of a beat table, in time order.
    beat_ids
        Targets; several for a window target.
    spec
        How the model's inputs are made.

    Raises
    ------
    ValueError
        Where a target isn't among the beats.
    """
    rows_of = {name: row for row, name in enumerate(beats["beat_id"])}
    missing = [name for name in beat_ids if name not in rows_of]
    if missing or not len(beat_ids):
        raise ValueError(f"{shard.path}: target beats {missing or 'none'}; expected beats of the record's table")
    first = beats.iloc[0]
    corpus, record = str(first["corpus"]), str(first["record"])
    row = shard.row(corpus, record)
    if row.fs != spec.geometry.fs:
        raise ValueError(f"{shard.path}: {corpus}/{record} is at {row.fs} Hz; expected {spec.geometry.fs} Hz")
    own, leads = shard.leads(corpus, record), used_leads(shard, corpus, record, spec)
    index = [own.index(lead) for lead in leads]
    windows, lengths, positions = context_windows(stretch_ids(beats), spec.beats.context)
    targets = [rows_of[name] for name in beat_ids]
    windows, lengths, positions = windows[targets], lengths[targets], positions[targets]
    used = np.arange(windows.shape[1]) < lengths[:, None]
    in_play, renamed = np.unique(windows[used], return_inverse=True)
    local = np.zeros_like(windows)
    local[used] = renamed
    all_r_index = beats["r_index"].to_numpy(dtype=np.int64)
    scale = shard.lead_scale(corpus, record)[index]
    return Scene(
        corpus=corpus,
        record=record,
        patient=f"{corpus}/{first['patient']}",
        signal=np.array(shard.signal(corpus, record)[index], dtype=np.float32),
        leads=leads,
        lead_ids=np.array([lead_id(lead) for lead in leads], dtype=np.int64),
        lead_scale=scale,
        typical=typical_beats(shard.waveforms(beats, leads, spec.geometry) / scale[:, None]),
        geometry=spec.geometry,
        r_index=all_r_index[in_play],
        rr=rr_features(beats, spec.beats)[in_play],
        rr_off=constant_rhythm_features(float(beats["rr_usual_long_s"].iloc[targets].median()), spec.beats),
        windows=local,
        lengths=lengths,
        positions=positions,
        all_r_index=all_r_index,
    )
