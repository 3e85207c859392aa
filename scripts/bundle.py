"""Calibrate a trained network on patients that it has not seen and write the bundle."""

from __future__ import annotations

from beatlens.core.files import read_arrays, read_json, read_table
from beatlens.learning.held_out import HeldOut
from beatlens.learning.make_bundle import bundle_model
from beatlens.learning.train_and_bundle import input_spec
from beatlens.prediction.record_notes import gather
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        records="record table with the splits",
        shards=programs.Several("shard directories, for the leads' scales"),
        library="prototype library",
        waves="arrays of the prototype library",
        weights="trained weights",
        model="description of the trained model",
        held_out="outputs for patients not seen in training",
        output="bundle directory to write",
    )
    arguments = programs.start(parser)

    model = read_json(arguments.model)
    bundle = bundle_model(
        read_table(arguments.records),
        input_spec(model["settings"], arguments.library, arguments.waves),
        weights=read_arrays(arguments.weights),
        model=model,
        held_out=HeldOut.from_arrays(read_arrays(arguments.held_out)),
        settings=arguments.settings,
        scales=gather([read_table(shard / "records.parquet") for shard in arguments.shards], []),
    )
    bundle.save(arguments.output)


if __name__ == "__main__":
    main()
