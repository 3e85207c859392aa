"""A stretch of a record to draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Strip:
    """A stretch of a record to draw.

    Attributes
    ----------
    signal
        (n_leads, n_samples) mV; NaN leaves a gap.
    leads
        Lead names.
    fs
        Rate in Hz.
    start_s
        Record time of the first sample, in seconds.
    """

    signal: FloatArray
    leads: tuple[str, ...]
    fs: float
    start_s: float

    def __post_init__(self) -> None:
        if self.signal.ndim != 2 or self.signal.shape[0] != len(self.leads) or self.signal.shape[1] < 2:
            raise ValueError(
                f"strip of shape {self.signal.shape} with leads {self.leads}; expected (leads, samples >= 2)"
            )

    @property
    def end_s(self) -> float:
        """Record time at which the last sample ends."""
        return float(self.start_s + self.signal.shape[1] / self.fs)
