"""Draw the confusion, calibration with risk against coverage, and the scores of each patient."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_table
from beatlens.evaluate.predictions.outcomes import outcomes
from beatlens.figures.classification import confusion_figure, headline_split, patients_figure, reliability_figure
from beatlens.figures.paper.style import save_figure
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--beats", type=Path, required=True, help="predictions at detected beats")
    parser.add_argument("--metrics", type=Path, required=True, help="metrics/classification.csv")
    parser.add_argument("--confusion", type=Path, required=True, help="metrics/confusion.csv")
    parser.add_argument("--confusion-figure", type=Path, required=True, help="figure to write")
    parser.add_argument("--reliability", type=Path, required=True, help="figure to write")
    parser.add_argument("--patients", type=Path, required=True, help="figure to write")
    arguments = parser.parse_args()
    programs.start(arguments)
    classes, bins = arguments.settings["classes"], arguments.settings["evaluate"]["calibration_bins"]
    metrics, confusion = read_table(arguments.metrics), read_table(arguments.confusion)
    split = headline_split(metrics)
    beats = read_table(arguments.beats)
    rows = outcomes(beats[beats["split"] == split], classes) if split else None
    save_figure(confusion_figure(confusion, classes), arguments.confusion_figure)
    save_figure(reliability_figure(rows, split, bins), arguments.reliability)
    save_figure(patients_figure(metrics, classes), arguments.patients)


if __name__ == "__main__":
    main()
