"""Count the beats of a shard's records as a Holter report does, record by record and hour by hour."""

from __future__ import annotations

from beatlens.core.files import read_table, write_table
from beatlens.holter.tables import KEY, Counting, holter_table, hour_table
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        beats="predictions of the shard at detected peaks",
        stretches="stretches of the shard in which beats can't be told",
        shard_records="table of the shard's records",
        records="record table with the splits",
        output="table of records to write",
        hours="table of hours to write",
    )
    arguments = programs.start(parser)
    settings = arguments.settings

    counting = Counting(settings["classes"], settings["strips"]["ectopic"], settings["beats"]["gap_s"])
    records = read_table(arguments.records)
    of_shard = read_table(arguments.shard_records, columns=KEY)
    records = records[records["role"] != "noise"].merge(of_shard, on=KEY, validate="one_to_one")
    beats = read_table(arguments.beats, columns=[*KEY, "r_time_s", "pred", "review"])
    stretches = read_table(arguments.stretches)
    write_table(arguments.output, holter_table(beats, stretches, records, counting))
    write_table(arguments.hours, hour_table(beats, stretches, records, counting))


if __name__ == "__main__":
    main()
