"""What baselines, players and masks ask of what is perturbed: a beat with its context, or a whole record."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from beatlens.shards.shard import BeatGeometry

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


class PerturbedRecord(Protocol):
    """A record as the model sees it (`beatlens.inputs.prepared_record.PreparedRecord` and its like)."""

    @property
    def name(self) -> str:
        """``corpus/record``."""

    @property
    def leads(self) -> tuple[str, ...]:
        """Leads that the model uses."""

    @property
    def lead_scale(self) -> FloatArray:
        """(L,) mV by which beats are divided."""

    @property
    def lead_mean(self) -> npt.NDArray[np.float64]:
        """(L,) mean of each lead over the record in mV."""

    @property
    def geometry(self) -> BeatGeometry:
        """Extent of a beat."""

    @property
    def signal(self) -> FloatArray:
        """(L, n_samples) mV."""

    @property
    def r_index(self) -> IntArray:
        """(n,) R samples of all its beats."""


class Perturbed(Protocol):
    """A stretch of a record whose signal is switched off in parts (`beatlens.explain.case.instance.Instance`)."""

    @property
    def record(self) -> PerturbedRecord:
        """The record."""

    @property
    def r_index(self) -> IntArray:
        """(B,) R samples of the beats in play, ascending."""

    @property
    def start(self) -> int:
        """First sample of the stretch."""

    @property
    def stop(self) -> int:
        """One past its last sample."""

    @property
    def window(self) -> FloatArray:
        """(L, stop - start) mV: the signal of the stretch."""

    @property
    def contrast(self) -> FloatArray | None:
        """(L, T) mV, a beat of another class to contrast with, or None."""

    def beat_samples(self, row: int) -> IntArray:
        """Return the samples, ascending, that decide what the network is given of a beat in one lead.

        Beyond the record's ends the end sample is repeated.
        """
