"""Write the names, sizes and digests of a folder's files into one small table, which stands for the folder."""

from __future__ import annotations

from beatlens.run import programs
from beatlens.run.manifest import write_index


def main() -> None:
    parser = programs.parser(
        __doc__,
        folder="folder to index",
        output="table to write",
    )
    arguments = programs.start(parser)
    write_index(arguments.folder, arguments.output)


if __name__ == "__main__":
    main()
