"""Write the page of a run that hasn't finished: unfinished.html in its folder, from Snakemake's log."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime
from pathlib import Path

from beatlens.core.files import write_text
from beatlens.status.unfinished import NAME, failures, last_lines, render_unfinished

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d{6}")
"""How the name of a log of Snakemake begins: the local time at which the run began."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True, help="name of the run")
    parser.add_argument("--results", type=Path, required=True, help="its folder")
    parser.add_argument("--snakemake-log", type=Path, required=True, help="Snakemake's log of it")
    arguments = parser.parse_args()
    log = arguments.snakemake_log
    stamp = STAMP.match(log.name)
    began = datetime.strptime(stamp.group(), "%Y-%m-%dT%H%M%S").astimezone(UTC) if stamp else datetime.now(UTC)
    lines = last_lines(log) if log.is_file() else ()
    failed = failures(log, Path.cwd()) if log.is_file() else []
    arguments.results.mkdir(parents=True, exist_ok=True)
    page = render_unfinished(
        arguments.run, arguments.results, began=began, failed=failed, log=str(log), lines=lines
    )  # fmt: skip
    write_text(arguments.results / NAME, page)


if __name__ == "__main__":
    main()
