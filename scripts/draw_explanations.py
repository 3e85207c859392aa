"""Draw the scores of explanations beside their nulls, and what the model uses for each class."""

from __future__ import annotations

from beatlens.core.files import read_table
from beatlens.figures.cohort import cohort_figure
from beatlens.figures.paper.style import save_figure
from beatlens.figures.scores import scores_figure
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        metrics="metrics/explanations.csv",
        cohort="metrics/cohort.csv",
        output="figure of scores to write (.svg, .png or .pdf)",
        cohort_figure="figure of parts by class to write",
    )
    arguments = programs.start(parser)
    save_figure(scores_figure(read_table(arguments.metrics)), arguments.output)
    cohort = cohort_figure(read_table(arguments.cohort), arguments.settings["classes"])
    save_figure(cohort, arguments.cohort_figure)


if __name__ == "__main__":
    main()
