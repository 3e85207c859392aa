"""Draw the prototypes, all and class by class, class templates, the map of training beats and the training history."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_arrays, read_table
from beatlens.figures.paper.scale import PaperScale
from beatlens.figures.paper.style import save_figure
from beatlens.figures.prototypes import prototype_figure
from beatlens.figures.space import space_figure
from beatlens.figures.templates import template_figure
from beatlens.figures.training import training_figure
from beatlens.prototypes.library import PrototypeLibrary
from beatlens.prototypes.space import FeatureSpace
from beatlens.prototypes.templates import ClassTemplates
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--library", type=Path, required=True, help="prototypes/library.csv")
    parser.add_argument("--waves", type=Path, required=True, help="prototypes/waves.npz")
    parser.add_argument("--space", type=Path, required=True, help="prototypes/space.npz")
    parser.add_argument("--history", type=Path, required=True, help="model/history.csv")
    parser.add_argument("--drift", type=Path, help="watch/drift.csv; left out where no beat was watched")
    parser.add_argument("--gallery", type=Path, required=True, help="figure to write (.svg, .png or .pdf)")
    parser.add_argument("--galleries", type=Path, nargs="+", required=True, help="figures to write, one a class")
    parser.add_argument("--templates", type=Path, required=True, help="prototypes/templates.npz")
    parser.add_argument("--template-figure", type=Path, required=True, help="figure to write")
    parser.add_argument("--map", type=Path, required=True, help="figure to write")
    parser.add_argument("--training", type=Path, required=True, help="figure to write")
    arguments = parser.parse_args()
    programs.start(arguments)
    scale = PaperScale(**arguments.settings["report"])
    library = PrototypeLibrary.load(arguments.library, arguments.waves)
    classes = arguments.settings["classes"]
    save_figure(prototype_figure(library, classes, scale), arguments.gallery)
    for name, path in zip(classes, arguments.galleries, strict=True):
        save_figure(prototype_figure(library, classes, scale, name), path)
    save_figure(template_figure(ClassTemplates.load(arguments.templates), scale), arguments.template_figure)
    space = FeatureSpace.load(arguments.space)
    drawn = space_figure(library, space, read_arrays(arguments.space), classes)
    save_figure(drawn, arguments.map)
    drift = read_table(arguments.drift) if arguments.drift else None
    method = arguments.settings["watch"]["methods"][0]
    save_figure(training_figure(read_table(arguments.history), drift, method), arguments.training)


if __name__ == "__main__":
    main()
