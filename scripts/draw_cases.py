"""Draw each explained case to scale: <case>.svg and <case>.png, and facts.csv for the report."""

from __future__ import annotations

from beatlens.core.files import atomic_directory, read_table, write_table
from beatlens.explain.result.archive import load_case
from beatlens.figures.explained_cases import FACT_COLUMNS, case_facts, case_figure
from beatlens.figures.paper.overlay import shared_limit
from beatlens.figures.paper.scale import PaperScale
from beatlens.figures.paper.style import save_figure
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
    arguments = programs.start(parser)
    settings = arguments.settings
    scale = PaperScale(settings["report"]["speed_mm_s"], settings["report"]["gain_mm_mv"])
    section = settings["beats"]
    cases = read_table(arguments.cases).to_dict("records")
    beats = dict(list(read_table(arguments.beats).groupby(["corpus", "record"])))
    shards = [Shard(path) for path in arguments.shards]
    fused = {case["case"]: load_case(arguments.fused, case["case"]) for case in cases}
    limit = shared_limit(fused.values())
    facts = []
    with atomic_directory(arguments.output) as directory:
        for case in programs.progress(cases, len(cases), "cases drawn"):
            key, attribution = (case["corpus"], case["record"]), fused[case["case"]]
            shard = next(shard for shard in shards if key in shard)
            figure, outside = case_figure(case, beats[key], shard, fused=attribution, limit=limit, scale=scale)
            for ending in ("svg", "png"):
                save_figure(figure.figure, directory / f"{case['case']}.{ending}")
            methods = {name: load_case(path, case["case"]) for name, path in arguments.methods}
            geometry = BeatGeometry.from_seconds(attribution.fs, section["before_s"], section["after_s"])
            facts.append(
                case_facts(
                    case, beats[key], attribution, methods=methods, geometry=geometry, outside=outside, limit=limit
                )
            )
        write_table(directory / "facts.csv", pd.DataFrame(facts, columns=list(FACT_COLUMNS)))


if __name__ == "__main__":
    main()
