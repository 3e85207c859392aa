"""Write what is generated from the settings: the schema, config.yaml and the tables of config/README.md."""

from __future__ import annotations

import json

from beatlens.config.documentation import document
from beatlens.config.documents import config_text, schema_text
from beatlens.core.files import write_text
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        schema="schema to write, as JSON",
        defaults="configuration to write, as YAML",
        page="page whose tables are made anew",
    )
    arguments = programs.start(parser)
    schema = schema_text()
    write_text(arguments.schema, schema)
    write_text(arguments.defaults, config_text())
    write_text(arguments.page, document(arguments.page.read_text(encoding="utf-8"), json.loads(schema)))


if __name__ == "__main__":
    main()
