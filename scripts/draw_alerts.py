"""Draw the map and the gallery of new-pattern alerts."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_arrays, read_table
from beatlens.figures.alerts import alert_figure
from beatlens.figures.paper.scale import PaperScale
from beatlens.figures.paper.style import save_figure
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--alerts", type=Path, required=True, help="alerts/alerts.csv")
    parser.add_argument("--members", type=Path, required=True, help="alerts/beats.csv")
    parser.add_argument("--centroids", type=Path, required=True, help="alerts/centroids.npz")
    parser.add_argument("--output", type=Path, required=True, help="figure to write (.svg, .png or .pdf)")
    arguments = parser.parse_args()
    programs.start(arguments)
    scale = PaperScale(**arguments.settings["report"])
    tables = read_table(arguments.alerts), read_table(arguments.members)
    save_figure(alert_figure(*tables, read_arrays(arguments.centroids), scale), arguments.output)


if __name__ == "__main__":
    main()
