"""Predict each fold of the training patients by networks of diagnoses of one candidate, trained on the others."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_table, write_table
from beatlens.models.build import make_deterministic
from beatlens.run import programs
from beatlens.selection.diagnoses import cross_fitted, learning_records


def main() -> None:
    parser = programs.parser(
        __doc__,
        labels="table of labels and folds",
        features=programs.Several("measured records of all shards"),
        predictions="predictions of left-out patients to write",
    )
    parser.add_argument("--table", type=Path, help="split table whose train records are chosen by")
    parser.add_argument("--encoder", type=Path, help="bundle of beats whose encoder is shared")
    arguments = programs.start(parser)
    make_deterministic(arguments.settings["compute_threads"], "cpu")
    labels = learning_records(read_table(arguments.labels), arguments.table)
    found = cross_fitted(labels, arguments.features, arguments.settings, arguments.encoder)
    write_table(arguments.predictions, found)


if __name__ == "__main__":
    main()
