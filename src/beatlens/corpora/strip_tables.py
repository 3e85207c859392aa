"""Tables of strips as rows of text: which column is what, what commas mean, and how many samples a row holds.

What commas mean follows from the whole table, in this order:

    there are several numbers, kept apart by blanks or semicolons, and each has one comma     decimal commas
    there are decimal points, or numbers that change less over one step than over two         commas between values
    neither, or decimal commas beside the second                                              an error

Standard library only, but for openpyxl where a table is .xlsx: sheets are listed whenever the Snakefile is parsed.
"""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from beatlens.core.text_tables import MAX_CELL, csv_rows, few
from beatlens.core.user_files import open_regular

MAX_BYTES = 1_000_000_000
"""Largest table of strips, and what an .xlsx may hold once unpacked."""
MAX_UNPACKED = 200
"""How many times larger than its file the content of an .xlsx may be, beyond `SMALL`. Ten times is usual."""
SMALL = 50_000_000

MANY_COLUMNS = 50
"""A table with more columns likely has one sample in each."""

ALIASES = {
    "wave": ("wave", "waveform", "ecg", "signal", "samples", "voltage"),
    "label": ("label", "class", "diagnosis", "target", "y"),
    "patient": ("patient", "patientid", "subject", "subjectid", "pid"),
    "id": ("id", "strip", "stripid", "record", "recordid", "name"),
}
"""Column names by what they hold, without case, blanks, underscores and hyphens."""
WORDS = {
    "patient": {"patient", "subject", "pid"},
    "label": {"label", "class", "diagnosis", "target"},
    "id": {"id", "name", "number", "no", "nr"},
    "wave": {"wave", "waveform", "ecg", "ekg", "signal", "samples", "voltage"},
    "strip": {"strip", "record", "recording"},
}
"""Words of a column name that isn't an alias as a whole; the first entry that has one of them says what it holds."""
FILLERS = {"data", "values", "of", "the"}
"""Words that may stand beside these and don't count."""

_DECIMAL = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_BLANKS = re.compile(r"[\s;]+")
_SPLIT = re.compile(r"[\s,;]+")
_BRACKETS = "[]()"


class Strip(NamedTuple):
    """One row of a table, all as text; "" where the table has no value or no such column. A wave has decimal points."""

    identifier: str
    wave: str
    label: str
    patient: str


def read_strips(file: Path) -> list[Strip]:
    """Read a table.

    Raises
    ------
    ValueError
        With the file: where it has no column of samples, none of patients, or two that could be the same; where a row
        has more cells than the header or one sample alone; where commas may mean two things; and for a file that is
        too large, damaged, or no regular one.
    """
    rows = csv_rows(file, MAX_BYTES) if file.suffix.lower() == ".csv" else _xlsx_rows(file)
    header = next(rows, (0, []))[1]
    columns = {what: _column(header, what, file) for what in ALIASES}
    for what in ("wave", "patient"):
        if columns[what] is None:
            hint = ". All samples of a strip belong into one cell" if len(header) > MANY_COLUMNS else ""
            raise ValueError(
                f"{file}: columns {few(header)}; expected one of {', '.join(ALIASES[what])} for the {what}{hint}"
            )
    values: dict[str, list[str]] = {what: [] for what in ALIASES}
    for line, row in rows:
        if any(row[len(header) :]):
            last = max(k for k, cell in enumerate(row, start=1) if cell)
            raise ValueError(
                f"{file} line {line}: a value in column {last}; expected at most {len(header)}, as in the header. "
                "All samples of a strip belong into one cell, in quotes where they are apart by the table's separator"
            )
        for what, k in columns.items():
            values[what].append(row[k] if k is not None and k < len(row) else "")
    waves = [wave.strip(_BRACKETS + " \t\r\n") for wave in values["wave"]]
    if not waves:
        raise ValueError(f"{file}: no row below the header; expected a strip a row")
    try:
        if decimal_commas(waves):
            values["wave"] = waves = [wave.replace(",", ".") for wave in waves]
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    if len(waves) > 1 and any(waves) and all(len(numbers(wave)) <= 1 or _DECIMAL.fullmatch(wave) for wave in waves):
        raise ValueError(
            f"{file}: one sample a row in {len(waves)} rows; expected one strip a row, with all its samples in one cell"
        )
    identifiers, labels, patients = (_whole_numbers(values[what]) for what in ("id", "label", "patient"))
    return [Strip(*strip) for strip in zip(identifiers, values["wave"], labels, patients, strict=True)]


def numbers(wave: str) -> list[str]:
    """Return the values of a wave of `read_strips`, as text."""
    return [value for value in _SPLIT.split(wave.strip().strip(_BRACKETS).strip()) if value]


