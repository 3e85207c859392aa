"""Unpack the archives of all shards into one directory of <case>.npz; every case must be there exactly once."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_table
from beatlens.explain.result.archive import gather_archives
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--archives", type=Path, nargs="+", required=True, help="one archive a shard")
    parser.add_argument("--cases", type=Path, required=True, help="table of cases")
    parser.add_argument("--output", type=Path, required=True, help="directory to write")
    arguments = parser.parse_args()
    programs.start(arguments)
    gather_archives(arguments.archives, read_table(arguments.cases)["case"].tolist(), arguments.output)


if __name__ == "__main__":
    main()
