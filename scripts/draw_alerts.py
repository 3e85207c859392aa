"""Draw the map and the gallery of new-pattern alerts."""

from __future__ import annotations

from beatlens.core.files import read_arrays, read_table
from beatlens.figures.alerts import alert_figure
from beatlens.figures.paper.scale import PaperScale
from beatlens.figures.paper.style import save_figure
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        alerts="alerts/alerts.csv",
        members="alerts/beats.csv",
        centroids="alerts/centroids.npz",
        output="figure to write (.svg, .png or .pdf)",
    )
    arguments = programs.start(parser)
    scale = PaperScale(**arguments.settings["report"])
    tables = read_table(arguments.alerts), read_table(arguments.members)
    save_figure(alert_figure(*tables, read_arrays(arguments.centroids), scale), arguments.output)


if __name__ == "__main__":
    main()
