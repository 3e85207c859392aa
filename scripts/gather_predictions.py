"""Join the predictions of all shards, the stretches in which beats can't be told, and the remarks on records."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_table, write_table
from beatlens.prediction.record_notes import gather
from beatlens.run import programs
from beatlens.shards.joined_predictions import join


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--beats", type=Path, nargs="+", required=True, help="predictions at detected peaks")
    parser.add_argument("--annotated", type=Path, nargs="+", required=True, help="predictions at annotated peaks")
    parser.add_argument("--stretches", type=Path, nargs="+", required=True, help="stretches of each shard")
    parser.add_argument("--remarks", type=Path, nargs="+", required=True, help="remarks of each shard and stage")
    parser.add_argument("--output-beats", type=Path, required=True, help="table to write")
    parser.add_argument("--output-annotated", type=Path, required=True, help="table to write")
    parser.add_argument("--output-stretches", type=Path, required=True, help="table to write")
    parser.add_argument("--output-remarks", type=Path, required=True, help="table to write")
    arguments = parser.parse_args()
    programs.start(arguments)

    for paths, output in (
        (arguments.beats, arguments.output_beats),
        (arguments.annotated, arguments.output_annotated),
    ):
        write_table(output, join([read_table(path) for path in paths]))
    for paths, output, by in (
        (arguments.stretches, arguments.output_stretches, ["start_s"]),
        (arguments.remarks, arguments.output_remarks, ["remark"]),
    ):
        write_table(output, gather([read_table(path) for path in paths], by))


if __name__ == "__main__":
    main()
