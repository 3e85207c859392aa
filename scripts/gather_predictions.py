"""Join the predictions of all shards, the stretches in which beats can't be told, and the remarks on records."""

from __future__ import annotations

from beatlens.core.files import read_table, write_table
from beatlens.prediction.record_notes import gather
from beatlens.run import programs
from beatlens.shards.joined_predictions import join


def main() -> None:
    parser = programs.parser(
        __doc__,
        beats=programs.Several("predictions at detected peaks"),
        annotated=programs.Several("predictions at annotated peaks"),
        stretches=programs.Several("stretches of each shard"),
        remarks=programs.Several("remarks of each shard and stage"),
        output_beats="table to write",
        output_annotated="table to write",
        output_stretches="table to write",
        output_remarks="table to write",
    )
    arguments = programs.start(parser)

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
