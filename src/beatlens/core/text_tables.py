"""Tables as text: rows of the CSV files that users give, and cells that no spreadsheet takes for a formula.

Standard library only: label tables, split tables and tables of strips are read whenever the Snakefile is parsed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from beatlens.core.user_files import open_text

MAX_TABLE_BYTES = 100_000_000
"""Largest table of labels, patients, splits or seeds."""
MAX_CELL = 16_000_000
"""Characters of the longest cell: half an hour at 1000 Hz, written out."""
SEPARATORS = ",;\t"
_CONTROL = dict.fromkeys([*range(9), 11, 12, 13, *range(14, 32), 127], "\ufffd")  # all but tab and line feed
_FORMULA = re.compile(r"'*[=+\-@\t]")
_QUANTITY = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?( ?[A-Za-zµ%°][A-Za-zµ%°/]*)?|[+-]")


class Row(NamedTuple):
    """A row of a table: the line at which it ends, and its cells by column, without blanks around them."""

    line: int
    values: dict[str, str]


def read_rows(path: str | Path, columns: Sequence[str], *, exact: bool = True, comments: bool = False) -> list[Row]:
    """Read a table with a header.

    Parameters
    ----------
    path
        CSV; see `csv_rows`.
    columns
        Columns that it must have.
    exact
        Whether the table must have exactly these columns, in this order, and a cell of each in every row. If not,
        cells of other columns may be missing at the end of a row.
    comments
        Whether lines that begin with ``#`` are skipped.

    Raises
    ------
    ValueError
        With the file and, for a row, its line, where columns or cells are missing or too many, and as `csv_rows`.
    OSError
        Where there is no such file.
    """
    rows = csv_rows(path, comments=comments)
    header = next(rows, (0, []))[1]
    while header and not header[-1]:
        header.pop()  # spreadsheets save columns that were once in use
    if len(set(header)) < len(header) or (exact and header != list(columns)) or not set(columns) <= set(header):
        more = "" if exact else ", each once, and others if need be"
        raise ValueError(f"{path}: columns {few(header)}; expected {','.join(columns)}{more}")
    result = []
    for line, cells in rows:
        cells = cells[: len(header)] + [cell for cell in cells[len(header) :] if cell]
        if not exact:
            cells += [""] * (len(header) - len(cells))
        if len(cells) != len(header):
            raise ValueError(f"{path} line {line}: {few(cells)}; expected {len(header)} values")
        result.append(Row(line, dict(zip(header, cells, strict=True))))
    return result


def csv_rows(
    path: str | Path, limit: int = MAX_TABLE_BYTES, *, comments: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of each row that isn't empty, the header first; blanks around cells are left out.

    The separator is the one of comma, semicolon and tab that the header has most of.

    Raises
    ------
    ValueError
        With file and line, for quotes that don't close or a cell of more than `MAX_CELL` characters, and for what
        `beatlens.core.user_files.open_text` refuses, such as a file of more than `limit` bytes.
    """
    csv.field_size_limit(MAX_CELL)
    with open_text(path, limit) as file:
        lines = ("\n" if comments and line.startswith("#") else line for line in file)
        skipped, first = 0, ""
        for first in lines:
            if first.strip():
                break
            skipped += 1
        separator = max(SEPARATORS, key=first.count)
        reader = csv.reader(_with(first, lines), delimiter=separator, strict=True)
        try:
            for cells in reader:
                cells = [cell.strip() for cell in cells]
                if any(cells):
                    yield skipped + reader.line_num, cells
        except csv.Error as error:
            raise ValueError(
                f"{path} line {skipped + reader.line_num}: {error}; expected cells of at most {MAX_CELL} characters, "
                "and quotes that close, doubled inside a cell"
            ) from None


def _with(first: str, lines: Iterator[str]) -> Iterator[str]:
    yield first
    yield from lines


def few(values: Sequence[str]) -> str:
    """Return values as a list in text, the first ones where they are many or long."""
    shown = [value if len(value) <= 40 else value[:37] + "..." for value in values[:12]]
    return f"{shown}" + (f" and {len(values) - 12} more" if len(values) > 12 else "")


def neutral(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: with ``'`` before it where it begins like one.

    Numbers, with or without a unit, stay as they are. A cell that begins like a formula after ``'`` gets another ``'``,
    so that `original` always undoes it. A control character, at which readers would cut a row, becomes U+FFFD.
    """
    text = text.translate(_CONTROL)
    return "'" + text if _FORMULA.match(text) and not _QUANTITY.fullmatch(text) else text


def original(text: str) -> str:
    """Return what `neutral` made this cell of."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) and not _QUANTITY.fullmatch(text[1:]) else text
