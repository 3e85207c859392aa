"""Gather the scores of all cases: metrics/explanations.csv, and what the model uses for each class."""

from __future__ import annotations

from beatlens.core.files import read_table, write_table
from beatlens.evaluate.explanations.cohort import cohort_table
from beatlens.evaluate.explanations.stored_scores import read_scores
from beatlens.evaluate.explanations.table import scores_table
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.explain.case.choice import scored_cases
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        cases="table of cases",
        scores=programs.Several("folder of each shard's scores"),
        output="table of scores to write",
        cohort="table of parts by class to write",
    )
    arguments = programs.start(parser)
    settings, cases = arguments.settings, scored_cases(read_table(arguments.cases))
    evaluate = EvaluateSettings.read(settings["evaluate"])
    scores = read_scores(arguments.scores, cases["case"].tolist())
    parts = [score.parts for score in scores if score.parts is not None]
    write_table(arguments.cohort, cohort_table(parts, settings["classes"], evaluate.bootstrap, settings["seed"]))
    write_table(arguments.output, scores_table(scores, settings["classes"], evaluate, settings["seed"]))


if __name__ == "__main__":
    main()
