"""Score predictions of strips and records: whether each class is found where it is, and only there."""

from __future__ import annotations

from beatlens.core.files import read_table, write_table
from beatlens.evaluate.predictions.presence import evaluate_presence
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        strips="predictions of strips",
        record_table="predictions of records",
        presence="table of scores to write",
    )
    arguments = programs.start(parser)
    settings = arguments.settings
    tables = {"strip": read_table(arguments.strips), "record": read_table(arguments.record_table)}
    scoring = EvaluateSettings.read(settings["evaluate"])
    scores = evaluate_presence(tables, settings["classes"], scoring, settings["seed"])
    write_table(arguments.presence, scores)


if __name__ == "__main__":
    main()
