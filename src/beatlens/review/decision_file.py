"""The table of decisions beside a run: several reviewers and programs write it at once, and nothing is lost by a kill.

A change is made under a lock on a file beside the table. The new table is written whole under another name, flushed to
the disk and renamed. So the table is always whole, and a decision that was confirmed is in it.
"""

from __future__ import annotations

import csv
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from beatlens.core import claims
from beatlens.core.text_tables import neutral
from beatlens.corpora.reviewed import COLUMNS, Decision, latest, read_decisions

NAME = "reviewed.csv"


class DecisionFile:
    """A table of decisions, a row a beat and reviewer: who decides again replaces their own row, never another's.

    Parameters
    ----------
    path
        The table; it needn't be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Decision]:
        """Return all decisions, sorted by beat and reviewer.

        Raises
        ------
        ValueError
            Where the file is no table of decisions (`beatlens.corpora.reviewed.read_decisions`).
        """
        return latest(read_decisions(self.path)) if self.path.exists() else []

    def add(self, new: Decision) -> list[Decision]:
        """Keep a decision and return all; it is on the disk when this returns."""
        with self._lock():
            others = [old for old in self.read() if (old.beat_id, old.reviewer) != (new.beat_id, new.reviewer)]
            self._write([*others, new])
            return [*others, new]

    def withdraw(self, beat_id: str, reviewer: str) -> list[Decision]:
        """Take back what a reviewer decided on a beat, and return all that is left."""
        with self._lock():
            kept = [old for old in self.read() if (old.beat_id, old.reviewer) != (beat_id, reviewer)]
            self._write(kept)
            return kept

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with self.path.with_name(f".{self.path.name}.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # held by this open file, so threads wait as other programs do
            claims.remove_leftovers(self.path)
            yield

    def _write(self, decisions: Iterable[Decision]) -> None:
        temporary = claims.temporary_of(self.path)
        try:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(COLUMNS)
                writer.writerows([neutral(cell) for cell in decision.row()] for decision in latest(decisions))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
        finally:
            temporary.unlink(missing_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def disputed(decisions: Iterable[Decision]) -> list[str]:
    """Return the ids of beats on which reviewers don't name the same class, in the order of the decisions."""
    labels: dict[str, set[str]] = {}
    for decision in decisions:
        labels.setdefault(decision.beat_id, set()).add(decision.label)
    return [beat_id for beat_id, named in labels.items() if len(named) > 1]
