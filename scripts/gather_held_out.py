"""Put together what the networks of all folds say of the patients that they haven't seen."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_arrays, write_arrays
from beatlens.learning.held_out import HeldOut
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--parts", type=Path, nargs="+", required=True, help="outputs of each fold, in order")
    parser.add_argument("--held-out", type=Path, required=True, help="outputs of all, to write")
    arguments = parser.parse_args()
    programs.start(arguments)
    parts = [HeldOut.from_arrays(read_arrays(path)) for path in arguments.parts]
    write_arrays(arguments.held_out, HeldOut.joined(parts).to_arrays())


if __name__ == "__main__":
    main()
