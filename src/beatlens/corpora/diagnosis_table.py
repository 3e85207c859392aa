"""From a corpus's codes to diagnoses: which SNOMED code or SCP statement stands for which diagnosis of a record.

A diagnosis has an id (``AF``) and a name (atrial fibrillation); a code is how a corpus writes it. Several codes may
stand for one diagnosis. A code may also stand for none, which isn't the same as a code that the table lacks.

Standard library only: tables of diagnoses are read whenever the Snakefile is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from beatlens.core.text_tables import read_rows

COLUMNS = ("code", "diagnosis", "name")
_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")


@dataclass(frozen=True)
class DiagnosisTable:
    """Which diagnosis a code stands for.

    Attributes
    ----------
    path
        Where the table came from.
    codes
        Id of the diagnosis by code; "" where the code stands for none.
    names
        Name by id, in table order.
    scored
        Ids that the corpus's own score counts (column ``scored``: yes), in table order; all where the table lacks it.
    """

    path: Path
    codes: dict[str, str]
    names: dict[str, str]
    scored: tuple[str, ...]

    @classmethod
    def read(cls, path: str | Path) -> DiagnosisTable:
        """Read a CSV with the columns code, diagnosis, name, and perhaps scored and others; ``#`` begins a comment.

        Raises
        ------
        ValueError
            With file, line and value, for a missing column, an empty code or one that comes twice, an id of other
            characters than letters, digits and ``_``, a diagnosis without a name or with two, or a value of scored
            other than yes and no; and for a table without a diagnosis.
        """
        path = Path(path)
        codes: dict[str, str] = {}
        names: dict[str, str] = {}
        scored: dict[str, bool] = {}
        for line, row in read_rows(path, COLUMNS, exact=False, comments=True):
            where = f"{path} line {line}"
            code, diagnosis, name = (row[column] for column in COLUMNS)
            if not code or code in codes:
                raise ValueError(f"{where}: code {code!r}; expected each code once, and no empty one")
            codes[code] = diagnosis
            if not diagnosis:
                continue
            if not _ID.fullmatch(diagnosis):
                raise ValueError(
                    f"{where}: diagnosis {diagnosis!r}; expected a letter, then at most 31 letters, digits and _"
                )
            if not name or names.setdefault(diagnosis, name) != name:
                raise ValueError(
                    f"{where}: name {name!r} of {diagnosis}; expected one name a diagnosis, here "
                    f"{names.get(diagnosis, 'any')!r}"
                )
            counts = row.get("scored", "yes")
            if counts not in {"yes", "no"} or scored.setdefault(diagnosis, counts == "yes") != (counts == "yes"):
                raise ValueError(
                    f"{where}: scored {counts!r}; expected yes or no, the same for all codes of {diagnosis}"
                )
        if not names:
            raise ValueError(f"{path}: no row has a diagnosis; expected at least one")
        return cls(path, codes, names, tuple(key for key in names if scored[key]))

    @property
    def ids(self) -> tuple[str, ...]:
        """The diagnoses, in table order."""
        return tuple(self.names)

    def name_of(self, diagnosis: str) -> str:
        """Return the name of a diagnosis by its id.

        Raises
        ------
        ValueError
            For an id that the table doesn't have.
        """
        if diagnosis not in self.names:
            raise ValueError(f"{self.path}: no diagnosis {diagnosis!r}; expected one of {', '.join(self.names)}")
        return self.names[diagnosis]

    def of_codes(self, codes: Iterable[str]) -> tuple[frozenset[str], tuple[str, ...]]:
        """Return the diagnoses of a record's codes, and the codes that the table lacks.

        Returns
        -------
        diagnoses, unknown
            Ids; codes without a row, each once, in the order given.
        """
        given = tuple(dict.fromkeys(codes))
        known = frozenset(self.codes[code] for code in given if self.codes.get(code))
        return known, tuple(code for code in given if code not in self.codes)


def diagnosis_names(tables: Sequence[str | Path], diagnoses: Sequence[str]) -> dict[str, str]:
    """Return the names of diagnoses by id, from the first of several tables that has each.

    Raises
    ------
    ValueError
        For an id that no table has.
    """
    read = [DiagnosisTable.read(path) for path in tables]
    found: dict[str, str] = {}
    for diagnosis in diagnoses:
        for table in read:
            if diagnosis in table.names:
                found[diagnosis] = table.names[diagnosis]
                break
        else:
            raise ValueError(f"diagnosis {diagnosis!r}: no name in {', '.join(map(str, tables))}; expected one")
    return found
