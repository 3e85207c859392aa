"""A record as its beats are measured: the signal, where the beats are, and which of them keep the rhythm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class MeasuredRecord:
    """What measuring a beat needs of its record.

    Attributes
    ----------
    signal
        (n_leads, n_samples) conditioned mV.
    fs
        Rate in Hz.
    r_index
        (n,) R samples, ascending.
    r_time_s
        (n,) R peaks in seconds, at the resolution of the record's file.
    stretch
        (n,) number of each beat's gap-free stretch.
    ectopic
        (n,) whether a beat is predicted to be of a class that breaks the rhythm (``strips.ectopic``).
    doubted
        (n,) whether quality rules doubt a beat, or an edge cuts it: neither its time nor its waves are told.
    """

    signal: FloatArray
    fs: float
    r_index: IntArray
    r_time_s: Float64Array
    stretch: IntArray
    ectopic: BoolArray
    doubted: BoolArray

    def around(self, rows: IntArray, begin_s: float, end_s: float) -> FloatArray:
        """Cut (n, n_leads, m) mV around R of beats; beyond the record's ends the end sample is repeated."""
        offsets = np.arange(round(begin_s * self.fs), round(end_s * self.fs))
        at = np.clip(self.r_index[rows][:, None] + offsets, 0, self.signal.shape[1] - 1)
        return np.asarray(self.signal[:, at].swapaxes(0, 1), dtype=np.float32)

    def nearest(self, chosen: BoolArray, row: int, most: int) -> IntArray:
        """Return the rows of at most `most` chosen beats (n,), those nearest to a beat, ascending."""
        rows = np.flatnonzero(chosen)
        return np.sort(rows[np.argsort(np.abs(rows - row), kind="stable")[:most]])
