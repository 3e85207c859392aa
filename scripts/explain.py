"""Explain the cases of one shard with one method: an archive of <case>.npz."""

from __future__ import annotations

from pathlib import Path

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

    parser = programs.parser(__doc__)
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--cases", type=Path, required=True, help="table of cases")
    parser.add_argument("--shard", type=Path, required=True, help="preprocessed shard")
    parser.add_argument(
        "--shards", type=Path, nargs="+", required=True, help="all shards, for a patient's other records"
    )
    parser.add_argument("--predictions", type=Path, nargs="+", required=True, help="folder of each one's predictions")
    parser.add_argument("--bundle", type=Path, required=True, help="trained bundle")
    parser.add_argument("--output", type=Path, required=True, help="zip file to write")
    arguments = parser.parse_args()
    programs.start(arguments)
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
