"""Draw each explained diagnosis on ECG paper (<case>.svg and .png, facts.csv), and what the model uses for each."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from beatlens.core.files import atomic_directory, read_table, write_table
from beatlens.corpora.diagnosis_table import DiagnosisTable
from beatlens.evaluate.explanations.diagnoses.truths import RecordLabels, truth_of
from beatlens.evaluate.explanations.regions import read_regions
from beatlens.explain.diagnoses.cases import codes_of
from beatlens.explain.result.archive import load_case
from beatlens.figures.diagnoses.cohort import diagnosis_cohort_figure
from beatlens.figures.diagnoses.explained import FACT_COLUMNS, diagnosis_facts, diagnosis_figure
from beatlens.figures.paper.overlay import shared_limit
from beatlens.figures.paper.scale import PaperScale
from beatlens.figures.paper.style import save_figure
from beatlens.figures.settings import LookSettings
from beatlens.run import programs
from beatlens.shards.shard import Shard


def main() -> None:
    import pandas as pd

    parser = programs.parser(
        __doc__,
        cases="table of cases",
        shards=programs.Several("preprocessed shards"),
        fused="directory of fused attributions",
        cohort="table of waves and leads by diagnosis",
        regions="table of diagnostic regions",
        output="directory to write",
        cohort_figure="figure to write",
    )
    parser.add_argument("--tables", type=Path, nargs="*", default=[], help="diagnosis tables, for codes")
    arguments = programs.start(parser)
    settings, regions = arguments.settings, read_regions(arguments.regions)
    cases = read_table(arguments.cases)
    names = dict(zip(cases["diagnosis"], cases["name"], strict=True))
    codes = codes_of([DiagnosisTable.read(path) for path in arguments.tables], list(names))
    shards, found = [*map(Shard, arguments.shards)], {case: load_case(arguments.fused, case) for case in cases["case"]}
    look, paper, facts = LookSettings.read(settings["figures"]), PaperScale(**settings["report"]), []
    draw = partial(diagnosis_figure, limit=shared_limit(found.values(), look=look), scale=paper, look=look)
    with atomic_directory(arguments.output) as folder:
        for case in programs.progress(cases.to_dict("records"), len(cases), "diagnoses drawn"):
            key, explained = (case["corpus"], case["record"]), found[case["case"]]
            shard = next(shard for shard in shards if key in shard)
            labels = RecordLabels(case["diagnosis"], codes[case["diagnosis"]], truth_of(shard, *key), regions)
            figure, outside = draw(case, shard, explained, truth=labels.planted)
            for ending in ("svg", "png"):
                save_figure(figure.figure, folder / f"{case['case']}.{ending}")
            facts.append(diagnosis_facts(case, explained, outside))
        write_table(folder / "facts.csv", pd.DataFrame(facts, columns=list(FACT_COLUMNS)))
    save_figure(diagnosis_cohort_figure(read_table(arguments.cohort), names, regions, codes), arguments.cohort_figure)


if __name__ == "__main__":
    main()
