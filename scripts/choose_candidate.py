"""Score the candidates on the patients that their networks left out, and write the choice as an overlay."""

from __future__ import annotations

from beatlens.core.files import read_table, write_table, write_text
from beatlens.figures.paper.style import save_figure
from beatlens.figures.selection import selection_figure
from beatlens.run import programs
from beatlens.selection.choice import MEAN, TO_BEST, candidate_scores, choose, overlay_text


def main() -> None:
    parser = programs.parser(
        __doc__,
        scores="table to write",
        choice="overlay to write",
        figures=programs.Several("the same figure in several formats, to write"),
    )
    parser.add_argument("--predictions", type=programs.named_path, nargs="+", required=True, help="CANDIDATE/SEED=FILE")
    arguments = programs.start(parser)
    settings = arguments.settings

    changes = {candidate["name"]: candidate["change"] for candidate in settings["select"]["candidates"]}
    files = dict(arguments.predictions)
    seeds = settings["select"]["seeds"]
    tables = {name: {seed: read_table(files[f"{name}/{seed}"]) for seed in seeds} for name in changes}
    level = settings["evaluate"]["level"]
    scores = candidate_scores(
        tables, settings["classes"], draws=settings["evaluate"]["bootstrap"], level=level, seed=settings["seed"]
    )
    choice = choose(scores)
    write_table(arguments.scores, scores)
    write_text(arguments.choice, overlay_text(choice, scores, changes[choice.chosen], settings["run"], level))
    for path in arguments.figures:
        save_figure(selection_figure(scores, choice.chosen, MEAN, TO_BEST), path)


if __name__ == "__main__":
    main()
