"""Write the names, sizes and digests of a folder's files into one small table, which stands for the folder."""

from __future__ import annotations

from pathlib import Path

from beatlens.run import programs
from beatlens.run.manifest import write_index


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="folder to index")
    parser.add_argument("--output", type=Path, required=True, help="table to write")
    arguments = parser.parse_args()
    programs.start(arguments)
    write_index(arguments.folder, arguments.output)


if __name__ == "__main__":
    main()
