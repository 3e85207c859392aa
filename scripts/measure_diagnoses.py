"""Measure the beats of a shard's records, the stretches between them and their rhythm, for networks of diagnoses."""

from __future__ import annotations

from pathlib import Path

from beatlens.inputs.diagnoses.feature_file import write_features
from beatlens.inputs.diagnoses.record_features import load_examples, measure_records
from beatlens.learning.diagnoses.encoder import GivenEncoder, new_network
from beatlens.learning.diagnoses.settings import DiagnosisSettings
from beatlens.learning.diagnoses.training import beat_extent, network_config
from beatlens.models.build import make_deterministic
from beatlens.prediction.diagnoses.bundle import DiagnosisBundle
from beatlens.run import programs
from beatlens.shards.shard import Shard


def main() -> None:
    parser = programs.parser(__doc__, shard="shard directory", features="measured records to write")
    parser.add_argument("--encoder", type=Path, help="bundle of beats whose encoder is shared")
    parser.add_argument("--bundle", type=Path, help="bundle of diagnoses to predict with, which has its encoder")
    arguments = programs.start(parser)
    settings = arguments.settings
    make_deterministic(settings["compute_threads"], "cpu")
    geometry, leads = beat_extent(settings), tuple(settings["leads"])
    shard = Shard(arguments.shard)
    of_use = shard.records[shard.records["role"] != "noise"]
    keys = list(zip(of_use["corpus"], of_use["record"], strict=True))
    if arguments.bundle:
        network = DiagnosisBundle.read(arguments.bundle).load_network()
    else:
        encoder = GivenEncoder.read(arguments.encoder, settings) if arguments.encoder else None
        network = new_network(network_config(DiagnosisSettings(), 1, geometry, encoder), encoder).eval()
    examples = load_examples([shard], keys, leads, geometry)
    write_features(arguments.features, keys, measure_records(examples, network, leads))


if __name__ == "__main__":
    main()
