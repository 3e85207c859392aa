"""A record in cells of a quarter of a second: the range of the signal in each lead, and where there is no signal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beatlens.signals.record_signals import RecordSignals
from beatlens.signals.wave_windows import WaveWindows, wave_windows

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

STEP_S, CELL_S = 0.02, 0.25
"""Spacing of the samples that are looked at, and length of a cell."""
RAIL_S = 0.2
"""A lead that stays at one extreme value for so long is saturated."""
AFTER_R_S, BEFORE_R_S = 0.45, 0.3
"""Time after a beat (its T wave) and before the next one (its P wave) that isn't looked at."""
CONSTANT_S = 1.0
"""A lead that repeats one value for so long is constant."""


@dataclass(frozen=True)
class SignalCells:
    """A record in cells of about `CELL_S`.

    Attributes
    ----------
    length_s
        Length of a cell in seconds.
    range_mv
        (n_leads, n_cells) peak to peak of the conditioned signal.
    unseen
        (n_leads, n_cells) whether values are missing or at the converter's limit.
    constant
        (n_leads, n_cells) whether the file repeats one value.
    of_beat
        (n_cells,) whether the cell lies beside a beat.
    windows
        What fills the cells' surroundings.
    """

    length_s: float
    range_mv: FloatArray
    unseen: BoolArray
    constant: BoolArray
    of_beat: BoolArray
    windows: WaveWindows

    @property
    def n(self) -> int:
        """Number of cells."""
        return int(self.unseen.shape[1])

    @property
    def no_signal(self) -> BoolArray:
        """(n_cells,) whether no lead has a signal."""
        return np.asarray(self.unseen.all(axis=0))

    @property
    def still(self) -> BoolArray:
        """(n_cells,) whether no lead has a signal that changes."""
        return np.asarray((self.unseen | self.constant).all(axis=0))


def signal_cells(signals: RecordSignals, time: Float64Array, scale: FloatArray) -> SignalCells:
    """Look at a record cell by cell.

    Parameters
    ----------
    signals
        Of the record.
    time
        (n_beats,) R peaks in seconds, ascending.
    scale
        (n_leads,) usual amplitudes in mV.
    """
    n_leads, n_samples = signals.signal.shape
    step = max(round(STEP_S * signals.fs), 1)
    per = max(round(CELL_S * signals.fs / step), 1)
    length = step * per
    n = -(-n_samples // length)
    lowest, highest, size = (np.full((n_leads, n), value, dtype=np.float32) for value in (np.inf, -np.inf, 0))
    count = np.zeros(n, dtype=np.float32)
    for k in range(per):  # few and long passes: cells are short
        sample = signals.signal[:, k * step :: length]
        filled = slice(0, sample.shape[1])
        np.minimum(lowest[:, filled], sample, out=lowest[:, filled])
        np.maximum(highest[:, filled], sample, out=highest[:, filled])
        size[:, filled] += np.abs(sample)
        count[filled] += 1
    size /= count
    unseen, constant = np.zeros((2, n_leads, n), dtype=bool)
    to_cells = signals.fs / (signals.fs_file * length)
    rail = max(round(RAIL_S * signals.fs_file), 2)
    for k in range(n_leads):
        unseen[k] = np.bincount(signals.holes[k] // length, minlength=n)[:n] > length / 2
        for low, high in _repeated(signals.extremes[k], rail):
            unseen[k, round(low * to_cells) : round(high * to_cells)] = True
        for low, high in _constant(signals.raw[k], signals.fs_file):
            constant[k, round(low * to_cells) : round(high * to_cells)] = True
    largest = np.maximum(highest, -lowest)
    middle = (np.arange(n) + 0.5) * length / signals.fs
    around = np.concatenate([[-np.inf], time, [np.inf]])
    after = np.searchsorted(time, middle)
    of_beat = (middle - around[after] < AFTER_R_S) | (around[after + 1] - middle < BEFORE_R_S)
    windows = wave_windows(
        signals.signal, signals.fs, cell=length, size=size, largest=largest, unseen=unseen | constant, scale=scale
    )
    return SignalCells(length / signals.fs, highest - lowest, unseen, constant, of_beat, windows)


def _repeated(samples: IntArray, least: int) -> list[tuple[int, int]]:
    """Return first sample and end of each run of at least so many successive `samples`."""
    if len(samples) < least:
        return []
    starts = np.flatnonzero(np.diff(samples, prepend=samples[0] - 2) > 1)
    ends = np.append(starts[1:], len(samples))
    long = ends - starts >= least
    return list(zip(samples[starts[long]].tolist(), (samples[ends[long] - 1] + 1).tolist(), strict=True))


def _constant(lead: FloatArray, fs: float) -> list[tuple[int, int]]:
    """Return first sample and end of stretches of `CONSTANT_S` or more in which a lead (n,) repeats one value."""
    step = max(round(STEP_S * fs), 1)
    coarse = lead[::step]
    starts, ends = runs(coarse[1:] == coarse[:-1])
    long = (ends - starts) * step >= CONSTANT_S * fs
    found = [
        (first * step, last * step + 1) for first, last in zip(starts[long].tolist(), ends[long].tolist(), strict=True)
    ]
    return [(low, high) for low, high in found if np.ptp(lead[low:high]) == 0]


def runs(mask: BoolArray) -> tuple[IntArray, IntArray]:
    """Return first index and end of each run of True in a mask (n,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return edges[::2].astype(np.int64), edges[1::2].astype(np.int64)


def long_runs(mask: BoolArray, least: float, ends: bool = False) -> BoolArray:
    """Return `mask` (n,) without its runs shorter than `least`; with `ends`, those at the ends of the record stay."""
    starts, stops = runs(mask)
    result = mask.copy()
    for low, high in zip(starts.tolist(), stops.tolist(), strict=True):
        if high - low < least and not (ends and (low == 0 or high == len(mask))):
            result[low:high] = False
    return result
