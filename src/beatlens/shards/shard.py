"""A shard of preprocessed records: the one seam between preprocessing and every later stage.

A shard directory holds

- ``signals.npy``: conditioned signals at the model's rate, float32 mV, all records end to end, lead by lead
  (memory-mapped);
- ``records.parquet``: one row a record, with its place in ``signals.npy`` (`RECORD_COLUMNS`);
- ``beats.parquet`` and ``beats_annotated.parquet``: one row a beat at detected and at annotated R
  peaks (`BEAT_COLUMNS`);
- ``stretches.parquet``: stretches in which beats can't be told (`beatlens.shards.stretches.STRETCH_COLUMNS`);
- ``rhythms.parquet``: rhythms that annotations mark, as spans (`RHYTHM_COLUMNS`);
- ``remarks.tsv``: what is to be known of a record that is used all the same (`beatlens.core.remarks.REMARK_COLUMNS`);
- ``truth.parquet``: planted truth (`TRUTH_COLUMNS`), read to score explanations and to draw them, no more;
- ``status.tsv``: every record of the shard, used or not, with the reason (`STATUS_COLUMNS`).

Waveforms of beats are cut from the signals when they are asked for, so that there is one stored copy of a sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.core.files import read_table

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float32]

STATUS_COLUMNS = ("corpus", "record", "role", "used", "reason", "detail")
TRUTH_COLUMNS = ("corpus", "record", "lead", "start_s", "end_s", "label", "r_sample")
RHYTHM_COLUMNS = ("corpus", "record", "patient", "rhythm", "start_s", "end_s")
"""One row a span; rhythm is the note's text without its bracket, such as N, AFIB, AFL, VT."""
RECORD_COLUMNS = {
    "corpus": "corpus name",
    "record": "record name",
    "patient": "patient id",
    "role": "train, test, predict or noise",
    "offset": "index of the record's first sample in signals.npy",
    "n_leads": "leads kept",
    "n_samples": "samples a lead at fs",
    "leads": "lead names in file order, joined by ';'",
    "fs": "rate of the conditioned signal in Hz (the model's)",
    "fs_file": "rate of the record file in Hz",
    "duration_s": "length in seconds",
    "lead_scale": "robust amplitude of each lead in mV, joined by ';': what a model input is divided by",
    "dx": "record-level codes, joined by ';'",
    "labelled": "whether the record has beat annotations, a label of its own, or labels that reviewers gave",
    "weak_label": "class id or 'noise', the label of a record without annotations as a whole, '' where none",
    "database": "part of the corpus that the record is from, or the corpus where it has none",
    "age": "age in years, empty where unknown",
    "sex": "F or M, '' where unknown",
    "strat_fold": "fold that the corpus itself gives, '' where it gives none",
}
BEAT_COLUMNS = {
    "beat_id": "corpus/record/r_sample",
    "corpus": "corpus name",
    "record": "record name",
    "patient": "patient id",
    "r_sample": "R peak, sample index at the record file's rate",
    "r_time_s": "R peak in seconds",
    "r_index": "R peak, sample index at the model's rate",
    "stretch": "number of the gap-free stretch of the record that the beat lies in; contexts never cross stretches",
    "label": "class id, '' unknown, 'none' for a detection that matches no annotated beat",
    "symbol": "annotation symbol, '' where none",
    "label_source": "'beat', 'record' (weak: the label is the whole record's), 'reviewed' (a reviewer gave it) or ''",
    "matched": "detected: matches an annotated beat; annotated: matched by a detected beat",
    "matched_r_sample": "r_sample of the partner, -1 where none",
    "annotated_noise": "the beat lies in an annotated noise stretch",
    "reason": "quality rules, 'cut_by_edge' and 'stretch:<kind>', joined by ';', '' where clean",
}
"""Columns that every beat table has. RR features (``rr_*``) and quality scores (``quality_*``) follow them."""
REVIEWED = "reviewed"
"""``label_source`` of a label that a reviewer gave."""
BEAT_TABLES = {"detected": "beats.parquet", "annotated": "beats_annotated.parquet"}


