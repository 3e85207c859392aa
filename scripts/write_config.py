"""Write the merged configuration of a run as YAML, so that the run can be repeated from it."""

from __future__ import annotations

import yaml

from beatlens.core.files import write_text
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        output="configuration to write",
    )
    arguments = programs.start(parser)
    write_text(arguments.output, yaml.safe_dump(arguments.settings, sort_keys=False, allow_unicode=True))


if __name__ == "__main__":
    main()
