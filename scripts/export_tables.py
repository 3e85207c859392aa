"""Write tables of a run as CSV, which any spreadsheet opens."""

from __future__ import annotations

from beatlens.core.files import read_table, write_table
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(__doc__, tables=programs.Several("tables to read"), folder="folder to write <name>.csv to")
    arguments = programs.start(parser)
    for path in arguments.tables:
        write_table(arguments.folder / f"{path.stem}.csv", read_table(path))


if __name__ == "__main__":
    main()
