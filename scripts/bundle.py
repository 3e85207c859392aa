"""Calibrate a trained network on the patients of the split calibrate and write the bundle."""

from __future__ import annotations

from pathlib import Path

from beatlens import programs
from beatlens.artefacts import read_arrays, read_json, read_table
from beatlens.shards import Shard
from beatlens.workbench import bundle_model, input_spec


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="shard directories")
    parser.add_argument("--records", type=Path, required=True, help="record table with the splits")
    parser.add_argument("--library", type=Path, required=True, help="prototype library")
    parser.add_argument("--waves", type=Path, required=True, help="arrays of the prototype library")
    parser.add_argument("--weights", type=Path, required=True, help="trained weights")
    parser.add_argument("--model", type=Path, required=True, help="description of the trained model")
    parser.add_argument("--output", type=Path, required=True, help="bundle directory to write")
    arguments = parser.parse_args()
    programs.start(arguments)

    model = read_json(arguments.model)
    bundle = bundle_model(
        [Shard(path) for path in arguments.shards],
        read_table(arguments.records),
        input_spec(model["settings"], arguments.library, arguments.waves),
        read_arrays(arguments.weights),
        model,
        arguments.settings,
    )
    bundle.save(arguments.output)


if __name__ == "__main__":
    main()
