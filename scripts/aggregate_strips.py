"""Aggregate predictions of beats to strips and records."""

from __future__ import annotations

from pathlib import Path

from beatlens import programs
from beatlens.artefacts import read_table, write_table
from beatlens.strips import StripSettings, aggregate


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--beats", type=Path, required=True, help="predictions at detected peaks")
    parser.add_argument("--annotated", type=Path, required=True, help="predictions at annotated peaks")
    parser.add_argument("--records", type=Path, required=True, help="record table with the splits")
    parser.add_argument("--strips", type=Path, required=True, help="table of strips to write")
    parser.add_argument("--record-table", type=Path, required=True, help="table of records to write")
    arguments = parser.parse_args()
    programs.start(arguments)
    settings = arguments.settings

    strips = StripSettings(**settings["strips"])
    beats, annotated = read_table(arguments.beats), read_table(arguments.annotated)
    records = read_table(arguments.records)
    records = records[records["role"] != "noise"]
    for length_s, path in ((strips.length_s, arguments.strips), (None, arguments.record_table)):
        table = aggregate(
            beats, annotated, records, settings["classes"], length_s, strips.ectopic, settings["beats"]["gap_s"]
        )
        write_table(path, table)


if __name__ == "__main__":
    main()
