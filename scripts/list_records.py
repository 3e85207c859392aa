"""List every record of a run, used or not and why, as a table and as a page that says what to do; nothing is judged."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import write_table, write_text
from beatlens.corpora.record_sheet import read_sheet
from beatlens.run import programs
from beatlens.shards import record_table
from beatlens.status.page import render_status


def main() -> None:
    parser = programs.parser(
        __doc__,
        sheet="record sheet",
        status="status table to write",
        page="page to write",
    )
    parser.add_argument("--shards", type=Path, nargs="*", default=[], help="shard directories")
    arguments = programs.start(parser)

    status = record_table.gather_status(arguments.shards)
    files = {(row.corpus, row.record): row.path for row in read_sheet(arguments.sheet)}
    write_table(arguments.status, status)
    write_text(arguments.page, render_status(status, files, arguments.settings["run"]))


if __name__ == "__main__":
    main()
