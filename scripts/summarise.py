"""Write a run's summary as JSON: counts of records, strips, beats, reviews and alerts, and its main scores."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_table, write_json
from beatlens.run import programs
from beatlens.run.summary import SummaryTables, summarise

TABLES = {
    "records": "records.tsv",
    "status": "status.tsv",
    "strips": "predictions/strips.parquet",
    "record_predictions": "predictions/records.parquet",
    "stretches": "predictions/stretches.parquet",
    "episodes": "predictions/episodes.parquet",
    "remarks": "predictions/remarks.tsv",
    "alerts": "alerts/alerts.csv",
    "clusters": "alerts/clusters.csv",
    "cases": "explanations/cases.csv",
}
"""Attribute of `SummaryTables`, and name of its option -> the file."""


def main() -> None:
    parser = programs.parser(__doc__, **TABLES, beats="predictions of beats", output="JSON file to write")
    parser.add_argument("--metrics", type=Path, help="scores of classification; left out where nothing is scored")
    arguments = programs.start(parser)
    settings, given = arguments.settings, vars(arguments)

    tables = SummaryTables(
        **{name: read_table(given[name]) for name in TABLES},
        beats=read_table(arguments.beats, ["pred", "review", "reason"]),
        metrics=read_table(arguments.metrics) if arguments.metrics else None,
    )
    write_json(arguments.output, summarise(tables, settings["run"], tuple(settings["classes"])))


if __name__ == "__main__":
    main()