@dataclass(frozen=True)
class BeatGeometry:
    """How a beat is cut: samples before and after the R sample at the model's rate.

    Attributes
    ----------
    fs
        Rate of the conditioned signal in Hz.
    before, after
        Samples before R (R itself is the first sample after them) and from R on.
    """

    fs: float
    before: int
    after: int

    @classmethod
    def from_seconds(cls, fs: float, before_s: float, after_s: float) -> BeatGeometry:
        """Round seconds to samples at `fs`."""
        before, after = round(before_s * fs), round(after_s * fs)
        if before < 1 or after < 1:
            raise ValueError(
                f"beat of {before_s} s before and {after_s} s after R at {fs} Hz; expected >= 1 sample each"
            )
        return cls(float(fs), before, after)

    @property
    def length(self) -> int:
        """Samples of a beat."""
        return self.before + self.after


def cut_beats(signal: FloatArray, r_index: npt.NDArray[np.int64], geometry: BeatGeometry) -> FloatArray:
    """Cut beats out of a signal; what lies beyond the record's ends repeats the end sample.

    Parameters
    ----------
    signal
        (n_leads, n_samples) mV.
    r_index
        (n_beats,) R samples.
    geometry
        Extent of a beat.

    Returns
    -------
    (n_beats, n_leads, geometry.length) float32
    """
    n_leads, n_samples = signal.shape
    start = r_index - geometry.before
    beats = np.empty((len(r_index), n_leads, geometry.length), dtype=np.float32)
    whole = (start >= 0) & (start <= n_samples - geometry.length)
    if whole.any():  # runs of samples, several times as fast to copy as one by one
        runs = np.lib.stride_tricks.sliding_window_view(np.asarray(signal), geometry.length, axis=1)
        beats[whole] = runs.transpose(1, 0, 2)[start[whole]]
    if not whole.all():
        index = np.clip(start[~whole, None] + np.arange(geometry.length), 0, n_samples - 1)
        beats[~whole] = np.asarray(signal)[:, index].transpose(1, 0, 2)
    return beats


