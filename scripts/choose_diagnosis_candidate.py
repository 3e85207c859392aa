"""Score the candidates for diagnoses on the patients left out; write the choice as an overlay, and what it scores."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from beatlens.core.files import read_table, write_table, write_text
from beatlens.figures.paper.style import save_figure
from beatlens.figures.selection import selection_figure
from beatlens.run import programs
from beatlens.selection.choice import AUROC_TO_BEST, MEAN, choose, overlay_text
from beatlens.selection.diagnoses import diagnosis_scores, last_word, nested_choice, nested_text


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
    said = {name: {seed: last_word(table) for seed, table in by_seed.items()} for name, by_seed in tables.items()}
    options = {
        "draws": settings["evaluate"]["bootstrap"],
        "level": settings["evaluate"]["level"],
        "seed": settings["seed"],
    }
    scores = diagnosis_scores(said, **options)
    choice = choose(scores)
    nested, chosen = nested_choice(tables, **options)
    counts = Counter(name for names in chosen.values() for name in names)
    write_table(arguments.scores, pd.concat([scores, nested], ignore_index=True))
    text = overlay_text(choice, scores, changes[choice.chosen], settings["run"], options["level"])
    write_text(arguments.choice, nested_text(nested, counts) + text)
    for path in arguments.figures:
        save_figure(selection_figure(scores, choice.chosen, MEAN, AUROC_TO_BEST), path)


if __name__ == "__main__":
    main()
