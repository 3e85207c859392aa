"""Find new patterns among the beats in review of records that the model hasn't learnt from."""

from __future__ import annotations

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
    parser = programs.parser(
        __doc__,
        beats="predictions at detected peaks",
        shards=programs.Several("shard directories"),
        bundle="bundle directory",
        registry="folder of the registry, shared by runs",
        alerts="table of alerts to write",
        clusters="table of clusters to write",
        members="table of clustered beats to write",
        centroids="arrays to write",
    )
    parser.add_argument("--run", required=True, help="name of the run, for the registry")
    arguments = programs.start(parser)
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
