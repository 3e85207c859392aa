"""Choose the predictions that are explained: explanations/cases.csv."""

from __future__ import annotations

from dataclasses import fields

from beatlens.core.files import read_table, write_table
from beatlens.explain.case.choice import WindowSettings, select_cases
from beatlens.explain.case.settings import CaseSettings
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        beats="predictions at detected beats",
        records="records.tsv",
        output="table of cases to write",
    )
    arguments = programs.start(parser)
    settings = arguments.settings
    window = WindowSettings(**{field.name: settings["beats"][field.name] for field in fields(WindowSettings)})
    cases = select_cases(
        read_table(arguments.beats),
        read_table(arguments.records),
        settings["classes"],
        settings=CaseSettings.read(settings["cases"]),
        window=window,
        seed=settings["seed"],
    )
    write_table(arguments.output, cases)


if __name__ == "__main__":
    main()
