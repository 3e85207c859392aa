"""Make from the settings: the schema of the configuration, config/config.yaml and the tables of config/README.md."""

from __future__ import annotations

import json
from pathlib import Path

from beatlens.config.documentation import document
from beatlens.config.documents import config_text, schema_text
from beatlens.core.files import write_text
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--schema", type=Path, required=True, help="schema to write, as JSON")
    parser.add_argument("--defaults", type=Path, required=True, help="configuration to write, as YAML")
    parser.add_argument("--page", type=Path, required=True, help="page whose tables are made anew")
    arguments = parser.parse_args()
    programs.start(arguments)
    schema = schema_text()
    write_text(arguments.schema, schema)
    write_text(arguments.defaults, config_text())
    write_text(arguments.page, document(arguments.page.read_text(encoding="utf-8"), json.loads(schema)))


if __name__ == "__main__":
    main()
