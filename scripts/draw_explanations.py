"""Draw the scores of explanations beside their nulls."""

from __future__ import annotations

from pathlib import Path

from beatlens import programs
from beatlens.artefacts import read_table
from beatlens.figures.scores import scores_figure
from beatlens.figures.style import save_figure


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--metrics", type=Path, required=True, help="metrics/explanations.csv")
    parser.add_argument("--output", type=Path, required=True, help="figure to write (.svg, .png or .pdf)")
    arguments = parser.parse_args()
    programs.start(arguments)
    save_figure(scores_figure(read_table(arguments.metrics)), arguments.output)


if __name__ == "__main__":
    main()
