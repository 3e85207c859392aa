"""Draw the training history."""

from __future__ import annotations

from pathlib import Path

from beatlens import programs
from beatlens.artefacts import read_table
from beatlens.figures.style import save_figure
from beatlens.figures.training import training_figure


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--history", type=Path, required=True, help="model/history.csv")
    parser.add_argument("--output", type=Path, required=True, help="figure to write (.svg, .png or .pdf)")
    arguments = parser.parse_args()
    programs.start(arguments)
    save_figure(training_figure(read_table(arguments.history)), arguments.output)


if __name__ == "__main__":
    main()
