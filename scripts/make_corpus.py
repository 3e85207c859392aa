"""Make the embedded corpus in a folder; a folder that has it already is left alone."""

from __future__ import annotations

from pathlib import Path

from beatlens.corpora.synthetic import SyntheticSettings, make_corpus
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder of the corpus")
    arguments = parser.parse_args()
    programs.start(arguments)
    make_corpus(arguments.output, SyntheticSettings.read(arguments.settings["synthetic"]))


if __name__ == "__main__":
    main()
