"""Score the explanations of a shard's cases beside their nulls: two tables that evaluate_explanations gathers."""

from __future__ import annotations

from beatlens.core.files import read_table
from beatlens.evaluate.explanations.cases import score_cases
from beatlens.evaluate.explanations.regions import read_regions
from beatlens.evaluate.explanations.stored_scores import write_scores
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
        shard="preprocessed shard",
        shards=programs.Several("all shards, for a patient's other records"),
        predictions=programs.Several("folder of each one's predictions"),
        bundle="trained bundle",
        regions="table of diagnostic regions",
        output="folder of the tables to write",
    )
    parser.add_argument("--methods", type=programs.named_path, nargs="+", required=True, help="NAME=DIR of each method")
    arguments = programs.start(parser)
    settings = arguments.settings
    torch.set_num_threads(settings["compute_threads"])
    cases, shard = scored_cases(read_table(arguments.cases)), Shard(arguments.shard)
    bundle = Bundle.load(arguments.bundle)
    here = cases[[(case.corpus, case.record) in shard for case in cases.itertuples()]]
    evaluate, explain = EvaluateSettings.read(settings["evaluate"]), ExplainSettings.read(settings["explain"])
    views = RecordViews([Shard(path) for path in arguments.shards], arguments.predictions, bundle.spec)
    regions = read_regions(arguments.regions)
    explainer = Explainer(views, bundle, bundle.network(), explain, settings["seed"])
    scored = score_cases(here, explainer, dict(arguments.methods), settings=evaluate, regions=regions)
    write_scores(arguments.output, programs.progress(scored, len(here), "cases"))


if __name__ == "__main__":
    main()