def decimal_commas(waves: Sequence[str]) -> bool:
    """Tell whether the commas of a table's waves are decimal commas; False where they stand between values.

    Raises
    ------
    ValueError
        Where the table says neither, or both.
    """
    with_comma = [wave for wave in waves if "," in wave]
    if not with_comma:
        return False
    decimal, apart = None, None
    for wave in with_comma:
        pieces = [piece for piece in _BLANKS.split(wave) if piece]
        commas = [piece for piece in pieces if "," in piece]
        if all(_DECIMAL.fullmatch(piece) for piece in commas):
            if len(pieces) > 1:
                decimal = decimal or wave
        else:
            apart = apart or wave
    points = next((wave for wave in waves if "." in wave), None)
    if decimal is not None and (apart or points) is not None:
        raise ValueError(
            f"decimal commas in {decimal[:40]!r} and other ones, or points, in {(apart or points or '')[:40]!r}; "
            "expected one way to write numbers in a table"
        )
    if decimal is not None:
        return True
    if points is None and not _smooth(with_comma):
        raise ValueError(
            f"commas that may be decimal ones or keep values apart, as in {with_comma[0][:40]!r}; expected values "
            "apart by blanks or semicolons, or decimal points"
        )
    return False


def _smooth(waves: Sequence[str]) -> bool:
    """Tell whether whole numbers between commas are samples: a signal changes less over one sample than over two.

    With decimal commas, whole parts and decimals alternate, and neighbours differ more.
    """
    near = far = 0.0
    for wave in waves:
        try:
            found = [value for value in map(float, numbers(wave)) if math.isfinite(value)]
        except ValueError:
            continue  # `read_strip` refuses this strip by itself
        near += sum(abs(b - a) for a, b in zip(found[1:], found[2:], strict=False))
        far += sum(abs(b - a) for a, b in zip(found, found[2:], strict=False))
    return near < far or near == far == 0


def _whole_numbers(column: list[str]) -> list[str]:
    """Return a column without the ``.0`` that all its whole numbers have got because one was missing."""
    if all(re.fullmatch(r"-?\d+\.0", value) for value in column if value):
        return [value.removesuffix(".0") for value in column]
    return column


def _column(header: Sequence[str], what: str, file: Path) -> int | None:
    plain = [re.sub(r"[\s_-]+", "", name).lower() for name in header]
    found = [k for k, name in enumerate(plain) if name in ALIASES[what]]
    if not found:
        found = [
            k for k, name in enumerate(header) if plain[k] not in sum(ALIASES.values(), ()) and _holds(name) == what
        ]
    if len(found) > 1:
        raise ValueError(f"{file}: columns {[header[k] for k in found]} could each be the {what}; expected one")
    return found[0] if found else None


def _holds(name: str) -> str:
    """Return what a column holds by the words of its name, "" where one of them is unknown."""
    name = re.sub(r"[\s_(\[-]+m[vV][)\]]?$", "", name)  # no other unit: the numbers would be taken for millivolts
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\sA-Za-z_-]+", name)}
    if not words <= FILLERS.union(*WORDS.values()):
        return ""
    kind = next((kind for kind, known_words in WORDS.items() if words & known_words), "")
    return "id" if kind == "strip" else kind


def _xlsx_rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield row number and cells of each row of the first sheet that isn't empty.

    Raises
    ------
    ValueError
        With the file, where it isn't such a file or holds too much.
    """
    from openpyxl import load_workbook

    with open_regular(file, MAX_BYTES) as content:
        try:
            with zipfile.ZipFile(content) as parts:
                unpacked = sum(part.file_size for part in parts.infolist())
            limit = min(MAX_BYTES, max(SMALL, MAX_UNPACKED * file.stat().st_size))
            if unpacked > limit:
                raise ValueError(f"{unpacked} bytes once unpacked; expected at most {limit}")
            sheet = load_workbook(content, read_only=True, data_only=True).worksheets[0]
            sheet.reset_dimensions()  # else every row is as wide as the farthest cell that the file claims
            for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
                cells = [_text(value) for value in row]
                if any(len(cell) > MAX_CELL for cell in cells):
                    raise ValueError(f"row {number}: a cell of more than {MAX_CELL} characters; expected fewer")
                if any(cells):
                    yield number, cells
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error
        except Exception as error:  # openpyxl raises whatever a damaged part leads it to
            raise ValueError(f"{file}: {type(error).__name__}: {error}; expected an .xlsx that opens") from error


def _text(value: Any) -> str:
    """Return a cell as text: a whole number without the ``.0`` that spreadsheets add."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
