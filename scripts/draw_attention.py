"""Draw attention: <case>.svg of each case, and one figure of all cases."""

from __future__ import annotations

import numpy as np

from beatlens.core.files import atomic_directory, read_json, read_table
from beatlens.evaluate.attention.arrays import AttentionArrays
from beatlens.figures.attention import AttentionCase, attention_figure
from beatlens.figures.attention_summary import attention_summary_figure
from beatlens.figures.paper.style import save_figure
from beatlens.run import programs
from beatlens.shards.shard import Shard


def main() -> None:
    parser = programs.parser(
        __doc__,
        attention="folder of the reports of cases",
        summary="summary.json",
        shards=programs.Several("preprocessed shards"),
        beats="predictions at detected beats",
        output="folder of figures to write",
        figure="figure of all cases to write",
    )
    arguments = programs.start(parser)
    beats = dict(list(read_table(arguments.beats).groupby(["corpus", "record"])))
    shards = [Shard(path) for path in arguments.shards]
    names = sorted(path.stem for path in arguments.attention.glob("*.json"))
    with atomic_directory(arguments.output) as directory:
        for name in programs.progress(names, len(names), "cases drawn"):
            report = read_json(arguments.attention / f"{name}.json")
            key = (report["case"]["corpus"], report["case"]["record"])
            shown = AttentionCase.of(
                report,
                AttentionArrays.load(arguments.attention / f"{name}.npz"),
                np.asarray(next(shard for shard in shards if key in shard).signal(*key)),
                beats[key],
            )
            save_figure(attention_figure(shown), directory / f"{name}.svg")
    save_figure(attention_summary_figure(read_json(arguments.summary)), arguments.figure)


if __name__ == "__main__":
    main()
