"""Say each explained case in words, all measured: words.csv, and the RR intervals that carry the rhythm's part."""

from __future__ import annotations

from beatlens.core.files import read_table, write_table
from beatlens.explain.case.choice import Case, record_by_record
from beatlens.explain.explainer import Explainer
from beatlens.explain.result.archive import load_case
from beatlens.explain.settings import ExplainSettings
from beatlens.inputs.record_view import RecordViews
from beatlens.prediction.bundle import Bundle
from beatlens.run import programs
from beatlens.shards.shard import Shard
from beatlens.words.describe import RR_COLUMNS, WORD_COLUMNS, Described, describe_case


def main() -> None:
    import pandas as pd
    import torch

    parser = programs.parser(
        __doc__,
        cases="table of cases",
        fused="directory of fused attributions",
        shards=programs.Several("preprocessed shards"),
        predictions=programs.Several("folder of each one's predictions"),
        bundle="trained bundle",
        words="words.csv to write",
        intervals="rr_context.csv to write",
    )
    arguments = programs.start(parser)
    settings = arguments.settings
    torch.set_num_threads(settings["compute_threads"])
    cases, bundle = read_table(arguments.cases), Bundle.load(arguments.bundle)
    views = RecordViews([Shard(path) for path in arguments.shards], arguments.predictions, bundle.spec)
    explainer = Explainer(views, bundle, bundle.network(), ExplainSettings.read(settings["explain"]), settings["seed"])
    ectopic = settings["strips"]["ectopic"]

    def described(case: Case) -> Described:
        fused = load_case(arguments.fused, case.case)
        return describe_case(explainer.prepare(case), fused, ectopic, bundle.spec.beats)

    found = list(programs.progress(record_by_record(cases, described), len(cases), "cases described"))
    write_table(arguments.words, pd.DataFrame([one.words for one in found], columns=list(WORD_COLUMNS)))
    rows = [row for one in found for row in one.intervals]
    write_table(arguments.intervals, pd.DataFrame(rows, columns=list(RR_COLUMNS)))


if __name__ == "__main__":
    main()
