"""Say what attention looks at in each case, and whether evidence agrees: a report a case, and one of all cases."""

from __future__ import annotations

from beatlens.core.files import atomic_directory, read_table, write_json, write_text
from beatlens.evaluate.attention.case_report import examine_cases
from beatlens.evaluate.attention.summary import summarise
from beatlens.evaluate.attention.writing import as_json, case_text, summary_text
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.explain.explainer import Explainer
from beatlens.explain.settings import ExplainSettings
from beatlens.inputs.record_view import RecordViews
from beatlens.prediction.bundle import Bundle
from beatlens.run import programs
from beatlens.shards.shard import Shard


def main() -> None:
    import torch

    parser = programs.parser(
        __doc__,
        cases="table of cases",
        shards=programs.Several("preprocessed shards"),
        predictions=programs.Several("folder of each one's predictions"),
        bundle="trained bundle",
        output="folder of <case>.json, .txt and .npz to write",
        summary="summary.json to write",
        summary_text="the same in words",
    )
    parser.add_argument("--methods", type=programs.named_path, nargs="+", required=True, help="NAME=DIR of each method")
    arguments = programs.start(parser)
    settings = arguments.settings
    torch.set_num_threads(settings["compute_threads"])
    cases, bundle = read_table(arguments.cases), Bundle.load(arguments.bundle)
    views = RecordViews([Shard(path) for path in arguments.shards], arguments.predictions, bundle.spec)
    explainer = Explainer(views, bundle, bundle.network(), ExplainSettings.read(settings["explain"]), settings["seed"])
    reports = []
    with atomic_directory(arguments.output) as directory:
        found = examine_cases(cases, explainer, dict(arguments.methods))
        for one in programs.progress(found, len(cases), "cases"):
            reports.append(one.report)
            name = one.report.case.case
            one.arrays.save(directory / f"{name}.npz")
            write_json(directory / f"{name}.json", as_json(one.report))
            write_text(directory / f"{name}.txt", case_text(one.report))
    chosen = [report for report in reports if not report.case.named]
    summary = summarise(chosen, bundle.classes, EvaluateSettings.read(settings["evaluate"]), settings["seed"])
    write_json(arguments.summary, as_json(summary))
    write_text(arguments.summary_text, summary_text(summary))


if __name__ == "__main__":
    main()
