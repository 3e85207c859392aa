"""A record with its beats and what a model says of each, from a file or from a run."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.beats.preprocess import PreprocessSettings, preprocess_record
from beatlens.core.files import read_table
from beatlens.core.record import Record
from beatlens.inputs.record_view import RecordViews
from beatlens.inputs.stored_predictions import BEATS
from beatlens.prediction.bundle import Bundle
from beatlens.shards.shard import Shard
from beatlens.workbench.defaults import as_in_a_run, default_config, load_bundle
from beatlens.workbench.looks import scale_of
from beatlens.workbench.recordings import load_record

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from beatlens.models.network import BeatNetwork

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Predictions:
    """Shards with the predictions of their beats, and the model and configuration that these come from.

    Attributes
    ----------
    shards
        The preprocessed records.
    folders
        Folder of each shard's predictions.
    bundle
        The model.
    config
        The whole configuration.
    """

    shards: tuple[Shard, ...]
    folders: tuple[Path, ...]
    bundle: Bundle
    config: Mapping[str, Any]

    @cached_property
    def views(self) -> RecordViews:
        """The records as cases need them."""
        return RecordViews(self.shards, self.folders, self.bundle.spec)

    @cached_property
    def network(self) -> BeatNetwork:
        """The model's network, on the CPU."""
        return self.bundle.network("cpu")

    def place(self, corpus: str, record: str) -> tuple[Shard, Path]:
        """Return the shard of a record and the folder of its predictions.

        Raises
        ------
        ValueError
            Where no shard holds the record.
        """
        for shard, folder in zip(self.shards, self.folders, strict=True):
            if (corpus, record) in shard:
                return shard, folder
        raise ValueError(f"no record {corpus}/{record} in {[str(shard.path) for shard in self.shards]}")


@dataclass(frozen=True)
class PredictedRecord:
    """A conditioned record, its beats and what the model says of each; of `predict` or of `Run.record`.

    Attributes
    ----------
    corpus, name
        Identifiers.
    predictions
        Where it comes from.
    """

    corpus: str
    name: str
    predictions: Predictions

    def __repr__(self) -> str:
        """Name the record, with its length, leads and beats."""
        return f"<{self.corpus}/{self.name}: {self.duration_s:.1f} s, {', '.join(self.leads)}, {len(self.beats)} beats>"

    @property
    def shard(self) -> Shard:
        """The shard that holds it."""
        return self.predictions.place(self.corpus, self.name)[0]

    @property
    def leads(self) -> tuple[str, ...]:
        """Standard names of its leads, in file order."""
        return self.shard.leads(self.corpus, self.name)

    @property
    def fs(self) -> float:
        """Rate of `signal` in Hz (the model's)."""
        return float(self.shard.row(self.corpus, self.name).fs)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.shard.row(self.corpus, self.name).duration_s)

    @property
    def signal(self) -> FloatArray:
        """(n_leads, n_samples) float32 mV at `fs`, conditioned; read-only."""
        return self.shard.signal(self.corpus, self.name)

    @cached_property
    def beats(self) -> pd.DataFrame:
        """A row a beat, in time order, with the columns of a run's ``predictions/beats.parquet``.

        ``beat_id``, ``r_sample`` (at the file's rate), ``r_time_s``, ``p_<class>``, ``p_noise``, ``pred``, ``review``,
        ``reason``, ``conformal_set`` and more.
        """
        import pandas as pd

        path = self.predictions.place(self.corpus, self.name)[1] / BEATS
        return pd.read_parquet(path, filters=[("corpus", "==", self.corpus), ("record", "==", self.name)])

    @cached_property
    def measurements(self) -> pd.DataFrame:
        """A row a beat, as in `beats`: what was measured of it, without the model (RR intervals ``rr_*``, quality)."""
        return self.shard.beats_of(self.corpus, self.name)

    @cached_property
    def stretches(self) -> pd.DataFrame:
        """A row a stretch in which beats can't be told: kind, start_s, end_s and more."""
        return self._rows(self.shard.stretches)

    @cached_property
    def remarks(self) -> pd.DataFrame:
        """A row a remark on the record: remark, detail."""
        import pandas as pd

        folder = self.predictions.place(self.corpus, self.name)[1]
        tables = [self._rows(table) for table in (self.shard.remarks, read_table(folder / "remarks.tsv"))]
        return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)

    def waveforms(self, leads: Sequence[str] | None = None) -> FloatArray:
        """Cut out the beats.

        Parameters
        ----------
        leads
            Lead names in the order wanted; by default those of the record.

        Returns
        -------
        (n_beats, n_leads, n_samples) float32 mV at `fs`, a row for each of `beats`; NaN in a lead that isn't there.
        """
        geometry = self.predictions.bundle.geometry
        return self.shard.waveforms(self.measurements, leads or self.leads, geometry)

    def plot(self, start_s: float = 0.0, end_s: float | None = None) -> Figure:
        """Draw a stretch to scale (25 mm/s, 10 mm/mV), with the class of each beat over it.

        Parameters
        ----------
        start_s, end_s
            The stretch in seconds; by default 10 s from `start_s`, or what there is of them.

        Returns
        -------
        matplotlib.figure.Figure
            With its ``savefig``.

        Raises
        ------
        ValueError
            For a stretch that isn't in the record.
        """
        from beatlens.figures.paper.ecg import EcgFigure
        from beatlens.figures.paper.strip import Strip
        from beatlens.figures.paper.style import styled

        end_s = min(start_s + 10.0, self.duration_s) if end_s is None else end_s
        if not 0 <= start_s < end_s <= self.duration_s:
            raise ValueError(
                f"{self.corpus}/{self.name}: stretch from {start_s:g} to {end_s:g} s; expected one within 0 to "
                f"{self.duration_s:g} s"
            )
        first, stop = round(start_s * self.fs), round(end_s * self.fs)
        inside = self.beats[(self.beats["r_time_s"] >= start_s) & (self.beats["r_time_s"] < end_s)]
        n_review = int(inside["review"].sum())
        with styled():
            strip = Strip(np.array(self.signal[:, first:stop]), self.leads, self.fs, first / self.fs)
            figure = EcgFigure(strip, scale_of(self.predictions.config))
            figure.mark_beats(inside["r_time_s"].tolist(), inside["pred"].tolist())
            figure.title(f"{self.corpus}/{self.name}", f"{len(inside)} beats, {n_review} of them in review")
        return figure.figure

    def _rows(self, table: pd.DataFrame) -> pd.DataFrame:
        of_record = (table["corpus"] == self.corpus) & (table["record"] == self.name)
        return table[of_record].reset_index(drop=True)


