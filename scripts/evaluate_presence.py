"""Score predictions of strips and records: whether each class is found where it is, and only there."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_table, write_table
from beatlens.evaluate.predictions.presence import evaluate_presence
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--strips", type=Path, required=True, help="predictions of strips")
    parser.add_argument("--record-table", type=Path, required=True, help="predictions of records")
    parser.add_argument("--presence", type=Path, required=True, help="table of scores to write")
    arguments = parser.parse_args()
    programs.start(arguments)
    settings = arguments.settings
    tables = {"strip": read_table(arguments.strips), "record": read_table(arguments.record_table)}
    scoring = EvaluateSettings.read(settings["evaluate"])
    scores = evaluate_presence(tables, settings["classes"], scoring, settings["seed"])
    write_table(arguments.presence, scores)


if __name__ == "__main__":
    main()
