"""Decisions of reviewers on predicted beats: the table that `beatlens review` keeps, and the labels that follow.

A row is what one reviewer decided on one beat. A beat has a reviewed label where all who decided on it named the same
class. Standard library only, because the tables are checked whenever the Snakefile is parsed.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path

from beatlens.core.text_tables import few, original, read_rows

logger = logging.getLogger(__name__)

DECISIONS = ("accepted", "corrected", "unsure")
NOT_A_BEAT = "none"
"""Label of a detection that is no beat, as of one that matches no annotated beat."""
MAX_REVIEWER, MAX_NOTE = 80, 1000
"""Characters of a reviewer's name and of a note."""
_BEAT_ID = re.compile(r"([^/]+)/(.+)/(\d{1,18})")
_CLASS = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BadDecision(ValueError):
    """A decision that can't be one."""


@dataclass(frozen=True)
class Decision:
    """What one reviewer decided on one beat: a row of the table, whose columns are these.

    Attributes
    ----------
    beat_id
        ``corpus/record/r_sample`` of a detected beat.
    decision
        One of `DECISIONS`.
    label
        The class that the beat has by this decision, or `NOT_A_BEAT`; "" for an unsure one.
    pred
        The class that the run predicted.
    reviewer
        Who decided.
    time
        When, in UTC, by ISO 8601.
    run, bundle_sha256
        The run whose predictions were reviewed, and the sha256 of its bundle.json.
    note
        Free text.

    Raises
    ------
    BadDecision
        Naming the column, the value found and what was expected.
    """

    beat_id: str
    decision: str
    label: str
    pred: str
    reviewer: str
    time: str
    run: str
    bundle_sha256: str
    note: str = ""

    def __post_init__(self) -> None:
        for column, allowed in self._problems():
            raise BadDecision(f"{column} {getattr(self, column)[:80]!r}; expected {allowed}")

    def _problems(self) -> Iterator[tuple[str, str]]:
        if not _BEAT_ID.fullmatch(self.beat_id):
            yield "beat_id", "corpus/record/r_sample"
        if self.decision not in DECISIONS:
            yield "decision", f"one of {', '.join(DECISIONS)}"
        if not _CLASS.fullmatch(self.pred):
            yield "pred", "the predicted class"
        if self.decision == "accepted" and self.label != self.pred:
            yield "label", f"the predicted class, {self.pred!r}, where the decision is accepted"
        if self.decision == "corrected" and (not _CLASS.fullmatch(self.label) or self.label == self.pred):
            yield "label", f"another class than the predicted one, {self.pred!r}, or {NOT_A_BEAT!r}"
        if self.decision == "unsure" and self.label:
            yield "label", "nothing where the decision is unsure"
        if not 0 < len(self.reviewer) <= MAX_REVIEWER or not self.reviewer.isprintable():
            yield "reviewer", f"a name of at most {MAX_REVIEWER} characters"
        if _utc(self.time) is None:
            yield "time", "a moment in UTC, such as 2026-01-31T12:00:00Z"
        if not _RUN.fullmatch(self.run):
            yield "run", "the name of a run"
        if not _SHA256.fullmatch(self.bundle_sha256):
            yield "bundle_sha256", "a sha256 of 64 hexadecimal digits"
        if len(self.note) > MAX_NOTE or any("\ud800" <= sign <= "\udfff" for sign in self.note):
            yield "note", f"at most {MAX_NOTE} characters of Unicode"

    @property
    def place(self) -> tuple[str, str, int]:
        """Corpus, record and r_sample of the beat."""
        corpus, record, sample = parts(self.beat_id)
        return corpus, record, int(sample)

    def row(self) -> tuple[str, ...]:
        """Return the cells in the order of `COLUMNS`."""
        return tuple(getattr(self, name) for name in COLUMNS)


COLUMNS = tuple(field.name for field in fields(Decision))
"""Columns of a table of decisions."""


def parts(beat_id: str) -> Sequence[str]:
    """Return corpus, record and r_sample of a beat id as text; nothing where it isn't one."""
    found = _BEAT_ID.fullmatch(beat_id)
    return found.groups() if found else ()


