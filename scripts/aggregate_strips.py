"""Aggregate predictions of beats to strips and records, and list runs and pauses."""

from __future__ import annotations

from beatlens.core.files import read_table, write_table
from beatlens.prediction.episodes import find_episodes
from beatlens.prediction.record_notes import with_notes
from beatlens.prediction.settings import StripSettings
from beatlens.prediction.strips import aggregate
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        beats="predictions at detected peaks",
        annotated="predictions at annotated peaks",
        records="record table with the splits",
        stretches="stretches in which beats can't be told",
        remarks="remarks on records",
        strips="table of strips to write",
        record_table="table of records to write",
        episodes="table of runs and pauses to write",
    )
    arguments = programs.start(parser)
    settings = arguments.settings

    strips = StripSettings.read(settings["strips"])
    beats, annotated = read_table(arguments.beats), read_table(arguments.annotated)
    records = read_table(arguments.records)
    records = records[records["role"] != "noise"]
    classes, gap_s = settings["classes"], settings["beats"]["gap_s"]
    ectopic = [name for name in classes if name in strips.ectopic]
    stretches, remarks = read_table(arguments.stretches), read_table(arguments.remarks)
    episodes = find_episodes(beats, stretches, ectopic, gap_s)
    by_strip, by_record = (
        aggregate(
            beats,
            annotated,
            records,
            classes=classes,
            length_s=length_s,
            ectopic=strips.ectopic,
            gap_s=gap_s,
            stretches=stretches,
        )
        for length_s in (strips.length_s, None)
    )
    write_table(arguments.episodes, episodes)
    write_table(arguments.strips, by_strip)
    write_table(arguments.record_table, with_notes(by_record, stretches, episodes, remarks, ectopic))


if __name__ == "__main__":
    main()
