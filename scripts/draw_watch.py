"""Draw each watched beat: its maps of every class over the epochs, as <case>.svg; the first of a class also as .png."""

from __future__ import annotations

from beatlens.core.files import atomic_directory
from beatlens.explain.watch.settings import leading
from beatlens.figures.paper.scale import PaperScale
from beatlens.figures.paper.style import save_figure
from beatlens.figures.watch import Watched, watch_figure
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        cohort="watch/cohort.npz",
        epochs=programs.Several("watch/<epoch>.npz"),
        output="directory to write",
    )
    arguments = programs.start(parser)
    settings = arguments.settings
    scale = PaperScale(settings["report"]["speed_mm_s"], settings["report"]["gain_mm_mv"])
    watched = Watched.load(arguments.cohort, arguments.epochs)
    methods = settings["figures"]["watch"] or leading(watched.methods)
    cases, labels = watched.cohort["cases"].tolist(), watched.cohort["labels"].tolist()
    with atomic_directory(arguments.output) as directory:
        for k, case in enumerate(programs.progress(cases, len(cases), "watched beats drawn")):
            # The page shows the first beat of each class, in the smaller of the two forms.
            endings = ("svg",) if labels[k] in labels[:k] else ("svg", "png")
            for method in methods:
                name = case if method == methods[0] else f"{case}_{method}"
                figure = watch_figure(watched, case, method, scale, settings["figures"]["colour_map"])
                for ending in endings:
                    save_figure(figure, directory / f"{name}.{ending}")


if __name__ == "__main__":
    main()
