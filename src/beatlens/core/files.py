"""Reading and writing result files: written under a temporary name and renamed, so a kill never leaves half a file."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.core import claims
from beatlens.core.text_tables import neutral, original

if TYPE_CHECKING:
    import pandas as pd


TEXT_COLUMNS = frozenset(
    "beat_id corpus record patient split label pred class symbol aux case target outcome reason detail dx leads lead "
    "scope method metric truth null_name role digest sha256 alert pattern seen_in failed pred_mix label_mix reason_mix "
    "examples level label_source weak_label remark remarks kind "
    "database sex strat_fold".split()
)
"""Columns that hold text, whatever they look like."""


NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a full disk; Python's message doesn't name the file."""


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed to it when the block ends well, else removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if claims.held():
        claims.remove_leftovers(path)
    temporary = claims.temporary_of(path)
    try:
        yield temporary
        claims.give_name(temporary, path)
    except OSError as error:
        if error.errno in NO_ROOM and error.filename is None:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def scratch_directory(path: str | Path) -> Iterator[Path]:
    """Yield an empty temporary directory beside `path`, on the same file system, removed in the end."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if claims.held():
        claims.remove_leftovers(path)
    temporary = claims.temporary_of(path)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def atomic_directory(path: str | Path) -> Iterator[Path]:
    """Yield a temporary directory that replaces `path` as a whole when the block ends well."""
    path = Path(path)
    with scratch_directory(path) as scratch:
        new = scratch / "new"
        new.mkdir()
        yield new
        claims.check()
        if path.exists():
            path.rename(scratch / "old")
        claims.give_name(new, path)


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON with sorted keys; NaN is refused, since JSON has none."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    ValueError
        With the file, where it isn't JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {error}; expected JSON") from error


def write_arrays(path: str | Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write named arrays as an uncompressed .npz without pickle, with the same bytes for the same arrays."""
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise ValueError(f"{path}: array {name!r} holds Python objects; expected numbers or fixed-width text")
    with atomic_path(path) as temporary:
        np.savez(temporary, **{name: np.asarray(array) for name, array in arrays.items()})  # type: ignore[arg-type]


def read_arrays(path: str | Path) -> dict[str, npt.NDArray[Any]]:
    """Read a .npz written by `write_arrays`."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet, TSV or CSV, by the ending of the name; an index is an error, since keys are columns.

    Minus zero, which sums and differences leave behind, is written as 0. In TSV and CSV, text that a spreadsheet would
    take for a formula is neutral (`beatlens.core.text_tables.neutral`).
    """
    path = Path(path)
    if table.index.nlevels != 1 or table.index.name is not None:
        raise ValueError(f"{path}: table with index {table.index.names}; expected keys as columns")
    table = _without_minus_zero(table)
    with atomic_path(path) as temporary:
        if path.suffix == ".parquet":
            table.to_parquet(temporary, index=False)
        elif path.suffix in {".tsv", ".csv"}:
            separator = "\t" if path.suffix == ".tsv" else ","
            _each_text(table, neutral).to_csv(temporary, index=False, sep=separator, lineterminator="\n")
        else:
            raise ValueError(f"{path}: ending {path.suffix!r}; expected .parquet, .tsv or .csv")


def _without_minus_zero(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**{name: table[name] + 0.0 for name in table.select_dtypes("floating")})


def _each_text(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """Return a table with every cell of text changed, and all other cells as they are."""
    columns = [name for name in table if table[name].dtype.kind == "O"]
    return table.assign(
        **{name: [change(cell) if isinstance(cell, str) else cell for cell in table[name]] for name in columns}
    )


GROUP_ROWS = 20_000
"""Rows from which on a `TableWriter` writes what it holds."""


class TableWriter:
    """Write a Parquet table part by part, so that memory holds a few parts; it gets its name when the block ends well.

    The first part says which columns there are, and text columns hold text also where a part has no rows. A part is
    never cut: it lies in one row group.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._columns: list[str] | None = None
        self._pending: list[pd.DataFrame] = []
        self._writer: Any = None

    def __enter__(self) -> TableWriter:
        """Open a temporary file beside the path."""
        self._stack = ExitStack()
        self._temporary = self._stack.enter_context(atomic_path(self.path))
        return self

    def add(self, part: pd.DataFrame) -> None:
        """Add rows, with the columns of the first part."""
        if self._columns is None:
            self._columns = list(part.columns)
        if list(part.columns) != self._columns:
            raise ValueError(f"{self.path}: a part with the columns {list(part.columns)}; expected {self._columns}")
        self._pending.append(part)
        if sum(map(len, self._pending)) >= GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        import pandas as pd
        import pyarrow as pa
        import pyarrow.parquet as pq

        first = self._pending[0]
        if self._writer is None:
            types = [pa.string() if dtype.kind == "O" else pa.from_numpy_dtype(dtype) for dtype in first.dtypes]
            columns = pa.schema(list(zip(first.columns, types, strict=True)))
            empty = pa.Table.from_pandas(first.iloc[:0], schema=columns, preserve_index=False)
            attributes = {"PANDAS_ATTRS": json.dumps(first.attrs)} if first.attrs else {}  # as pandas writes them
            self._schema = empty.schema.with_metadata({**empty.schema.metadata, **attributes})
            self._writer = self._stack.enter_context(pq.ParquetWriter(self._temporary, self._schema))
        filled = [part for part in self._pending if len(part)] or [first]
        rows = _without_minus_zero(pd.concat(filled, ignore_index=True))
        table = pa.Table.from_pandas(rows, schema=self._schema, preserve_index=False)
        self._writer.write_table(table.replace_schema_metadata(self._schema.metadata), max(len(table), 1))
        self._pending = []

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        """Write the rest and give the file its name, or remove what was written."""
        if kind is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            if self._pending:
                self._flush()
            if self._writer is None:
                raise ValueError(f"{self.path}: no part of the table was given; expected one, if only its columns")


def read_table(path: str | Path, columns: list[str] | None = None, **options: Any) -> pd.DataFrame:
    """Read a table written by `write_table`; in CSV and TSV empty text stays empty text in columns of text.

    The columns `TEXT_COLUMNS` stay text even where they look like numbers.

    Raises
    ------
    ValueError
        With the file, where it isn't such a table.
    """
    import pandas as pd

    path = Path(path)
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path, columns=columns)
        separator = "\t" if path.suffix == ".tsv" else ","
        header = pd.read_csv(path, sep=separator, nrows=0).columns
        dtype = {name: str for name in header if name in TEXT_COLUMNS}
        options = {"keep_default_na": False, "na_values": [""]} | options  # a record may be called "nan" or "NA"
        table = pd.read_csv(path, sep=separator, dtype=dtype, usecols=columns, **options)
    except ValueError as error:  # also those of pandas and pyarrow
        raise ValueError(f"{path}: {error}; expected a table as beatlens writes it") from error
    for name in table.columns:
        if table[name].dtype == object or name in dtype:
            table[name] = table[name].astype(object).where(table[name].notna(), "")
    return _each_text(table, original)


def sha256_of(path: str | Path) -> str:
    """Return the sha256 of a file's content, as hexadecimal text."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