class Shard:
    """Read access to one shard directory; signals are memory-mapped."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._places: dict[str, dict[tuple[str, str], int]] = {}
        self._kept: tuple[tuple[str, int], pd.DataFrame, Any] | None = None

    @cached_property
    def records(self) -> pd.DataFrame:
        """One row a record (`RECORD_COLUMNS`), indexed 0..n."""
        return read_table(self.path / "records.parquet")

    @cached_property
    def status(self) -> pd.DataFrame:
        """One row a record of the shard, used or not (`STATUS_COLUMNS`)."""
        return read_table(self.path / "status.tsv")

    @cached_property
    def truth(self) -> pd.DataFrame:
        """Planted truth; only the evaluation of explanations may read it."""
        return read_table(self.path / "truth.parquet")

    @cached_property
    def stretches(self) -> pd.DataFrame:
        """Stretches in which beats can't be told, in record and time order."""
        return read_table(self.path / "stretches.parquet")

    @cached_property
    def rhythms(self) -> pd.DataFrame:
        """Annotated rhythms (`RHYTHM_COLUMNS`), in record and time order."""
        return read_table(self.path / "rhythms.parquet")

    @cached_property
    def remarks(self) -> pd.DataFrame:
        """Remarks on records that are used all the same."""
        return read_table(self.path / "remarks.tsv")

    def beats(self, peaks: str = "detected", columns: list[str] | None = None) -> pd.DataFrame:
        """Return the beat table at ``"detected"`` or ``"annotated"`` R peaks, in record and time order."""
        return read_table(self.path / BEAT_TABLES[peaks], columns)

    def beat_groups(self, peaks: str = "detected") -> Iterator[pd.DataFrame]:
        """Yield the beat table in parts of whole records, as they were written; an empty table is one part."""
        for group in range(max(self._groups(peaks), 1)):
            yield self._group(peaks, group)

    def beats_of(self, corpus: str, record: str, peaks: str = "detected") -> pd.DataFrame:
        """Return a record's rows of the beat table; fast where records are asked for in the table's order."""
        group = self._group_of(peaks).get((corpus, record))
        if group is None:
            return self._group(peaks, 0).iloc[:0]
        if self._kept is None or self._kept[0] != (peaks, group):
            table = self._group(peaks, group)
            places = table.groupby(["corpus", "record"], sort=False).indices
            self._kept = ((peaks, group), table, places)
        _, table, places = self._kept
        return table.iloc[np.sort(places[corpus, record])].reset_index(drop=True)

    def beat_records(self, peaks: str = "detected") -> list[tuple[str, str]]:
        """Return the ``(corpus, record)`` that have beats, in the table's order."""
        return list(self._group_of(peaks))

    def _groups(self, peaks: str) -> int:
        from pyarrow.parquet import ParquetFile

        with ParquetFile(self.path / BEAT_TABLES[peaks]) as file:
            return int(file.num_row_groups)

    def _group(self, peaks: str, group: int, columns: list[str] | None = None) -> pd.DataFrame:
        from pyarrow.parquet import ParquetFile

        with ParquetFile(self.path / BEAT_TABLES[peaks]) as file:
            if not file.num_row_groups:
                return read_table(self.path / BEAT_TABLES[peaks], columns)
            return file.read_row_group(group, columns=columns).to_pandas()

    def _group_of(self, peaks: str) -> dict[tuple[str, str], int]:
        """Return the part of the beat table in which each record's beats are."""
        if peaks not in self._places:
            places: dict[tuple[str, str], int] = {}
            for group in range(self._groups(peaks)):
                keys = self._group(peaks, group, ["corpus", "record"]).drop_duplicates()
                places |= dict.fromkeys(zip(keys["corpus"], keys["record"], strict=True), group)
            self._places[peaks] = places
        return self._places[peaks]

    @cached_property
    def _signals(self) -> FloatArray:
        signals: FloatArray = np.load(self.path / "signals.npy", mmap_mode="r", allow_pickle=False)
        return signals

    @cached_property
    def _rows(self) -> dict[tuple[str, str], Any]:
        return {(row.corpus, row.record): row for row in self.records.itertuples(index=False)}

    def row(self, corpus: str, record: str) -> Any:
        """Return a record's row of `records` as a named tuple; KeyError where the shard doesn't hold it."""
        try:
            return self._rows[corpus, record]
        except KeyError:
            raise KeyError(f"{self.path}: no record {corpus}/{record}") from None

    def __contains__(self, key: tuple[str, str]) -> bool:
        """Tell whether the shard holds the record ``(corpus, record)``."""
        return key in self._rows

    def leads(self, corpus: str, record: str) -> tuple[str, ...]:
        """Return the record's lead names in file order."""
        return tuple(self.row(corpus, record).leads.split(";"))

    def lead_scale(self, corpus: str, record: str) -> FloatArray:
        """Return the (n_leads,) amplitudes in mV that a model input is divided by."""
        return np.array(self.row(corpus, record).lead_scale.split(";"), dtype=np.float32)

    def signal(self, corpus: str, record: str) -> FloatArray:
        """Return the (n_leads, n_samples) conditioned signal in mV, a read-only view of the file."""
        row = self.row(corpus, record)
        flat = self._signals[row.offset : row.offset + row.n_leads * row.n_samples]
        return flat.reshape(row.n_leads, row.n_samples)

    def waveforms(self, beats: pd.DataFrame, leads: Sequence[str], geometry: BeatGeometry) -> FloatArray:
        """Cut the waveforms of beats, in the order of the rows.

        Parameters
        ----------
        beats
            Rows of a beat table of this shard.
        leads
            Lead names, in the order wanted.
        geometry
            Extent of a beat; its rate must be the shard's.

        Returns
        -------
        (n_beats, n_leads, geometry.length) float32 mV; NaN throughout a lead that the record lacks.
        """
        result = np.full((len(beats), len(leads), geometry.length), np.nan, dtype=np.float32)
        for key, positions in beats.groupby(["corpus", "record"], sort=False).indices.items():
            corpus, record = key
            row = self.row(corpus, record)
            if row.fs != geometry.fs:
                raise ValueError(f"{self.path}: {corpus}/{record} is at {row.fs} Hz; expected {geometry.fs} Hz")
            record_leads = self.leads(corpus, record)
            wanted = [k for k, lead in enumerate(leads) if lead in record_leads]
            signal = self.signal(corpus, record)[[record_leads.index(leads[k]) for k in wanted]]
            r_index = beats["r_index"].to_numpy()[positions]
            result[np.ix_(positions, wanted)] = cut_beats(signal, r_index, geometry)
        return result
