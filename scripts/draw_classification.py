"""Draw the confusion, calibration with risk against coverage, and the scores of each patient."""

from __future__ import annotations

from beatlens.core.files import read_table
from beatlens.evaluate.predictions.outcomes import outcomes
from beatlens.figures.classification import confusion_figure, headline_split, patients_figure, reliability_figure
from beatlens.figures.paper.style import save_figure
from beatlens.run import programs
from beatlens.shards.shard import REVIEWED


def main() -> None:
    parser = programs.parser(
        __doc__,
        beats="predictions at detected beats",
        metrics="metrics/classification.csv",
        confusion="metrics/confusion.csv",
        confusion_figure="figure to write",
        reliability="figure to write",
        patients="figure to write",
    )
    arguments = programs.start(parser)
    classes, bins = arguments.settings["classes"], arguments.settings["evaluate"]["calibration_bins"]
    metrics, confusion = read_table(arguments.metrics), read_table(arguments.confusion)
    split = headline_split(metrics)
    beats = read_table(arguments.beats)
    shown = beats[(beats["split"] == split) & (beats["label_source"] != REVIEWED)]
    rows = outcomes(shown, classes) if split else None
    save_figure(confusion_figure(confusion, classes), arguments.confusion_figure)
    save_figure(reliability_figure(rows, split, bins), arguments.reliability)
    save_figure(patients_figure(metrics, classes), arguments.patients)


if __name__ == "__main__":
    main()
