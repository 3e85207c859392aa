"""The signals of a record as quality rules and the search for stretches without beats see them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from beatlens.signals.conditioning import butterworth

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RecordSignals:
    """A record's signals as the rules see them; what doesn't depend on the beats is made once for all beat tables.

    Attributes
    ----------
    raw
        (n_leads, n) mV at the file's rate `fs_file`, gaps filled.
    fs_file
        Rate of `raw` in Hz.
    signal, missing
        (n_leads, n_samples) conditioned mV and gaps.
    fs
        Their rate in Hz.
    """

    raw: FloatArray
    fs_file: float
    signal: FloatArray
    missing: BoolArray
    fs: float

    @cached_property
    def holes(self) -> list[IntArray]:
        """Samples of `missing` in each lead."""
        return [np.flatnonzero(lead) for lead in self.missing]

    @cached_property
    def extremes(self) -> list[IntArray]:
        """Samples of `raw` at each lead's lowest or highest value: a converter at its rail repeats it."""
        return [np.flatnonzero((lead == lead.min()) | (lead == lead.max())) for lead in self.raw]

    @cached_property
    def block(self) -> int:
        """Samples of `raw` that are averaged to one of the baseline: about 0.1 s."""
        return max(round(self.fs_file / 10), 1)

    @cached_property
    def baseline(self) -> Float64Array:
        """What is under about 0.7 Hz, (n_leads, n_blocks) mV."""
        from scipy.signal import sosfiltfilt

        n_leads, n = self.raw.shape
        whole = n // self.block
        parts = [self.raw[:, : whole * self.block].reshape(n_leads, whole, self.block)]
        if n > whole * self.block:
            rest = self.raw[:, whole * self.block :]
            parts.append(np.pad(rest, ((0, 0), (0, self.block - rest.shape[1])), mode="edge")[:, None])
        coarse = np.concatenate([part.mean(axis=2, dtype=np.float64) for part in parts], axis=1)
        level = coarse.mean(axis=1, keepdims=True)
        sections = butterworth(2, 0.7, self.fs_file / self.block)
        padding = min(coarse.shape[1] - 1, 50)
        return np.asarray(
            sosfiltfilt(sections, coarse - level, axis=1, padtype="even", padlen=padding), dtype=np.float64
        )

    def high_frequency_power(self, lead: int, first: int, last: int) -> Float64Array:
        """Squared second differences over 5 ms, which see what is above about 20 Hz: mV^2 of samples first..last-1."""
        lag = max(round(0.005 * self.fs), 1)
        signal = self.signal[lead]
        power = np.zeros(last - first, dtype=np.float64)
        low, high = max(first, lag), min(last, len(signal) - lag)
        if high > low:
            before, here, after = (signal[low + step : high + step] for step in (-lag, 0, lag))
            np.square(after - 2 * here + before, dtype=np.float64, out=power[low - first : high - first])
        return power
