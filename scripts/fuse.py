"""Fuse the attributions of several methods, case by case."""

from __future__ import annotations

from beatlens.core.files import atomic_directory, read_table
from beatlens.explain.result.archive import load_case
from beatlens.explain.result.fusion import fuse
from beatlens.explain.result.settings import FusionSettings
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        cases="table of cases",
        output="directory to write",
    )
    parser.add_argument("--methods", type=programs.named_path, nargs="+", required=True, help="NAME=DIR of each method")
    arguments = programs.start(parser)
    settings = FusionSettings.read(arguments.settings["fusion"])
    cases = read_table(arguments.cases)["case"].tolist()
    with atomic_directory(arguments.output) as directory:
        for case in programs.progress(cases, len(cases), "fuse"):
            attributions = {name: load_case(path, case) for name, path in arguments.methods}
            fuse(attributions, settings).save(directory / f"{case}.npz")


if __name__ == "__main__":
    main()
