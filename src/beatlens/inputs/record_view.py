"""A record with the model's inputs and predictions: made once, for all of its cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.inputs.look_alikes import LookAlikes
from beatlens.inputs.network_inputs import InputSpec, view_record
from beatlens.inputs.prepared_record import PreparedRecord
from beatlens.inputs.stored_predictions import StoredPredictions
from beatlens.shards.patients import patient_key
from beatlens.shards.shard import Shard, cut_beats
from beatlens.signals.conditioning import row_medians

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class RecordView:
    """A record, what was predicted of its beats, and its look-alikes.

    Attributes
    ----------
    record
        Its signal, scales, typical beat, RR features and contexts.
    beats
        Its rows of the beat table.
    pred
        (n,) predicted class of each beat.
    review
        (n,) whether it went to review.
    probability
        (n, K) calibrated.
    look_alikes
        None where nothing is shared.
    """

    record: PreparedRecord
    beats: pd.DataFrame
    pred: npt.NDArray[np.object_]
    review: npt.NDArray[np.bool_]
    probability: npt.NDArray[np.float64]
    look_alikes: LookAlikes | None
    _medians: dict[str, FloatArray] = field(default_factory=dict, init=False, repr=False)

    def accepted(self, label: str) -> npt.NDArray[np.bool_]:
        """Return which of the beats (n,) are predicted to be of a class and accepted."""
        return np.asarray((self.pred == label) & ~self.review)

    def median_beat(self, label: str) -> FloatArray:
        """Return the (L, T) median, in mV, of the accepted beats of a class."""
        if label not in self._medians:
            record = self.record
            r_index = record.r_index[self.accepted(label)]
            median = np.empty((len(record.leads), record.geometry.length), dtype=np.float32)
            for lead, wave in enumerate(median):  # one by one: a day of beats is large
                beats = cut_beats(record.signal[lead : lead + 1], r_index, record.geometry)
                wave[:] = row_medians(np.ascontiguousarray(beats[:, 0].T))
            self._medians[label] = median
        return self._medians[label]


class RecordViews:
    """The records of a run, for cases and their contrasts.

    Predictions are read, never made. The record in work is kept, so cases should come record by record
    (`beatlens.explain.case.choice.record_by_record`).

    Parameters
    ----------
    shards
        All shards of the run, where other records of a patient may lie.
    predictions
        The folder of each shard's predictions, in the same order.
    spec
        How the model's inputs are made.
    """

    def __init__(self, shards: Sequence[Shard], predictions: Sequence[str | Path], spec: InputSpec) -> None:
        if len(shards) != len(predictions):
            raise ValueError(f"{len(predictions)} folders of predictions for {len(shards)} shards; expected as many")
        self.spec = spec
        self._sources = [(shard, StoredPredictions(folder)) for shard, folder in zip(shards, predictions, strict=True)]
        self._kept: RecordView | None = None
        self._elsewhere: dict[tuple[str, str, str], FloatArray | None] = {}

    def shard_of(self, corpus: str, record: str) -> Shard:
        """Return the shard that holds a record."""
        return self._source(corpus, record)[0]

    def of(self, corpus: str, record: str) -> RecordView:
        """Return a record's view.

        Raises
        ------
        ValueError
            Where no shard holds the record, two do, it has no beats, or its predictions are of other beats.
        """
        kept = self._kept
        if kept is not None and (kept.record.corpus, kept.record.record) == (corpus, record):
            return kept
        self._kept = None  # so that memory never holds two
        shard, stored = self._source(corpus, record)
        beats = shard.beats_of(corpus, record)
        if beats.empty:
            raise ValueError(f"{shard.path}: no beats of {corpus}/{record}; expected some")
        prepared = view_record(shard, beats, self.spec)
        columns = [f"p_{name}" for name in self.spec.classes]
        table = stored.beats(beats, ["pred", "review", *columns])
        self._kept = RecordView(
            prepared,
            beats,
            table["pred"].to_numpy(dtype=object),
            table["review"].to_numpy(dtype=bool),
            table[columns].to_numpy(dtype=np.float64),
            stored.look_alikes(prepared, beats, self.spec),
        )
        return self._kept

    def median_elsewhere(self, view: RecordView, label: str, min_beats: int) -> FloatArray | None:
        """Return the (L, T) median, in mV, of the accepted beats of a class in the patient's other records.

        Only records with the leads of the view count. None where they have fewer than `min_beats` such beats.
        """
        record = view.record
        key = (record.corpus, record.record, label)
        if key not in self._elsewhere:
            waves = self.beats_elsewhere(view, label)
            enough = len(waves) >= min_beats
            self._elsewhere[key] = np.median(waves, axis=0).astype(np.float32) if enough else None
        return self._elsewhere[key]

    def beats_elsewhere(self, view: RecordView, label: str) -> FloatArray:
        """Return the accepted beats (n, L, T) of a class in the patient's other records with its leads, in mV."""
        here = view.record
        found = [np.empty((0, len(here.leads), here.geometry.length), dtype=np.float32)]
        for shard, stored in self._sources:
            for row in shard.records.itertuples():
                record = str(row.record)
                corpus = str(row.corpus)
                is_this = (corpus, record) == (here.corpus, here.record)
                if is_this or patient_key(corpus, str(row.patient)) != here.patient:
                    continue
                beats, leads = shard.beats_of(corpus, record), shard.leads(corpus, record)
                if beats.empty or not set(here.leads) <= set(leads):
                    continue
                table = stored.beats(beats, ["pred", "review"])
                chosen = ((table["pred"] == label) & ~table["review"].astype(bool)).to_numpy()
                signal = shard.signal(corpus, record)[[leads.index(lead) for lead in here.leads]]
                found.append(cut_beats(signal, beats["r_index"].to_numpy(dtype=np.int64)[chosen], here.geometry))
        return np.concatenate(found)

    def _source(self, corpus: str, record: str) -> tuple[Shard, StoredPredictions]:
        holding = [source for source in self._sources if (corpus, record) in source[0]]
        if len(holding) != 1:
            raise ValueError(f"{len(holding)} shards hold {corpus}/{record}; expected one")
        return holding[0]


__all__ = ["RecordView", "RecordViews"]
