"""Draw how well diagnoses are told: scores beside their nulls, reliability, which stands for which."""

from __future__ import annotations

from beatlens.core.files import read_json, read_table
from beatlens.evaluate.predictions.diagnoses.outcomes import outcomes, scored_rows
from beatlens.figures.diagnoses.scores import confusion_figure, reliability_figure, score_figure
from beatlens.figures.paper.style import save_figure
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        predictions="predictions/diagnoses.parquet",
        metrics="metrics/diagnoses.csv",
        bundle_json="diagnoses/bundle/bundle.json, which has the names of diagnoses",
        scores="figure to write",
        reliability="figure to write",
        confusion="figure to write",
    )
    arguments = programs.start(parser)
    rows = outcomes(scored_rows(read_table(arguments.predictions)))
    names = {each["id"]: each["name"] for each in read_json(arguments.bundle_json)["classes"]}
    save_figure(score_figure(read_table(arguments.metrics), names), arguments.scores)
    bins = arguments.settings["evaluate"]["calibration_bins"]
    save_figure(reliability_figure(rows, names, bins), arguments.reliability)
    save_figure(confusion_figure(rows, names), arguments.confusion)


if __name__ == "__main__":
    main()
