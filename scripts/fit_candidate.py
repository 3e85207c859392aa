"""Predict each fold of the training patients by networks of one candidate that were trained on the others."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_table, write_json, write_table
from beatlens.learning.train_and_bundle import fold_state
from beatlens.run import programs
from beatlens.selection.crossfit import cross_fitted, learning_records
from beatlens.shards.learning_shards import sealed


def main() -> None:
    parser = programs.parser(
        __doc__,
        shards=programs.Several("shard directories"),
        records="record table with the splits",
        predictions="predictions of left-out patients to write",
        provenance="what they come from, to write",
        state="where states are kept between epochs; removed at the end",
    )
    parser.add_argument("--table", type=Path, help="split table to take in place of these splits")
    parser.add_argument("--key", required=True, help="code, configuration and data that the states must be of")
    arguments = programs.start(parser)
    programs.forget_primitives()
    settings = arguments.settings

    records = learning_records(read_table(arguments.records), settings["split"], settings["classes"], arguments.table)
    shards = sealed(arguments.shards, records)
    predictions, provenance = cross_fitted(shards, records, settings, arguments.state, arguments.key)
    write_table(arguments.predictions, predictions)
    write_json(arguments.provenance, provenance)
    for fold in range(settings["select"]["folds"]):
        fold_state(arguments.state, fold).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
