"""Gather the shards' records, deal patients to splits, and fail where too many records can't be used."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import write_table
from beatlens.corpora.record_sheet import read_sheet
from beatlens.run import programs
from beatlens.shards import record_table, splits


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="shard directories")
    parser.add_argument("--sheet", type=Path, required=True, help="record sheet")
    parser.add_argument("--table", type=Path, help="CSV of corpus, record, split for the scheme table")
    parser.add_argument("--records", type=Path, required=True, help="record table to write")
    parser.add_argument("--status", type=Path, required=True, help="status table to write")
    arguments = parser.parse_args()
    programs.start(arguments)
    settings = arguments.settings

    records, status = record_table.gather(arguments.shards, settings["classes"])
    record_table.check_complete(status, [(row.corpus, row.record) for row in read_sheet(arguments.sheet)])
    write_table(arguments.status, status)
    record_table.check_bad_fraction(status, settings["max_bad_fraction"])
    records["split"] = splits.assign_splits(
        records, splits.SplitSettings(**settings["split"]), settings["classes"], arguments.table
    )
    write_table(arguments.records, records)


if __name__ == "__main__":
    main()
