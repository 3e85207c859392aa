"""Find the beats of a run that are most similar to given ones, by shape: a CSV of beat_id and label goes in.

For one's own use, --run names a run's results; the target seeds names its shards and settings.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from beatlens.core.files import write_table
from beatlens.prototypes.seeds import read_seeds, seed_bank, seed_spec, similar_beats
from beatlens.run import programs
from beatlens.shards.shard import Shard


def main() -> None:
    parser = programs.parser(
        __doc__,
        seeds="CSV with the columns beat_id and label",
        output="CSV to write, the most similar first",
    )
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--run", type=Path, help="folder of a run's results, such as results/demo")
    place.add_argument("--shards", type=Path, nargs="+", help="its shard directories, with --settings")
    parser.add_argument("--top", type=int, default=20, help="beats a seed (20)")
    parser.add_argument("--max-records", type=int, help="records that are searched, a sample; by default all")
    arguments = programs.start(parser)

    settings, folders = arguments.settings, arguments.shards
    if arguments.run:
        settings = yaml.safe_load((arguments.run / "run_config.yaml").read_text(encoding="utf-8"))
        folders = sorted((arguments.run / "preprocess").glob("*of*"))
    spec, shards = seed_spec(settings), [Shard(path) for path in folders]
    seeds = read_seeds(arguments.seeds)
    try:
        bank = seed_bank(shards, seeds, spec)
    except ValueError as error:
        raise ValueError(f"{arguments.seeds}: {error}") from error
    found = similar_beats(shards, bank, spec, arguments.top, arguments.max_records)
    write_table(arguments.output, found)


if __name__ == "__main__":
    main()
