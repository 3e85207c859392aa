"""Score explanations beside their nulls: metrics/explanations.csv."""

from __future__ import annotations

from beatlens.core.files import read_table, write_table
from beatlens.evaluate.explanations.cases import score_cases
from beatlens.evaluate.explanations.cohort import cohort_table
from beatlens.evaluate.explanations.regions import read_regions
from beatlens.evaluate.explanations.table import scores_table
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.explain.case.choice import scored_cases
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
        regions="table of diagnostic regions",
        output="table of scores to write",
        cohort="table of parts by class to write",
    )
    parser.add_argument("--methods", type=programs.named_path, nargs="+", required=True, help="NAME=DIR of each method")
    arguments = programs.start(parser)
    settings = arguments.settings
    torch.set_num_threads(settings["compute_threads"])
    cases, bundle = scored_cases(read_table(arguments.cases)), Bundle.load(arguments.bundle)
    evaluate, explain = EvaluateSettings.read(settings["evaluate"]), ExplainSettings.read(settings["explain"])
    views = RecordViews([Shard(path) for path in arguments.shards], arguments.predictions, bundle.spec)
    regions = read_regions(arguments.regions)
    explainer = Explainer(views, bundle, bundle.network(), explain, settings["seed"])
    scored = score_cases(cases, explainer, dict(arguments.methods), settings=evaluate, regions=regions)
    scores = list(programs.progress(scored, len(cases), "cases"))
    parts = [score.parts for score in scores if score.parts is not None]
    write_table(arguments.cohort, cohort_table(parts, bundle.classes, evaluate.bootstrap, settings["seed"]))
    write_table(arguments.output, scores_table(scores, bundle.classes, evaluate, settings["seed"]))


if __name__ == "__main__":
    main()