def predict(
    record: Record | str | Path,
    bundle: Bundle | None = None,
    *,
    labels: str | Path | None = None,
    allow_made_bundle: bool = False,
) -> PredictedRecord:
    """Condition a record, find its beats and classify each, as a run does: with the same bits.

    Parameters
    ----------
    record
        Of `load_record`, or its path.
    bundle
        Of `load_bundle`; by default the one that comes along.
    labels
        Label table (``config/labels/*.csv``) that gives annotated beats a class, for comparison; by default beats have
        no label.
    allow_made_bundle
        Whether a bundle may be used that learnt from made records alone, as the demo's.

    Returns
    -------
    PredictedRecord
        Its files lie in a temporary folder, which is removed with it.

    Raises
    ------
    RecordFault
        Where the record can't be used: no usable lead, no signal, ... (`beatlens.core.record.REASONS`).
    ValueError
        For a bundle of made records that isn't allowed.

    Examples
    --------
    >>> from beatlens.api import predict
    >>> predicted = predict("results/corpora/synthetic/c01_1")
    >>> predicted.beats["pred"].isin(["N", "S", "V"]).all()
    np.True_
    >>> predicted.waveforms(["II", "V5"]).shape == (len(predicted.beats), 2, 130)
    True
    """
    from beatlens.corpora.beat_labels import label_beats, record_class
    from beatlens.corpora.label_table import LabelTable
    from beatlens.prediction.predict_shard import PredictionFiles, predict_shard
    from beatlens.shards.writer import ShardWriter

    bundle = load_bundle() if bundle is None else bundle
    if bundle.origin is not None and bundle.origin.made and not allow_made_bundle:
        raise ValueError(
            "the bundle has seen made records alone, and what it says of a real heart means nothing; expected one that "
            "learnt from recordings, such as models/mitdb, or allow_made_bundle"
        )
    record = record if isinstance(record, Record) else load_record(record)
    config = default_config(bundle)
    table = None if labels is None else LabelTable.read(labels)
    with ExitStack() as stack, as_in_a_run(config["compute_threads"]):
        found = preprocess_record(
            record,
            "predict",
            label_beats(record, table),
            PreprocessSettings.from_config(config),
            record_class(record, table),
        )
        folder = Path(mkdtemp(prefix="beatlens-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        with ShardWriter(folder / "record") as writer:
            writer.add(found.row, found.signal, found.beats, found.annotated, found.truth)
            writer.note(found.stretches, found.remarks)
            writer.set_status(record.corpus, record.name, "predict", detail="; ".join(found.notes))
        shard, target = Shard(folder / "record"), folder / "predictions"
        predict_shard(shard, {(record.corpus, record.name): "none"}, bundle, "cpu", PredictionFiles.of(target))
        predictions = Predictions((shard,), (target,), bundle, config)
        weakref.finalize(predictions, stack.pop_all().close)
    return PredictedRecord(record.corpus, record.name, predictions)
