"""Say which diagnoses each record is labelled with, and in which fold its patient is."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from beatlens.core.files import read_table, write_table
from beatlens.corpora.diagnosis_table import DiagnosisTable
from beatlens.learning.diagnoses.record_labels import label_records, label_to_predict
from beatlens.learning.diagnoses.settings import DiagnosisSettings
from beatlens.prediction.diagnoses.bundle import DiagnosisBundle
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(__doc__, records=programs.Several("records.parquet of shards"), labels="table to write")
    parser.add_argument(
        "--tables", type=programs.named_path, action="extend", nargs="*", default=[], help="CORPUS=TABLE"
    )
    parser.add_argument("--bundle", type=Path, help="bundle of diagnoses to predict with; nothing is learnt then")
    arguments = programs.start(parser)
    records = pd.concat([read_table(path) for path in arguments.records], ignore_index=True)
    tables = {corpus: DiagnosisTable.read(path) for corpus, path in arguments.tables}
    if arguments.bundle:
        table = label_to_predict(records, tables, tuple(DiagnosisBundle.read(arguments.bundle).classes))
    else:
        settings = DiagnosisSettings.read(arguments.settings["diagnoses"])
        table = label_records(records, tables, settings, arguments.settings["seed"])
    write_table(arguments.labels, table)


if __name__ == "__main__":
    main()
