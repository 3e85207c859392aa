"""Make the embedded corpus in a folder; a folder that has it already is left alone."""

from __future__ import annotations

from beatlens.corpora.synthetic import SyntheticSettings, make_corpus
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        output="folder of the corpus",
    )
    arguments = programs.start(parser)
    make_corpus(arguments.output, SyntheticSettings.read(arguments.settings["synthetic"]))


if __name__ == "__main__":
    main()
