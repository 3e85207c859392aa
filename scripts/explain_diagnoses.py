"""Explain diagnoses of records with one method: a folder of <case>.npz."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from beatlens.core.files import atomic_directory, read_table
from beatlens.explain.diagnoses.explainer import explain_cases, read_explainer
from beatlens.explain.diagnoses.settings import Method
from beatlens.run import programs


def main() -> None:
    import torch

    parser = programs.parser(
        __doc__,
        cases="table of cases",
        shards=programs.Several("preprocessed shards"),
        bundle="bundle of diagnoses",
        labels="table of labels",
        output="directory to write",
    )
    parser.add_argument("--folds", type=Path, nargs="*", default=[], help="bundles of folds, named by their numbers")
    parser.add_argument("--method", choices=get_args(Method), required=True, help="explainer")
    arguments = programs.start(parser)
    torch.set_num_threads(arguments.settings["compute_threads"])
    cases, labels = read_table(arguments.cases), read_table(arguments.labels)
    explainer = read_explainer(arguments.shards, arguments.bundle, arguments.folds, labels, arguments.settings)
    with atomic_directory(arguments.output) as folder:
        found = explain_cases(cases, explainer, arguments.method)
        for attribution in programs.progress(found, len(cases), arguments.method):
            attribution.save(folder / f"{attribution.meta.case}.npz")


if __name__ == "__main__":
    main()
