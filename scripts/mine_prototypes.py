"""Mine the prototype library from the beats of training patients."""

from __future__ import annotations

from pathlib import Path

from beatlens import programs
from beatlens.artefacts import read_table
from beatlens.beats import BeatSettings
from beatlens.prototypes.mining import PrototypeSettings, mine
from beatlens.shards import BeatGeometry, Shard


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="shard directories")
    parser.add_argument("--records", type=Path, required=True, help="record table with the splits")
    parser.add_argument("--library", type=Path, required=True, help="table to write, one row a prototype")
    parser.add_argument("--waves", type=Path, required=True, help="arrays to write")
    arguments = parser.parse_args()
    programs.start(arguments)
    settings = arguments.settings

    beats = BeatSettings(**settings["beats"])
    library = mine(
        [Shard(path) for path in arguments.shards],
        read_table(arguments.records),
        tuple(settings["classes"]),
        tuple(settings["leads"]),
        BeatGeometry.from_seconds(settings["signal"]["fs"], beats.before_s, beats.after_s),
        beats,
        PrototypeSettings(**settings["prototypes"]),
        settings["split"]["seed"],
    )
    library.save(arguments.library, arguments.waves)


if __name__ == "__main__":
    main()
