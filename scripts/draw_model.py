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
    parser = programs.parser(
        __doc__,
        library="prototypes/library.csv",
        waves="prototypes/waves.npz",
        space="prototypes/space.npz",
        history="model/history.csv",
        gallery="figure to write (.svg, .png or .pdf)",
        galleries=programs.Several("figures to write, one a class"),
        templates="prototypes/templates.npz",
        template_figure="figure to write",
        map="figure to write",
        training="figure to write",
    )
    parser.add_argument("--drift", type=Path, help="watch/drift.csv; left out where no beat was watched")
    arguments = programs.start(parser)
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
    save_figure(training_figure(read_table(arguments.history), drift), arguments.training)


if __name__ == "__main__":
    main()
