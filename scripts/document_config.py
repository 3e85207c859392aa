"""Write the tables of config/README.md from the schema."""

from __future__ import annotations

import yaml

from beatlens.config.documentation import document
from beatlens.core.files import write_text
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        schema="schema of the configuration",
        output="page whose tables are made anew",
    )
    arguments = programs.start(parser)
    schema = yaml.safe_load(arguments.schema.read_text(encoding="utf-8"))
    write_text(arguments.output, document(arguments.output.read_text(encoding="utf-8"), schema))


if __name__ == "__main__":
    main()
