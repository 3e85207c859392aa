"""Deal the patients of a run's records to splits, or say why too few records can be used."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from beatlens.core.files import read_table, write_table
from beatlens.corpora.record_sheet import read_sheet
from beatlens.run import programs
from beatlens.shards import record_table, splits
from beatlens.shards.settings import SplitSettings


def main() -> None:
    parser = programs.parser(
        __doc__,
        sheet="record sheet",
        records="record table to write",
        status="status table of these records",
    )
    parser.add_argument("--shards", type=Path, nargs="*", default=[], help="shard directories")
    parser.add_argument("--table", type=Path, help="CSV of corpus, record, split for the scheme table")
    parser.add_argument("--page", required=True, help="the page that shows it, to name")
    arguments = programs.start(parser)
    settings = arguments.settings

    status = read_table(arguments.status)
    record_table.check_complete(status, [(row.corpus, row.record) for row in read_sheet(arguments.sheet)])
    try:
        record_table.check_usable(status, settings["max_bad_fraction"], f"{arguments.status} and {arguments.page}")
    except record_table.UnusableRecords as error:
        logging.getLogger(__name__).error("%s", error)
        sys.exit(1)
    records = record_table.gather(arguments.shards, settings["classes"])
    records["split"] = splits.assign_splits(
        records, SplitSettings.read(settings["split"]), settings["classes"], arguments.table
    )
    write_table(arguments.records, records)


if __name__ == "__main__":
    main()
