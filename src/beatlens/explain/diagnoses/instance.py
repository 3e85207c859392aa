"""A whole record as what is perturbed: all of its beats are in play."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from beatlens.inputs.diagnoses.record_example import RecordExample
from beatlens.inputs.diagnoses.rhythm import rhythm_statistics

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RecordInstance:
    """A record with at least one beat and one lead that the model uses (`beatlens.explain.case.perturbed.Perturbed`).

    Attributes
    ----------
    record
        What the network is given of it, and what that is made from.
    contrast
        (L, T) mV, a beat as records without the diagnosis have it (`beatlens.explain.diagnoses.contrast`), or None.
    usual_rr_s
        The RR interval of a rhythm that is off, in seconds; None for the record's usual one.
    """

    record: RecordExample
    contrast: FloatArray | None = None
    usual_rr_s: float | None = None

    def __post_init__(self) -> None:
        if not len(self.record) or not self.record.leads:
            raise ValueError(
                f"{self.record.name}: {len(self.record)} beats in {len(self.record.leads)} leads of the model; "
                "expected at least one of each to explain"
            )

    @cached_property
    def rhythm_off(self) -> FloatArray:
        """(R,) statistics of the RR series where the rhythm is off: a constant one."""
        if self.usual_rr_s is None:
            return self.record.constant_rhythm
        return rhythm_statistics(np.full(len(self.record.rr_s), self.usual_rr_s))

    @property
    def r_index(self) -> IntArray:
        """(B,) R samples."""
        return self.record.r_index

    @property
    def start(self) -> int:
        """The record's first sample."""
        return 0

    @property
    def stop(self) -> int:
        """One past its last sample."""
        return int(self.record.signal.shape[1])

    @property
    def window(self) -> FloatArray:
        """(L, stop) mV: the signal."""
        return self.record.signal

    def beat_samples(self, row: int) -> IntArray:
        """Return the samples that decide a beat's waveform and what is said of the stretch to the next beat."""
        r, geometry = int(self.r_index[row]), self.record.geometry
        stop = max(r + geometry.after, int(self.record.bounds[row, 1]))
        return np.clip(np.arange(r - geometry.before, stop), 0, self.stop - 1)

    def inputs_of(self, row: int, lead: IntArray, changed: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what the network is given of a beat in some leads, whose `beat_samples` are changed.

        Parameters
        ----------
        row
            Which beat.
        lead
            (m,) which leads.
        changed
            (m, samples) mV.

        Returns
        -------
        waves, intervals
            (m, T) scaled, and (m, B).
        """
        record = self.record
        first, stop = record.bounds[row] - self.r_index[row] + record.geometry.before
        waves = changed[:, : record.geometry.length] / record.lead_scale[lead, None]
        return waves, record.interval_of(changed[:, first:stop], row, lead)
