"""Choose further classes for which each explained beat is explained: explanations/classes/cases.csv."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_table, write_table
from beatlens.explain.case.other_classes import cases_of_classes
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--cases", type=Path, required=True, help="table of cases")
    parser.add_argument("--beats", type=Path, required=True, help="predictions at detected beats")
    parser.add_argument("--output", type=Path, required=True, help="table of cases to write")
    arguments = parser.parse_args()
    programs.start(arguments)
    settings = arguments.settings
    chosen = settings["figures"]["classes"]
    classes = settings["classes"] if chosen == "all" else chosen
    write_table(arguments.output, cases_of_classes(read_table(arguments.cases), read_table(arguments.beats), classes))


if __name__ == "__main__":
    main()
