"""Train the network on the patients of the split train; the last epoch's weights are saved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from beatlens.core.files import read_table, write_arrays, write_json, write_table
from beatlens.explain.watch.watch import clear_state, watch_training
from beatlens.learning.train_and_bundle import (
    TrainingJob,
    held_out_of,
    held_out_tables,
    history_table,
    input_spec,
    model_description,
    train_model,
)
from beatlens.models.build import network_to_arrays
from beatlens.run import programs
from beatlens.shards.learning_shards import sealed


def main() -> None:
    parser = programs.parser(
        __doc__,
        shards=programs.Several("shard directories"),
        records="record table with the splits",
        library="prototype library",
        waves="arrays of the prototype library",
        weights="weights to write",
        model="description of the model to write",
        history="history to write, one row an epoch",
    )
    parser.add_argument("--held-out", type=Path, help="outputs for the patients of the split calibrate, to write")
    parser.add_argument("--state", type=Path, help="where the state is kept between epochs; removed at the end")
    parser.add_argument("--key", default="", help="code, configuration and data that the state must be of")
    parser.add_argument("--watch", type=Path, help="folder to write maps of some beats by epoch to; needs --state")
    arguments = programs.start(parser)
    programs.forget_primitives()
    settings = arguments.settings
    records = read_table(arguments.records)
    spec = input_spec(settings, arguments.library, arguments.waves)
    job = TrainingJob(sealed(arguments.shards, records), records, spec, settings, arguments.state, arguments.key)
    held_out_tables(records, spec.classes, settings)  # an error before any training where nobody can be held out
    watch = watch_training(job, arguments.watch) if arguments.watch else None
    trained = train_model(replace(job, callbacks=[watch] if watch else []))
    if watch:
        watch.hand_over()
    if arguments.held_out:
        write_arrays(arguments.held_out, held_out_of(job, trained).to_arrays())
    write_arrays(arguments.weights, network_to_arrays(trained.network))
    write_json(arguments.model, model_description(job, trained))
    write_table(arguments.history, history_table(trained.history))
    if arguments.state is not None:
        clear_state(arguments.state)


if __name__ == "__main__":
    main()
