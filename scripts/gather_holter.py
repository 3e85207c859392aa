"""Join the Holter tables of all shards, and say which records a person should look at first."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_table, write_table
from beatlens.holter.urgency import Findings, with_urgency
from beatlens.prediction.record_notes import gather
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        holter=programs.Several("Holter table of each shard"),
        hours=programs.Several("table of hours of each shard"),
        episodes="runs and pauses",
        stretches="stretches in which beats can't be told",
        remarks="remarks on records",
        alert_beats="clustered beats and their alerts",
        output="Holter table to write",
        output_hours="table of hours to write",
    )
    parser.add_argument("--rhythms", type=Path, help="episodes of rhythms; left out where none were looked for")
    arguments = programs.start(parser)

    findings = Findings(
        episodes=read_table(arguments.episodes),
        stretches=read_table(arguments.stretches),
        remarks=read_table(arguments.remarks),
        alert_beats=read_table(arguments.alert_beats),
        rhythms=read_table(arguments.rhythms) if arguments.rhythms else None,
    )
    table = gather([read_table(path) for path in arguments.holter], [])
    write_table(arguments.output, with_urgency(table, findings))
    write_table(arguments.output_hours, gather([read_table(path) for path in arguments.hours], ["hour"]))


if __name__ == "__main__":
    main()
