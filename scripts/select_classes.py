"""Choose further classes for which each explained beat is explained: explanations/classes/cases.csv."""

from __future__ import annotations

from beatlens.core.files import read_table, write_table
from beatlens.explain.case.other_classes import cases_of_classes
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        cases="table of cases",
        beats="predictions at detected beats",
        output="table of cases to write",
    )
    arguments = programs.start(parser)
    settings = arguments.settings
    chosen = settings["figures"]["classes"]
    classes = settings["classes"] if chosen == "all" else chosen
    write_table(arguments.output, cases_of_classes(read_table(arguments.cases), read_table(arguments.beats), classes))


if __name__ == "__main__":
    main()
