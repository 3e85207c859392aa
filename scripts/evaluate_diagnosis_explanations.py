"""Score explained diagnoses beside their nulls, and sum up what the model uses: two tables."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_table, write_table
from beatlens.corpora.diagnosis_table import DiagnosisTable
from beatlens.evaluate.explanations.diagnoses.case_scores import score_diagnoses
from beatlens.evaluate.explanations.diagnoses.cohort import diagnosis_cohort
from beatlens.evaluate.explanations.regions import read_regions
from beatlens.evaluate.explanations.table import scores_table
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.explain.diagnoses.cases import codes_of
from beatlens.explain.diagnoses.explainer import read_explainer
from beatlens.run import programs


def main() -> None:
    import torch

    parser = programs.parser(
        __doc__,
        cases="table of cases",
        shards=programs.Several("preprocessed shards"),
        bundle="bundle of diagnoses",
        labels="table of labels",
        regions="table of diagnostic regions",
        output="table of scores to write",
        cohort="table of waves and leads by diagnosis to write",
    )
    parser.add_argument("--folds", type=Path, nargs="*", default=[], help="bundles of folds, named by their numbers")
    parser.add_argument("--methods", type=programs.named_path, nargs="+", required=True, help="NAME=DIR of each method")
    parser.add_argument("--tables", type=Path, nargs="*", default=[], help="diagnosis tables, for codes")
    arguments = programs.start(parser)
    settings, cases = arguments.settings, read_table(arguments.cases)
    torch.set_num_threads(settings["compute_threads"])
    labels = read_table(arguments.labels)
    explainer = read_explainer(arguments.shards, arguments.bundle, arguments.folds, labels, settings)
    evaluate, diagnoses = EvaluateSettings.read(settings["evaluate"]), list(explainer.bundles[-1].classes)
    codes = codes_of([DiagnosisTable.read(path) for path in arguments.tables], diagnoses)
    regions, methods = read_regions(arguments.regions), dict(arguments.methods)
    found = score_diagnoses(cases, explainer, methods, settings=evaluate, regions=regions, codes=codes)
    scored = list(programs.progress(found, len(cases), "cases"))
    seed = settings["seed"]
    write_table(arguments.cohort, diagnosis_cohort([parts for _, parts in scored], diagnoses, evaluate, seed))
    write_table(arguments.output, scores_table([scores for scores, _ in scored], diagnoses, evaluate, seed))


if __name__ == "__main__":
    main()
