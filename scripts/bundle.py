"""Calibrate a trained network on patients that it has not seen and write the bundle."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_arrays, read_json, read_table
from beatlens.learning.held_out import HeldOut
from beatlens.learning.make_bundle import bundle_model
from beatlens.learning.train_and_bundle import input_spec
from beatlens.prediction.record_notes import gather
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--records", type=Path, required=True, help="record table with the splits")
    parser.add_argument(
        "--shards", type=Path, nargs="+", required=True, help="shard directories, for the leads' scales"
    )
    parser.add_argument("--library", type=Path, required=True, help="prototype library")
    parser.add_argument("--waves", type=Path, required=True, help="arrays of the prototype library")
    parser.add_argument("--weights", type=Path, required=True, help="trained weights")
    parser.add_argument("--model", type=Path, required=True, help="description of the trained model")
    parser.add_argument("--held-out", type=Path, required=True, help="outputs for patients not seen in training")
    parser.add_argument("--output", type=Path, required=True, help="bundle directory to write")
    arguments = parser.parse_args()
    programs.start(arguments)

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
