"""Measure the beats of a shard's records, the stretches between them and their rhythm, for networks of diagnoses."""

from __future__ import annotations

from beatlens.inputs.diagnoses.feature_file import write_features
from beatlens.inputs.diagnoses.record_features import load_examples, measure_records
from beatlens.learning.diagnoses.settings import DiagnosisSettings
from beatlens.learning.diagnoses.training import beat_extent, network_config
from beatlens.models.build import make_deterministic
from beatlens.models.diagnosis import DiagnosisNetwork
from beatlens.run import programs
from beatlens.shards.shard import Shard


def main() -> None:
    parser = programs.parser(__doc__, shard="shard directory", features="measured records to write")
    arguments = programs.start(parser)
    settings = arguments.settings
    make_deterministic(settings["compute_threads"], "cpu")
    geometry, leads = beat_extent(settings), tuple(settings["leads"])
    shard = Shard(arguments.shard)
    of_use = shard.records[shard.records["role"] != "noise"]
    keys = list(zip(of_use["corpus"], of_use["record"], strict=True))
    network = DiagnosisNetwork(network_config(DiagnosisSettings(), 1, geometry)).eval()
    examples = load_examples([shard], keys, leads, geometry)
    write_features(arguments.features, keys, measure_records(examples, network, leads))


if __name__ == "__main__":
    main()
