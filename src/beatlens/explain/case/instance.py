"""What a perturbation needs of a record, frozen from the unperturbed signal: the beats in play and their contexts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from beatlens.beats.beat_table import constant_rhythm_features
from beatlens.beats.settings import BeatSettings
from beatlens.inputs.look_alikes import LookAlikes
from beatlens.inputs.prepared_record import PreparedRecord

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Instance:
    """The target beats of one case with everything that the model can see of the record for them.

    Attributes
    ----------
    record
        The record; prototypes of its patient are left out.
    record_rows
        (B,) which of the record's beats are in play, ascending.
    rr_off
        (R,) RR features of a constant rhythm.
    windows, lengths, positions
        (n_targets, W), (n_targets,), (n_targets,): contexts of the targets, as rows of `record_rows`.
    contrast
        (L, T) mV, a beat of another class that the target is contrasted with, or None.
    contrast_name
        Its class and where it comes from, "" where there is none.
    look_alikes
        Among which beats the targets' look-alikes are looked for, or None. A target is compared as a perturbation shows
        it; the record's other beats stay as they are.
    """

    record: PreparedRecord
    record_rows: IntArray
    rr_off: FloatArray
    windows: IntArray
    lengths: IntArray
    positions: IntArray
    contrast: FloatArray | None = None
    contrast_name: str = ""
    look_alikes: LookAlikes | None = None

    @cached_property
    def r_index(self) -> IntArray:
        """(B,) R samples of the beats in play, ascending."""
        return self.record.r_index[self.record_rows]

    @cached_property
    def rr(self) -> FloatArray:
        """(B, R) RR features of the beats in play."""
        return self.record.rr[self.record_rows]

    @property
    def start(self) -> int:
        """First sample of the case window: that of the first context beat."""
        return max(0, int(self.r_index[0]) - self.record.geometry.before)

    @property
    def stop(self) -> int:
        """End of the case window: one past the last sample of the last context beat."""
        return min(int(self.record.signal.shape[1]), int(self.r_index[-1]) + self.record.geometry.after)

    @property
    def window(self) -> FloatArray:
        """(L, stop - start) mV: the signal of the case window."""
        return np.array(self.record.signal[:, self.start : self.stop])

    @property
    def start_s(self) -> float:
        """Time of the first sample of the case window, in seconds."""
        return float(self.start / self.record.geometry.fs)

    @property
    def target_rows(self) -> IntArray:
        """(n_targets,) rows of `r_index` that are targets."""
        return self.windows[np.arange(len(self.windows)), self.positions]

    def beat_samples(self, row: int) -> IntArray:
        """(T,) samples of the record that a beat shows; beyond the record's ends the end sample is repeated."""
        index: IntArray = self.r_index[row] + np.arange(-self.record.geometry.before, self.record.geometry.after)
        return np.asarray(np.clip(index, 0, self.record.signal.shape[1] - 1))


def make_instance(record: PreparedRecord, rows: Sequence[int], settings: BeatSettings) -> Instance:
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
    return Instance(
        record=record,
        record_rows=in_play,
        rr_off=constant_rhythm_features(float(np.median(record.usual_rr_s[targets])), settings),
        windows=local,
        lengths=lengths,
        positions=record.positions[targets],
    )
