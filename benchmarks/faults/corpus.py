"""Many faulty records in one corpus folder, preprocessed in one run, and each judged by its own."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faults.ground import Answer, Ground
from faults.trial import LOST, SILENT, SURVIVED, TOLD, Trial

ENDINGS = (".hea", ".dat", ".atr")
CONFIG = """\
run: batch
bundle: results/tiny/model/bundle
allow_made_bundle: true
shards: 1
max_bad_fraction: 1.0
corpora:
  - {name: batch, format: wfdb, role: test, labels: config/labels/synthetic.csv}
"""
Files = dict[str, bytes]
"""A record's files by ending."""


@dataclass(frozen=True)
class FaultyRecord:
    """A record to be tried.

    Attributes
    ----------
    kind, fault
        Row of the table, and what was done to it.
    source
        The made record that it is a copy of.
    files
        Its files after the fault, by ending; the word RECORD in a header stands for its name.
    judge_labels
        Whether other labels of its beats are a wrong result.
    """

    kind: str
    fault: str
    source: str
    files: Files
    judge_labels: bool = False


@dataclass(frozen=True)
class Found:
    """What a run says of a record: reason (empty where it is used), remarks, digest of signal and beats, and labels."""

    reason: str
    remarks: tuple[str, ...]
    digest: str
    labels: tuple[str, ...]


def intact(ground: Ground, source: str) -> Files:
    """Return the files of a made record, with RECORD in the place of its name."""
    files = {ending: (ground.made / f"{source}{ending}").read_bytes() for ending in ENDINGS}
    return {**files, ".hea": files[".hea"].replace(source.encode(), b"RECORD")}


def judge(ground: Ground, records: Sequence[FaultyRecord], name: str) -> Iterator[Trial]:
    """Preprocess records beside intact ones and judge each; where a run fails as a whole, its halves are tried."""
    sources = sorted({record.source for record in records})
    placed = {f"f{number:03d}": record.files for number, record in enumerate(records)}
    placed |= {f"good{source}": intact(ground, source) for source in sources}
    project = ground.copy(name)
    answer = _run(ground, project, placed)
    if answer.code != 0 and len(records) > 1:
        shutil.rmtree(project)
        middle = len(records) // 2
        yield from judge(ground, records[:middle], f"{name}a")
        yield from judge(ground, records[middle:], f"{name}b")
        return
    found = read_records(project, "batch") if answer.code == 0 else {}
    shutil.rmtree(project)
    for number, record in enumerate(records):
        if answer.code != 0:
            outcome = LOST, answer.end
        else:
            outcome = _judge(found.get(f"f{number:03d}"), found.get(f"good{record.source}"), record.judge_labels)
        yield Trial(record.kind, f"{record.source}: {record.fault}", *outcome)


def _judge(found: Found | None, good: Found | None, labels: bool) -> tuple[str, str]:
    if good is None or good.reason:
        return LOST, f"the intact record beside it: {good}"
    if found is None:
        return LOST, "neither used nor listed"
    if found.reason:
        return TOLD, found.reason
    if own := sorted(set(found.remarks) - set(good.remarks)):
        return TOLD, ";".join(own)
    if found.digest != good.digest:
        return SILENT, "signal or beats differ"
    return (SILENT, "labels differ") if labels and found.labels != good.labels else (SURVIVED, "")


def _run(ground: Ground, project: Path, placed: Mapping[str, Files]) -> Answer:
    folder = project / "data" / "batch"
    folder.mkdir(parents=True)
    for record, files in placed.items():
        for ending, content in files.items():
            (folder / f"{record}{ending}").write_bytes(content.replace(b"RECORD", record.encode()))
    (project / "batch.yaml").write_text(CONFIG, encoding="utf-8")
    return ground.run(project, "preprocess", config="batch.yaml")


def read_records(project: Path, run: str) -> dict[str, Found]:
    """Return what a run's tables say of each record of its corpus."""
    from beatlens.core.files import read_table

    results = project / "results" / run
    status = read_table(results / "status.tsv")
    shard = next((results / "preprocess").iterdir())
    records, beats = read_table(shard / "records.parquet"), read_table(shard / "beats.parquet")
    remarks, signals = read_table(shard / "remarks.tsv"), np.load(shard / "signals.npy", mmap_mode="r")
    of_record, digests = dict(tuple(beats.groupby("record"))), {}
    for row in records.itertuples():
        signal = signals[row.offset : row.offset + row.n_leads * row.n_samples]
        own = of_record[row.record]["r_sample"].to_numpy(np.int64) if row.record in of_record else np.empty(0)
        digests[row.record] = hashlib.sha256(signal.tobytes() + own.tobytes()).hexdigest()
    return {
        row.record: Found(
            row.reason,
            tuple(remarks.loc[remarks["record"] == row.record, "remark"]),
            digests.get(row.record, ""),
            tuple(of_record[row.record]["label"]) if row.record in of_record else (),
        )
        for row in status.itertuples()
    }


def batches(ground: Ground, records: Sequence[FaultyRecord], size: int, name: str) -> Iterator[Trial]:
    """Judge records in batches, as many at a time as there are workers."""
    parts = [(records[k : k + size], f"{name} {k}") for k in range(0, len(records), size)]
    for trials in ground.map(lambda part: list(judge(ground, *part)), parts):
        yield from trials
