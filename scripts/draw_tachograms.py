"""Draw the RR intervals around each explained beat, coloured by what they carry: <case>.svg and .png."""

from __future__ import annotations

from beatlens.core.files import atomic_directory, read_table
from beatlens.figures.paper.style import save_figure
from beatlens.figures.words.tachogram import tachogram
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(__doc__, intervals="rr_context.csv", output="directory to write")
    arguments = programs.start(parser)
    cases = list(read_table(arguments.intervals).groupby("case", sort=False))
    with atomic_directory(arguments.output) as directory:
        for case, rows in programs.progress(cases, len(cases), "tachograms drawn"):
            figure = tachogram(rows)
            for ending in ("svg", "png"):
                save_figure(figure, directory / f"{case}.{ending}")


if __name__ == "__main__":
    main()
