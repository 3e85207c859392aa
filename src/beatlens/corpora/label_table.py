"""From annotations to classes: label tables, and the stretches that annotations mark as noise or flutter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from beatlens.core.text_tables import read_rows

if TYPE_CHECKING:
    from beatlens.core.record import Annotations

COLUMNS = ("symbol", "aux", "class", "description")
NOT_BEATS = frozenset("[ ! ] x ( ) p t u ` ' ^ | ~ + s T * D = \" @".split())
"""WFDB annotation symbols that don't mark a beat."""
UNKNOWN = "?"
"""Stands for the class of a beat whose symbol the table doesn't have; no class has this name."""


@dataclass(frozen=True)
class LabelTable:
    """Which class an annotation symbol, with or without a certain note, stands for.

    Attributes
    ----------
    path
        Where the table came from.
    rules
        Class by ``(symbol, note)``; the note "" stands for any, the class "" for no beat.
    """

    path: Path
    rules: dict[tuple[str, str], str]

    @classmethod
    def read(cls, path: str | Path) -> LabelTable:
        """Read a CSV with the columns symbol, aux, class, description.

        Raises
        ------
        ValueError
            With file, line and value, for other columns, an empty symbol, a class with blanks or separators, or a
            symbol and note that come twice.
        """
        path = Path(path)
        rules: dict[tuple[str, str], str] = {}
        for line, row in read_rows(path, COLUMNS):
            where = f"{path} line {line}"
            key, label = (row["symbol"], row["aux"]), row["class"]
            if not key[0] or key in rules:
                raise ValueError(f"{where}: symbol {key[0]!r}, aux {key[1]!r}; expected each pair once, no empty one")
            if label in {"none", UNKNOWN} or any(c.isspace() or c in ";,/" for c in label):
                raise ValueError(f"{where}: class {label!r}; expected a name without blanks and ; , / (or nothing)")
            rules[key] = label
        if not any(rules.values()):
            raise ValueError(f"{path}: no row has a class; expected at least one")
        return cls(path, rules)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the table names, sorted."""
        return tuple(sorted(set(self.rules.values()) - {""}))

    @property
    def beat_symbols(self) -> frozenset[str]:
        """The symbols that mark a beat, be it only with certain notes."""
        return frozenset(symbol for (symbol, _), label in self.rules.items() if label)

    def of_record(self, name: str) -> str | None:
        """Return the class of a record's own label, "" where it stands for none and None where the table lacks it.

        A name in words may be written in small letters or capitals; a symbol of one letter may not (``e`` isn't ``E``).
        """
        if (name, "") in self.rules or len(name) < 2:
            return self.rules.get((name, ""))
        found = {label for (symbol, note), label in self.rules.items() if not note and symbol.lower() == name.lower()}
        return found.pop() if len(found) == 1 else None

    def classify(self, symbols: Sequence[str], aux: Sequence[str]) -> list[str]:
        """Return the class of each annotation, "" where it isn't a beat.

        The row for a symbol with exactly this note wins over the row for the symbol with any. A WFDB symbol that
        doesn't mark a beat needs no row. Any other symbol that the table doesn't have is `UNKNOWN`.
        """
        result = []
        for symbol, note in zip(symbols, aux, strict=True):
            label = self.rules.get((symbol, note), self.rules.get((symbol, "")))
            result.append(label if label is not None else "" if symbol in NOT_BEATS else UNKNOWN)
        return result


def noise_intervals(annotations: Annotations, n_samples: int, every_of: int | None = None) -> list[tuple[int, int]]:
    """Return the stretches that ``~`` annotations mark as noisy.

    A ``~`` says how the signals are from there on. Its note has one letter a signal (``c`` clean, ``n`` noisy,
    ``u`` or ``U`` unreadable), as in the embedded corpus; where it has none, as in the MIT-BIH database, bit k of its
    subtype says that signal k is noisy and bit k + 4 that it is unreadable (-1: all are).

    Parameters
    ----------
    annotations
        The record's annotations, ascending.
    n_samples
        Length of the record, where the last stretch may end.
    every_of
        Number of signals; a stretch counts where all of the first so many are noisy. None where one noisy signal is
        enough.

    Returns
    -------
    list of (start, end)
        Samples at the record file's rate, end exclusive, ascending and apart.
    """
    states = list(_noisy(annotations, every_of))
    found: list[tuple[int, int]] = []
    for k, (start, noisy) in enumerate(states):
        end = states[k + 1][0] if k + 1 < len(states) else n_samples
        if not noisy or end <= start:
            continue
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _noisy(annotations: Annotations, every_of: int | None) -> Iterator[tuple[int, bool]]:
    subtypes = annotations.subtype or (-1,) * len(annotations.symbol)
    rows = zip(annotations.sample.tolist(), annotations.symbol, annotations.aux, subtypes, strict=True)
    for sample, symbol, note, subtype in rows:
        if symbol != "~":
            continue
        if note and set(note) <= set("cnuU"):
            flags = [letter != "c" for letter in note]
        else:
            flags = [bool((subtype >> k | subtype >> (k + 4)) & 1) for k in range(4)]
        yield sample, any(flags) if every_of is None else all(flags[:every_of])


def flutter_intervals(annotations: Annotations, n_samples: int) -> list[tuple[int, int]]:
    """Return the stretches of ventricular flutter or fibrillation: from ``[`` to ``]``.

    Parameters
    ----------
    annotations
        The record's annotations, ascending.
    n_samples
        Length of the record, where an open stretch ends.

    Returns
    -------
    list of (start, end)
        Samples at the record file's rate, end exclusive.
    """
    found: list[tuple[int, int]] = []
    start: int | None = None
    for sample, symbol in zip(annotations.sample.tolist(), annotations.symbol, strict=True):
        if symbol == "[" and start is None:
            start = sample
        elif symbol == "]" and start is not None:
            found.append((start, sample + 1))
            start = None
    if start is not None:
        found.append((start, n_samples))
    return found
