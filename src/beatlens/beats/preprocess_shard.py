"""The records of a shard, one by one: read, preprocessed and written, or listed with what is wrong with them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from beatlens.beats.preprocess import PreprocessSettings, preprocess_record
from beatlens.core.record import Record, RecordFault
from beatlens.corpora.beat_labels import label_beats, record_class, unknown_labels
from beatlens.corpora.downloads.download import Remote
from beatlens.corpora.downloads.https import Interrupted
from beatlens.corpora.downloads.interrupted import note_interrupted
from beatlens.corpora.formats.rules import ReadingRules
from beatlens.corpora.label_table import LabelTable
from beatlens.corpora.record_sheet import SheetRow
from beatlens.corpora.registry import read_record
from beatlens.corpora.reviewed import ReviewedRecord
from beatlens.corpora.rhythm_labels import rhythm_spans
from beatlens.corpora.strips import StripSettings
from beatlens.shards.writer import ShardWriter

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CorpusSource:
    """Where a corpus's records come from, and what isn't in their files.

    Attributes
    ----------
    folder
        Holds the records, or will once they are downloaded.
    labels
        Which class an annotation stands for; None where the corpus has no labels.
    patients
        Patient ids by record, where they aren't in the headers.
    strips
        What a corpus of strips doesn't say of itself.
    remote
        Where it is downloaded from; None where its files are here.
    rules
        What the names in its files mean.
    reviewed
        What reviewers decided on beats, by record.
    """

    folder: Path
    labels: LabelTable | None = None
    patients: Mapping[str, str] = field(default_factory=dict)
    strips: StripSettings | None = None
    remote: Remote | None = None
    rules: ReadingRules = field(default_factory=ReadingRules)
    reviewed: Mapping[str, ReviewedRecord] = field(default_factory=dict)


def preprocess_shard(
    rows: Iterable[SheetRow],
    sources: Mapping[str, CorpusSource],
    settings: PreprocessSettings,
    output: Path,
    *,
    tries: int = 0,
) -> None:
    """Write a shard from its records, one in memory at a time; a bad record becomes a row of the status table.

    Parameters
    ----------
    rows
        Rows of the record sheet that belong to the shard.
    sources
        By corpus.
    settings
        Sections of the configuration.
    output
        Shard directory.
    tries
        How often its downloads were tried again (`beatlens.corpora.downloads.interrupted`).
    """
    missing: list[tuple[str, str]] = []
    with ShardWriter(output) as writer:
        for row in rows:
            if row.corpus not in sources:
                raise ValueError(f"no folder for corpus {row.corpus!r}; expected one of {sorted(sources)}")
            source = sources[row.corpus]
            try:
                record = read_record(
                    row, source.folder, source.patients, source.strips, remote=source.remote, rules=source.rules
                )
                labels, weak = label_beats(record, source.labels), record_class(record, source.labels)
                unknown = unknown_labels(record, source.labels, labels)
                record = replace(record, remarks=(*record.remarks, *unknown))
                reviewed = source.reviewed.get(row.record)
                result = preprocess_record(record, row.role, labels, settings, weak, reviewed=reviewed)
                rhythms = _rhythms(record)
                del record  # its raw signal is large
            except RecordFault as fault:
                logger.warning("%s/%s left out: %s", row.corpus, row.record, fault)
                writer.set_status(row.corpus, row.record, row.role, fault.reason, fault.detail)
                if isinstance(fault, Interrupted):
                    missing.append((row.corpus, fault.member or "SHA256SUMS"))
                continue
            except Exception as error:
                logger.exception("%s/%s left out", row.corpus, row.record)
                detail = f"{type(error).__name__}: {error}"
                writer.set_status(row.corpus, row.record, row.role, "unreadable", detail)
                continue
            writer.add(result.row, result.signal, result.beats, result.annotated, result.truth)
            writer.note(result.stretches, result.remarks)
            writer.mark_rhythms(rhythms)
            writer.set_status(row.corpus, row.record, row.role, detail="; ".join(result.notes))
    note_interrupted(output, tries, missing)


def _rhythms(record: Record) -> list[dict[str, Any]]:
    """Return the rows of `beatlens.shards.shard.RHYTHM_COLUMNS` that a record's annotations give."""
    if record.annotations is None:
        return []
    who = {"corpus": record.corpus, "record": record.name, "patient": record.patient}
    return [
        {**who, "rhythm": span.rhythm, "start_s": span.start / record.fs, "end_s": span.end / record.fs}
        for span in rhythm_spans(record.annotations, record.signal.shape[1])
    ]
