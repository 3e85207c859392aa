"""Train networks of diagnoses without a fold of the patients, and run them over patients that they haven't seen."""

from __future__ import annotations

from beatlens.core.files import read_table, write_arrays
from beatlens.learning.diagnoses.cross_fit import predict_fold, read_job
from beatlens.models.build import make_deterministic
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        labels="table of labels and folds",
        features=programs.Several("measured records of all shards"),
        outputs="outputs to write",
    )
    parser.add_argument("--fold", type=int, required=True, help="which of diagnoses.folds, from 0")
    arguments = programs.start(parser)
    make_deterministic(arguments.settings["compute_threads"], "cpu")
    job = read_job(read_table(arguments.labels), arguments.features, arguments.settings)
    write_arrays(arguments.outputs, predict_fold(job, arguments.fold).to_arrays())


if __name__ == "__main__":
    main()
