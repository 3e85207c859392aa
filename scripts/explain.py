"""Explain the cases of one shard with one method: an archive of <case>.npz."""

from __future__ import annotations

from beatlens.core.files import read_table
from beatlens.explain.explainer import Explainer, explain_shard
from beatlens.explain.result.archive import write_archive
from beatlens.explain.settings import METHODS, ExplainSettings
from beatlens.inputs.record_view import RecordViews
from beatlens.models.build import choose_device
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
        output="zip file to write",
    )
    parser.add_argument("--method", choices=METHODS, required=True, help="explainer")
    arguments = programs.start(parser)
    settings = arguments.settings
    torch.set_num_threads(settings["compute_threads"])
    cases, shard = read_table(arguments.cases), Shard(arguments.shard)
    total = sum((case.corpus, case.record) in shard for case in cases.itertuples())
    bundle = Bundle.load(arguments.bundle)
    device = choose_device(settings["device"])
    explainer = Explainer(
        RecordViews([Shard(path) for path in arguments.shards], arguments.predictions, bundle.spec),
        bundle,
        bundle.network(device),
        ExplainSettings.read(settings["explain"]),
        settings["seed"],
        device,
    )
    attributions = explain_shard(cases, shard, explainer, arguments.method)
    write_archive(arguments.output, programs.progress(attributions, total, arguments.method))


if __name__ == "__main__":
    main()
