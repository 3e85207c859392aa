"""The table of decisions beside a run: several reviewers and programs write it at once, and nothing is lost by a kill.

A change is made under a lock on a file beside the table. The new table is written whole under another name, flushed to
the disk and renamed. So the table is always whole, and a decision that was confirmed is in it.
"""

from __future__ import annotations

import csv
import fcntl
import io
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from beatlens.core import claims
from beatlens.core.text_tables import neutral
from beatlens.corpora.reviewed import COLUMNS, Decision, latest, read_decisions

NAME = "reviewed.csv"


class Stamp(NamedTuple):
    """Number, size and time of a file."""

    inode: int
    size: int
    time_ns: int


class DecisionFile:
    """A table of decisions, a row a beat and reviewer: who decides again replaces their own row, never another's.

    What was read or written last is kept in memory, and the file is read again where another program has changed it.

    Parameters
    ----------
    path
        The table; it needn't be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = threading.Lock()
        self._stamp: Stamp | None = None
        self._rows: dict[tuple[str, str], Decision] = {}
        self._lines: dict[tuple[str, str], str] = {}

    def read(self) -> list[Decision]:
        """Return all decisions, beats in the order in which they were first decided on.

        Raises
        ------
        ValueError
            Where the file is no table of decisions (`beatlens.corpora.reviewed.read_decisions`).
        """
        with self._thread:
            self._refresh()
            return list(self._rows.values())

    def add(self, *new: Decision) -> list[Decision]:
        """Keep decisions and return all; they are on the disk when this returns."""
        with self._change():
            for decision in new:
                self._put(decision)
            self._write()
            return list(self._rows.values())

    def withdraw(self, beat_id: str, reviewer: str) -> list[Decision]:
        """Take back what a reviewer decided on a beat, and return all that is left."""
        with self._change():
            self._rows.pop((beat_id, reviewer), None)
            self._lines.pop((beat_id, reviewer), None)
            self._write()
            return list(self._rows.values())

    @contextmanager
    def _change(self) -> Iterator[None]:
        with self._thread, self.path.with_name(f".{self.path.name}.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            claims.remove_leftovers(self.path)
            self._refresh()
            try:
                yield
            except BaseException:
                self._stamp = None  # what is in memory may not be in the file
                raise

    def _refresh(self) -> None:
        stamp = _stamp(self.path)
        if stamp is None or stamp != self._stamp:
            self._rows, self._lines = {}, {}
            for decision in latest(read_decisions(self.path)) if stamp is not None else ():
                self._put(decision)
            self._stamp = stamp

    def _put(self, decision: Decision) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow([neutral(cell) for cell in decision.row()])
        key = (decision.beat_id, decision.reviewer)
        self._rows[key], self._lines[key] = decision, line.getvalue()

    def _write(self) -> None:
        temporary = claims.temporary_of(self.path)
        try:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                file.write(",".join(COLUMNS) + "\n")
                file.writelines(self._lines.values())
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
        self._stamp = _stamp(self.path)


def _stamp(path: Path) -> Stamp | None:
    """Return what changes when a file is replaced or edited, None where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return Stamp(status.st_ino, status.st_size, status.st_mtime_ns)


def disputed(decisions: Iterable[Decision]) -> list[str]:
    """Return the ids of beats on which reviewers don't name the same class, in the order of the decisions."""
    labels: dict[str, set[str]] = {}
    for decision in decisions:
        labels.setdefault(decision.beat_id, set()).add(decision.label)
    return [beat_id for beat_id, named in labels.items() if len(named) > 1]