def _utc(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.utcoffset() == timedelta(0) else None


@dataclass(frozen=True)
class ReviewedRecord:
    """What reviewers decided on the beats of a record.

    Attributes
    ----------
    labels
        Class (or `NOT_A_BEAT`) by r_sample, of beats on which all who decided named the same one.
    disputed
        r_sample of beats on which they didn't, and at least one named a class.
    unsure
        r_sample of beats on which none named a class.
    """

    labels: Mapping[int, str]
    disputed: tuple[int, ...] = ()
    unsure: tuple[int, ...] = ()


def read_decisions(path: str | Path) -> list[Decision]:
    """Read a table of decisions.

    Parameters
    ----------
    path
        CSV with at least the columns `COLUMNS`.

    Raises
    ------
    ValueError
        With file, line and value, for a column that is missing or a row that is no decision.
    OSError
        Where there is no such file.
    """
    result = []
    for line, cells in read_rows(path, COLUMNS, exact=False):
        try:
            result.append(Decision(**{name: original(cells[name]) for name in COLUMNS}))
        except BadDecision as error:
            raise ValueError(f"{path} line {line}: {error}") from None
    return result


def latest(decisions: Iterable[Decision]) -> list[Decision]:
    """Return the last decision of each reviewer on each beat, sorted by beat and reviewer.

    Raises
    ------
    ValueError
        Where a reviewer decided two things on a beat at one time, so that none is the last.
    """
    found: dict[tuple[str, str], Decision] = {}
    for new in decisions:
        key = (new.beat_id, new.reviewer)
        old = found.setdefault(key, new)
        before, after = _utc(old.time), _utc(new.time)
        if before == after and (old.decision, old.label) != (new.decision, new.label):
            raise ValueError(
                f"{new.beat_id}: {new.reviewer} decided {old.decision} {old.label} and {new.decision} {new.label} "
                f"at {new.time}; expected one of the two"
            )
        if before is not None and after is not None and after > before:
            found[key] = new
    return [found[key] for key in sorted(found, key=lambda key: (*_sortable(key[0]), key[1]))]


def _sortable(beat_id: str) -> tuple[str, str, int]:
    corpus, record, sample = parts(beat_id)
    return corpus, record, int(sample)


def read_reviewed(
    tables: Sequence[str | Path], corpus: str, records: Collection[str] = ()
) -> dict[str, ReviewedRecord]:
    """Return what was decided on a corpus's beats, by record; see `ReviewedRecord`.

    Parameters
    ----------
    tables
        Tables of decisions (`read_decisions`), which together are all that was decided.
    corpus
        Name of the corpus; decisions on beats of others are left out.
    records
        Ids of the corpus's records; decisions on other records are logged. All are taken where it is empty.

    Raises
    ------
    ValueError
        Where there are decisions, but none on a beat of the corpus, or as `read_decisions` and `latest`.
    OSError
        As `read_decisions`.
    """
    decisions = [decision for table in tables for decision in read_decisions(table)]
    by_beat: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    elsewhere: set[str] = set()
    for decision in latest(decisions):
        of_corpus, record, sample = decision.place
        if of_corpus != corpus or (records and record not in records):
            elsewhere.add(f"{of_corpus}/{record}")
            continue
        by_beat[record][sample].add(decision.label)
    of_this = sorted(name for name in elsewhere if name.startswith(f"{corpus}/"))
    if decisions and not by_beat and not of_this:
        names = ", ".join(map(str, tables))
        raise ValueError(f"{names}: decisions on beats of {few(sorted(elsewhere))} alone; expected some on {corpus}")
    if of_this:
        logger.warning("%s: %d records that aren't in this run: %s", tables, len(of_this), few(of_this))
    return {record: _agreed(beats) for record, beats in by_beat.items()}


def _agreed(beats: Mapping[int, Collection[str]]) -> ReviewedRecord:
    agreed = {sample: next(iter(named)) for sample, named in beats.items() if len(named) == 1}
    return ReviewedRecord(
        {sample: label for sample, label in agreed.items() if label},
        tuple(sample for sample in beats if sample not in agreed),
        tuple(sample for sample, label in agreed.items() if not label),
    )
