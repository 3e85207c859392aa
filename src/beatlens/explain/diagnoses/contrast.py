"""What a diagnosis is contrasted with: a beat as records without it have it.

Where a stretch is filled by a straight line, the network sees what no record has, such as a beat without a QRS complex,
and the explanation is of that. Usual beats of other records are something that the network has seen. What is filled
with them counts as far as the record differs from those records without the diagnosis that are most like it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.inputs.network_inputs import typical_beats, typical_rows
from beatlens.shards.patients import patient_key
from beatlens.shards.shard import BeatGeometry, Shard, cut_beats

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float32]

MIN_RECORDS = 10
"""Fewer records to choose from make no contrast."""
NEAREST = 5
"""Records whose median a contrast is."""


class UsualBeats:
    """Typical beats of the run's records, for contrasts.

    Parameters
    ----------
    shards
        All shards of the run.
    labels
        A row a record with corpus, record, patient and ``label_<diagnosis>``: 1, 0, -1 unknown.
    leads, geometry
        Of the bundle.
    """

    def __init__(
        self, shards: Sequence[Shard], labels: pd.DataFrame, leads: tuple[str, ...], geometry: BeatGeometry
    ) -> None:
        self._shards, self._labels, self._leads, self._geometry = shards, labels, leads, geometry
        pairs = zip(labels["corpus"], labels["patient"], strict=True)
        self._patients = np.array([patient_key(corpus, patient) for corpus, patient in pairs], dtype=object)

    def without(self, diagnosis: str, patient: str, leads: Sequence[str], usual: FloatArray) -> FloatArray | None:
        """Return the beat that a record is contrasted with, (l, T) mV.

        It is the median of the usual beats of the `NEAREST` records of other patients without the diagnosis that are
        most like this record: what it would look like without the diagnosis, as far as others tell (unlike neighbours,
        Delaney et al. 2021). A median over all of them differs from the record as patients differ.

        Parameters
        ----------
        diagnosis
            Id.
        patient
            The record's, ``corpus/patient``.
        leads, usual
            The record's leads, some of the bundle's, and its usual beat in them, (l, T) mV.

        Returns
        -------
        None where fewer than `MIN_RECORDS` of them have a lead
        """
        lacks = self._lacks(diagnosis, patient)
        others = self._typical[lacks][:, [self._leads.index(lead) for lead in leads]]
        has = np.isfinite(others[:, :, 0])
        if (has.sum(axis=0) < MIN_RECORDS).any():
            return None
        with np.errstate(invalid="ignore"):
            distance = np.nansum(np.abs(others - usual), axis=(1, 2)) / has.sum(axis=1)
        order = np.argsort(distance, kind="stable")  # those without any of the leads come last, as NaN
        nearest = [others[order[has[order, lead]][:NEAREST], lead] for lead in range(len(leads))]
        return np.stack([np.median(beats, axis=0) for beats in nearest]).astype(np.float32)

    def rr_without(self, diagnosis: str, patient: str) -> float | None:
        """Return the median usual RR interval, in seconds, of other patients' records without the diagnosis.

        None where there are fewer than `MIN_RECORDS` with an interval.
        """
        usual = self._usual_rr_s[self._lacks(diagnosis, patient)]
        known = usual[np.isfinite(usual)]
        return float(np.median(known)) if len(known) >= MIN_RECORDS else None

    def _lacks(self, diagnosis: str, patient: str) -> npt.NDArray[np.bool_]:
        return np.asarray((self._labels[f"label_{diagnosis}"] == 0).to_numpy() & (self._patients != patient))

    @cached_property
    def _usual_rr_s(self) -> npt.NDArray[np.float64]:
        """(n,) seconds, NaN for records with fewer than two beats."""
        keys = zip(self._labels["corpus"], self._labels["record"], strict=True)
        return np.array([self._rr_of(corpus, record) for corpus, record in keys])

    def _rr_of(self, corpus: str, record: str) -> float:
        shard = next((shard for shard in self._shards if (corpus, record) in shard), None)
        rr_s = np.diff(shard.beats_of(corpus, record)["r_time_s"].to_numpy(dtype=np.float64)) if shard else []
        return float(np.median(rr_s)) if len(rr_s) else np.nan

    @cached_property
    def _typical(self) -> FloatArray:
        """(n, L, T) mV, NaN in leads that a record lacks and in records without beats."""
        keys = zip(self._labels["corpus"], self._labels["record"], strict=True)
        return np.stack([self._of_record(corpus, record) for corpus, record in keys])

    def _of_record(self, corpus: str, record: str) -> FloatArray:
        result = np.full((len(self._leads), self._geometry.length), np.nan, dtype=np.float32)
        shard = next((shard for shard in self._shards if (corpus, record) in shard), None)
        if shard is None:
            return result
        r_index = shard.beats_of(corpus, record)["r_index"].to_numpy(dtype=np.int64)
        listed = shard.leads(corpus, record)
        if len(r_index):
            beats = cut_beats(shard.signal(corpus, record), r_index[typical_rows(len(r_index))], self._geometry)
            typical = typical_beats(beats)
            for row, lead in enumerate(self._leads):
                if lead in listed:
                    result[row] = typical[listed.index(lead)]
        return result
