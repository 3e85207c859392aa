"""Write a run's summary as JSON: counts of records, strips, beats, reviews and alerts, and its main scores."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_table, write_json
from beatlens.run import programs
from beatlens.run.summary import SummaryTables, summarise

TABLES = "records status strips record-predictions stretches episodes remarks alerts clusters cases".split()


def main() -> None:
    parser = programs.parser(__doc__)
    for name in TABLES:
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--beats", type=Path, required=True, help="predictions of beats")
    parser.add_argument("--metrics", type=Path, help="scores of classification; left out where nothing is scored")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    arguments = parser.parse_args()
    programs.start(arguments)
    settings, given = arguments.settings, vars(arguments)

    tables = SummaryTables(
        **{field: read_table(given[field]) for field in (name.replace("-", "_") for name in TABLES)},
        beats=read_table(arguments.beats, ["pred", "review", "reason"]),
        metrics=read_table(arguments.metrics) if arguments.metrics else None,
    )
    write_json(arguments.output, summarise(tables, settings["run"], tuple(settings["classes"])))


if __name__ == "__main__":
    main()
