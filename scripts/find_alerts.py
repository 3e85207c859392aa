"""Find new patterns among the beats in review of records that the model hasn't learnt from."""

from __future__ import annotations

from pathlib import Path

from beatlens.alerts.find import find_alerts, take_sample
from beatlens.alerts.registry import remember
from beatlens.alerts.settings import AlertSettings
from beatlens.alerts.tables import alert_arrays, alert_tables
from beatlens.core.files import read_table, write_arrays, write_table
from beatlens.models.build import choose_device, make_deterministic
from beatlens.prediction.bundle import Bundle
from beatlens.run import programs
from beatlens.shards.shard import Shard


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--beats", type=Path, required=True, help="predictions at detected peaks")
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="shard directories")
    parser.add_argument("--bundle", type=Path, required=True, help="bundle directory")
    parser.add_argument("--run", required=True, help="name of the run, for the registry")
    parser.add_argument("--registry", type=Path, required=True, help="folder of the registry, shared by runs")
    parser.add_argument("--alerts", type=Path, required=True, help="table of alerts to write")
    parser.add_argument("--clusters", type=Path, required=True, help="table of clusters to write")
    parser.add_argument("--members", type=Path, required=True, help="table of clustered beats to write")
    parser.add_argument("--centroids", type=Path, required=True, help="arrays to write")
    arguments = parser.parse_args()
    programs.start(arguments)
    settings = arguments.settings

    device = choose_device(settings["device"])
    make_deterministic(settings["compute_threads"], device)
    bundle, chosen = Bundle.load(arguments.bundle), AlertSettings.read(settings["alerts"])
    shards = [Shard(path) for path in arguments.shards]
    network, seed = bundle.network(device), settings["seed"]
    sample = take_sample(
        shards, read_table(arguments.beats), bundle=bundle, network=network, settings=chosen, seed=seed, device=device
    )
    alerts = find_alerts(sample, chosen, seed)
    found = alerts.found(bundle.leads)
    known = remember(arguments.registry, bundle.geometry, bundle.signal, arguments.run, found)
    tables = alert_tables(alerts, known)
    for path, table in zip((arguments.alerts, arguments.clusters, arguments.members), tables, strict=True):
        write_table(path, table)
    write_arrays(arguments.centroids, alert_arrays(alerts, bundle))


if __name__ == "__main__":
    main()
