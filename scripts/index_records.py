"""Make or update the record sheet of a configuration: which records there are, and a digest of what they hold."""

from __future__ import annotations

import logging
from collections import Counter
from functools import reduce
from pathlib import Path

from beatlens.config.load import load_config, merge
from beatlens.config.strict_yaml import read_yaml
from beatlens.corpora.index import update_sheet
from beatlens.run import programs

ROOT = Path(__file__).resolve().parents[1]
logger = logging.getLogger("index_records")


def main() -> None:
    parser = programs.parser(
        __doc__,
        output="record sheet, such as results/<run>/record_sheet.tsv",
    )
    parser.add_argument(
        "--config", type=Path, nargs="*", default=[], help="configuration files over config/config.yaml, the last wins"
    )
    arguments = programs.start(parser)

    overlays = [read_yaml(path) or {} for path in arguments.config]
    config = load_config(reduce(merge, overlays, {}), ROOT, Path.cwd())
    rows = update_sheet(
        config["corpora"], arguments.output, config["data_dir"], "results", synthetic=config["synthetic"]
    )
    for (corpus, reason), count in sorted(Counter((row.corpus, row.reason) for row in rows).items()):
        logger.info("%s: %d records%s", corpus, count, f" with {reason}" if reason else "")


if __name__ == "__main__":
    main()
