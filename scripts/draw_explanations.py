"""Draw the scores of explanations beside their nulls, and what the model uses for each class."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_table
from beatlens.figures.cohort import cohort_figure
from beatlens.figures.paper.style import save_figure
from beatlens.figures.scores import scores_figure
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--metrics", type=Path, required=True, help="metrics/explanations.csv")
    parser.add_argument("--cohort", type=Path, required=True, help="metrics/cohort.csv")
    parser.add_argument("--output", type=Path, required=True, help="figure of scores to write (.svg, .png or .pdf)")
    parser.add_argument("--cohort-figure", type=Path, required=True, help="figure of parts by class to write")
    arguments = parser.parse_args()
    programs.start(arguments)
    save_figure(scores_figure(read_table(arguments.metrics)), arguments.output)
    cohort = cohort_figure(read_table(arguments.cohort), arguments.settings["classes"])
    save_figure(cohort, arguments.cohort_figure)


if __name__ == "__main__":
    main()
