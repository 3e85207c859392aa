"""Score predictions against labels: metrics/classification.csv and metrics/confusion.csv."""

from __future__ import annotations

from pathlib import Path

from beatlens import programs
from beatlens.artefacts import read_table, write_table
from beatlens.evaluate.classification import evaluate_classification
from beatlens.evaluate.outcomes import check_splits
from beatlens.evaluate.settings import EvaluateSettings


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--beats", type=Path, required=True, help="predictions at detected beats")
    parser.add_argument("--annotated", type=Path, required=True, help="predictions at annotated beats")
    parser.add_argument("--records", type=Path, required=True, help="records.tsv, which says who is in which split")
    parser.add_argument("--metrics", type=Path, required=True, help="table of scores to write")
    parser.add_argument("--confusion", type=Path, required=True, help="table of counts to write")
    arguments = parser.parse_args()
    programs.start(arguments)
    settings = arguments.settings
    beats, annotated = read_table(arguments.beats), read_table(arguments.annotated)
    check_splits(read_table(arguments.records), beats, annotated)
    metrics, confusion = evaluate_classification(
        beats, annotated, settings["classes"], EvaluateSettings(**settings["evaluate"]), settings["seed"]
    )
    write_table(arguments.metrics, metrics)
    write_table(arguments.confusion, confusion)


if __name__ == "__main__":
    main()
