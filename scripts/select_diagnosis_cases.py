"""Choose the diagnoses of records that are explained: explanations/diagnoses/cases.csv."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_table, write_table
from beatlens.corpora.diagnosis_table import DiagnosisTable
from beatlens.explain.diagnoses.cases import asked_diagnoses, codes_of, select_cases
from beatlens.explain.diagnoses.settings import DiagnosisExplanationSettings
from beatlens.prediction.diagnoses.bundle import DiagnosisBundle
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        predictions="predictions/diagnoses.parquet",
        bundle="bundle of diagnoses",
        output="table of cases to write",
    )
    parser.add_argument("--tables", type=Path, nargs="*", default=[], help="diagnosis tables, for codes")
    arguments = programs.start(parser)
    settings = DiagnosisExplanationSettings.read(arguments.settings["diagnosis_explanations"])
    names = DiagnosisBundle.read(arguments.bundle).classes
    codes = codes_of([DiagnosisTable.read(path) for path in arguments.tables], list(names))
    asked = asked_diagnoses(settings.diagnoses, names, codes)
    seed = arguments.settings["seed"]
    write_table(
        arguments.output, select_cases(read_table(arguments.predictions), asked, names, settings=settings, seed=seed)
    )


if __name__ == "__main__":
    main()
