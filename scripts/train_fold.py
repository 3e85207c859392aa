"""Train a network without a fold of the training patients, and run it over them."""

from __future__ import annotations

from beatlens.core.files import read_table, write_arrays
from beatlens.learning.train_and_bundle import TrainingJob, input_spec, train_fold
from beatlens.run import programs
from beatlens.shards.learning_shards import sealed


def main() -> None:
    parser = programs.parser(
        __doc__,
        shards=programs.Several("shard directories"),
        records="record table with the splits",
        library="prototype library",
        waves="arrays of the prototype library",
        held_out="outputs for the fold's patients, to write",
        state="where the state is kept between epochs; removed at the end",
    )
    parser.add_argument("--fold", type=int, required=True, help="which of training.folds, from 0")
    parser.add_argument("--key", required=True, help="code, configuration and data that the state must be of")
    arguments = programs.start(parser)
    programs.forget_primitives()

    records = read_table(arguments.records)
    shards = sealed(arguments.shards, records)
    spec = input_spec(arguments.settings, arguments.library, arguments.waves)
    key = f"{arguments.key} {arguments.fold}"
    job = TrainingJob(shards, records, spec, arguments.settings, arguments.state, key)
    write_arrays(arguments.held_out, train_fold(job, arguments.fold).to_arrays())
    arguments.state.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
