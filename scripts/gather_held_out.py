"""Put together what the networks of all folds say of the patients that they haven't seen."""

from __future__ import annotations

from beatlens.core.files import read_arrays, write_arrays
from beatlens.learning.held_out import HeldOut
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        parts=programs.Several("outputs of each fold, in order"),
        held_out="outputs of all, to write",
    )
    arguments = programs.start(parser)
    parts = [HeldOut.from_arrays(read_arrays(path)) for path in arguments.parts]
    write_arrays(arguments.held_out, HeldOut.joined(parts).to_arrays())


if __name__ == "__main__":
    main()
