"""Calibrate a trained network on patients that it has not seen and write the bundle."""

from __future__ import annotations

from pathlib import Path

from beatlens import programs
from beatlens.artefacts import read_arrays, read_json, read_table
from beatlens.bundling import bundle_model
from beatlens.heldout import HeldOut
from beatlens.record_notes import gather
from beatlens.workbench import input_spec


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
        read_arrays(arguments.weights),
        model,
        HeldOut.from_arrays(read_arrays(arguments.held_out)),
        arguments.settings,
        gather([read_table(shard / "records.parquet") for shard in arguments.shards], []),
    )
    bundle.save(arguments.output)


if __name__ == "__main__":
    main()
