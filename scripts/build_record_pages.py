"""Build the pages of a shard's records, and the index of those that were made."""

from __future__ import annotations

import argparse
from pathlib import Path

from beatlens.core.files import write_table
from beatlens.report.records.build import INDEX_COLUMNS, PageSettings, RecordPages
from beatlens.report.records.files import TABLES, RunFiles
from beatlens.report.records.old_pages import remove_old_pages
from beatlens.run import programs


def main() -> None:
    import pandas as pd

    parser = programs.parser(__doc__, run_folder="folder of the run", output="index to write")
    parser.add_argument("--shard", required=True, help="name of the shard, such as 0of4")
    parser.add_argument("--tables", nargs="+", required=True, choices=TABLES, help="tables of the run that it may read")
    parser.add_argument("--predicted", action=argparse.BooleanOptionalAction, required=True, help="beats have classes")
    parser.add_argument("--diagnosis-bundle", type=Path, nargs="*", default=[], help="bundle.json that names diagnoses")
    parser.add_argument("--bundle", type=Path, nargs="*", default=[], help="bundle.json that predicted the beats")
    arguments = programs.start(parser)
    bundles = [next(iter(given), None) for given in (arguments.diagnosis_bundle, arguments.bundle)]
    files = RunFiles(arguments.run_folder, frozenset(arguments.tables), arguments.predicted, *bundles)
    pages = RecordPages(files, PageSettings.of(arguments.settings))
    n_records = len(files.shard(arguments.shard).records)
    rows = list(programs.progress(pages.write_shard(arguments.shard), n_records, "pages of records"))
    remove_old_pages(arguments.run_folder, arguments.shard, rows)
    write_table(arguments.output, pd.DataFrame(rows, columns=list(INDEX_COLUMNS)))


if __name__ == "__main__":
    main()
