"""Score predictions against labels, and look for leaks that would make the scores too good."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_arrays, read_table, write_table
from beatlens.evaluate.predictions.classification import evaluate_classification
from beatlens.evaluate.predictions.outcomes import check_splits
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.leaks.audit import audit
from beatlens.leaks.run import Run
from beatlens.prediction.bundle import Bundle
from beatlens.run import programs
from beatlens.shards.shard import Shard
from beatlens.shards.splits import declared_overlaps


def main() -> None:
    parser = programs.parser(
        __doc__,
        beats="predictions at detected beats",
        annotated="predictions at annotated beats",
        records="records.tsv, which says who is in which split",
        shards=programs.Several("shard directories"),
        bundle="bundle directory",
        metrics="table of scores to write",
        confusion="table of counts to write",
        leaks="table of the checks for leaks to write",
    )
    parser.add_argument("--history", type=Path, help="history of the training; left out where a bundle was given")
    parser.add_argument("--held-out", type=Path, help="outputs that calibration rests on; left out likewise")
    parser.add_argument("--table", type=Path, help="split table, which declares overlaps")
    arguments = programs.start(parser)
    settings = arguments.settings
    beats, annotated = read_table(arguments.beats), read_table(arguments.annotated)
    records = read_table(arguments.records)
    check_splits(records, beats, annotated)
    run = Run(
        [Shard(path) for path in arguments.shards],
        records,
        beats,
        annotated,
        Bundle.load(arguments.bundle),
        declared_overlaps(arguments.table, records) if arguments.table else (),
        read_table(arguments.history) if arguments.history else None,
        read_arrays(arguments.held_out)["patient"].tolist() if arguments.held_out else None,
    )
    write_table(arguments.leaks, audit(run))
    metrics, confusion = evaluate_classification(
        beats, annotated, settings["classes"], EvaluateSettings.read(settings["evaluate"]), settings["seed"]
    )
    write_table(arguments.metrics, metrics)
    write_table(arguments.confusion, confusion)


if __name__ == "__main__":
    main()
