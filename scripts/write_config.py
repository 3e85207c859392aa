"""Write the merged configuration of a run as YAML, so that the run can be repeated from it."""

from __future__ import annotations

from pathlib import Path

import yaml

from beatlens.core.files import write_text
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--output", type=Path, required=True, help="configuration to write")
    arguments = parser.parse_args()
    programs.start(arguments)
    write_text(arguments.output, yaml.safe_dump(arguments.settings, sort_keys=False, allow_unicode=True))


if __name__ == "__main__":
    main()
