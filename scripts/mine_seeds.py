"""Find the beats of a run that are most similar to given ones, by shape: a CSV of beat_id and label goes in."""

from __future__ import annotations

from pathlib import Path

import yaml

from beatlens.core.files import read_table, write_table
from beatlens.learning.train_and_bundle import input_spec
from beatlens.prototypes.seeds import seed_bank, similar_beats
from beatlens.run import programs
from beatlens.shards.shard import Shard


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of a run's results, such as results/demo")
    parser.add_argument("--seeds", type=Path, required=True, help="CSV with the columns beat_id and label")
    parser.add_argument("--top", type=int, default=20, help="beats a seed (20)")
    parser.add_argument("--output", type=Path, required=True, help="CSV to write, the most similar first")
    arguments = parser.parse_args()
    programs.start(arguments)

    config = yaml.safe_load((arguments.run / "run_config.yaml").read_text(encoding="utf-8"))
    folder = arguments.run / "prototypes"
    spec = input_spec(config, folder / "library.csv", folder / "waves.npz")
    shards = [Shard(path) for path in sorted((arguments.run / "preprocess").glob("*of*"))]
    bank = seed_bank(shards, read_table(arguments.seeds), spec)
    write_table(arguments.output, similar_beats(shards, bank, spec, arguments.top))


if __name__ == "__main__":
    main()
