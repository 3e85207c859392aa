"""Draw each explained case to scale: <case>.svg and .png of what is fused, <case>_<method> of a method, facts.csv."""

from __future__ import annotations

from functools import partial

from beatlens.core.files import atomic_directory, read_table, write_table
from beatlens.explain.result.archive import load_case
from beatlens.figures.explained_cases import FACT_COLUMNS, attention_note, case_facts, case_figure, figure_name
from beatlens.figures.paper.overlay import shared_limit
from beatlens.figures.paper.scale import PaperScale
from beatlens.figures.paper.style import save_figure
from beatlens.figures.settings import LookSettings
from beatlens.run import programs
from beatlens.shards.shard import BeatGeometry, Shard


def main() -> None:
    import pandas as pd

    parser = programs.parser(
        __doc__,
        cases="table of cases",
        shards=programs.Several("preprocessed shards"),
        fused="directory of fused attributions",
        beats="predictions at detected beats",
        output="directory to write",
    )
    parser.add_argument("--methods", type=programs.named_path, nargs="+", required=True, help="NAME=DIR of each method")
    parser.add_argument("--attention", help="attention/cases; left out where no map of attention is drawn")
    arguments = programs.start(parser)
    settings = arguments.settings
    cases = read_table(arguments.cases).to_dict("records")
    beats = dict(list(read_table(arguments.beats).groupby(["corpus", "record"])))
    shards = [Shard(path) for path in arguments.shards]
    shown, look = settings["figures"].pop("methods"), LookSettings.read(settings["figures"])
    draw = partial(case_figure, scale=PaperScale(**settings["report"]), look=look)
    folders = {"fused": arguments.fused, **dict(arguments.methods)}
    found = {name: {case["case"]: load_case(path, case["case"]) for case in cases} for name, path in folders.items()}
    limits = {name: shared_limit(found[name].values(), look=look) for name in dict.fromkeys(["fused", *shown])}
    facts = []
    with atomic_directory(arguments.output) as directory:
        for case in programs.progress(cases, len(cases), "cases drawn"):
            key, maps = (case["corpus"], case["record"]), {name: of[case["case"]] for name, of in found.items()}
            shard = next(shard for shard in shards if key in shard)
            outside = {}
            for name in limits:
                note = attention_note(arguments.attention, case["case"], name)
                figure, outside[name] = draw(case, beats[key], shard, fused=maps[name], limit=limits[name], note=note)
                for ending in ("svg", "png") if name in shown else ():
                    save_figure(figure.figure, directory / f"{figure_name(case['case'], name)}.{ending}")
            fused = maps.pop("fused")
            geometry = BeatGeometry.from_seconds(fused.fs, settings["beats"]["before_s"], settings["beats"]["after_s"])
            shares = {"outside": outside["fused"], "limit": limits["fused"]}
            facts.append(case_facts(case, beats[key], fused, methods=maps, geometry=geometry, **shares))
        write_table(directory / "facts.csv", pd.DataFrame(facts, columns=list(FACT_COLUMNS)))


if __name__ == "__main__":
    main()
