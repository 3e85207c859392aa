"""Unpack the archives of all shards into one directory of <case>.npz; every case must be there exactly once."""

from __future__ import annotations

from beatlens.core.files import read_table
from beatlens.explain.result.archive import gather_archives
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        archives=programs.Several("one archive a shard"),
        cases="table of cases",
        output="directory to write",
    )
    arguments = programs.start(parser)
    gather_archives(arguments.archives, read_table(arguments.cases)["case"].tolist(), arguments.output)


if __name__ == "__main__":
    main()
