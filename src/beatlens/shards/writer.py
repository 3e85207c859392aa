"""Writing a shard directory, record by record; `beatlens.shards.shard` says what it holds and reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.core.files import TableWriter, atomic_path, write_table
from beatlens.core.remarks import REMARK_COLUMNS
from beatlens.shards.shard import (
    BEAT_COLUMNS,
    BEAT_TABLES,
    RECORD_COLUMNS,
    RHYTHM_COLUMNS,
    STATUS_COLUMNS,
    TRUTH_COLUMNS,
)
from beatlens.shards.stretches import STRETCH_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float32]


class ShardWriter:
    """Write a shard record by record, so that memory holds one record at a time.

    Used as a context manager; files appear under their final names only when the block ends well.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._records: list[dict[str, Any]] = []
        self._truth: list[dict[str, Any]] = []
        self._stretches: list[dict[str, Any]] = []
        self._remarks: list[dict[str, Any]] = []
        self._rhythms: list[dict[str, Any]] = []
        self._status: list[dict[str, Any]] = []
        self._offset = 0

    def __enter__(self) -> ShardWriter:
        """Open the temporary signal file."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._stack = ExitStack()
        self._tables = {
            peaks: self._stack.enter_context(TableWriter(self.path / name)) for peaks, name in BEAT_TABLES.items()
        }
        signals = self._stack.enter_context(atomic_path(self.path / "signals.npy"))
        self._signal_file = self._stack.enter_context(signals.open("wb"))
        self._write_header()
        self._data_start = self._signal_file.tell()
        return self

    def _write_header(self) -> None:
        # numpy leaves room in the header for the number of samples to grow.
        header = {"descr": "<f4", "fortran_order": False, "shape": (self._offset,)}
        np.lib.format.write_array_header_1_0(self._signal_file, header)

    def add(
        self,
        row: Mapping[str, Any],
        signal: FloatArray,
        beats: pd.DataFrame,
        annotated: pd.DataFrame,
        truth: Sequence[Mapping[str, Any]],
    ) -> None:
        """Add a usable record.

        Parameters
        ----------
        row
            Values for `RECORD_COLUMNS` but offset, n_leads and n_samples, which follow from `signal`.
        signal
            (n_leads, n_samples) float32 mV, finite.
        beats, annotated
            Beat tables at detected and annotated R peaks; the latter empty where there are no annotations.
        truth
            Rows of `TRUTH_COLUMNS`.
        """
        if not np.isfinite(signal).all():
            raise ValueError(f"{row['corpus']}/{row['record']}: conditioned signal has samples that are not finite")
        self._signal_file.write(np.ascontiguousarray(signal, dtype="<f4").data)
        n_leads, n_samples = signal.shape
        self._records.append({**row, "offset": self._offset, "n_leads": n_leads, "n_samples": n_samples})
        self._offset += signal.size
        self._tables["detected"].add(beats)
        self._tables["annotated"].add(annotated)
        self._truth.extend(dict(entry) for entry in truth)

    def note(self, stretches: Sequence[Mapping[str, Any]], remarks: Sequence[Mapping[str, Any]]) -> None:
        """Add rows of `STRETCH_COLUMNS` and of `REMARK_COLUMNS` for the record that was added last."""
        self._stretches.extend(dict(entry) for entry in stretches)
        self._remarks.extend(dict(entry) for entry in remarks)

    def mark_rhythms(self, rhythms: Sequence[Mapping[str, Any]]) -> None:
        """Add rows of `RHYTHM_COLUMNS` for the record that was added last."""
        self._rhythms.extend(dict(entry) for entry in rhythms)

    def set_status(self, corpus: str, record: str, role: str, reason: str = "", detail: str = "") -> None:
        """Note that a record was used (no reason) or why it wasn't."""
        self._status.append(
            {
                "corpus": corpus,
                "record": record,
                "role": role,
                "used": reason == "",
                "reason": reason,
                "detail": " ".join(detail.split()),
            }
        )

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        """Write the tables and give every file its final name, or remove what was written."""
        with self._stack:
            if error is not None:
                raise error
            self._finish()

    def _finish(self) -> None:
        import pandas as pd

        self._signal_file.seek(0)
        self._write_header()
        if self._signal_file.tell() != self._data_start:
            raise AssertionError(f"{self.path}: header of signals.npy grew to {self._signal_file.tell()} bytes")
        write_table(self.path / "records.parquet", pd.DataFrame(self._records, columns=list(RECORD_COLUMNS)))
        if not self._records:
            for table in self._tables.values():
                table.add(pd.DataFrame(columns=list(BEAT_COLUMNS)))
        write_table(self.path / "truth.parquet", pd.DataFrame(self._truth, columns=list(TRUTH_COLUMNS)))
        stretches = pd.DataFrame(self._stretches, columns=list(STRETCH_COLUMNS))
        number = dict.fromkeys(("start_s", "end_s", "constant_s"), float) | {"n_beats": "int64"}
        write_table(self.path / "stretches.parquet", stretches.astype(number))
        rhythms = pd.DataFrame(self._rhythms, columns=list(RHYTHM_COLUMNS))
        write_table(self.path / "rhythms.parquet", rhythms.astype({"start_s": float, "end_s": float}))
        write_table(self.path / "remarks.tsv", pd.DataFrame(self._remarks, columns=list(REMARK_COLUMNS)))
        write_table(self.path / "status.tsv", pd.DataFrame(self._status, columns=list(STATUS_COLUMNS)))
