"""Build report.html, the start page of a run: what was found, the records, figures and scores."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_json, read_table, sha256_of, write_text
from beatlens.report.build import FIGURE_DATA, render_report
from beatlens.report.images import Place
from beatlens.report.inputs import MORE, TABLES, ReportInputs, load_watched, package_versions
from beatlens.report.sections.attention import shown_attention
from beatlens.run import programs


def main() -> None:
    files = {"records": "records.tsv", "status": "status.tsv", "config": "run_config.yaml"}
    parser = programs.parser(__doc__, **files, bundle_json="bundle.json", output="page to write")
    for name, text in {
        **{name: text for name, (_, text) in TABLES.items()},
        **MORE,
        **{f"{name}-figure": f"figure {name}.svg" for name in FIGURE_DATA},
    }.items():
        parser.add_argument(f"--{name}", type=Path, help=text + "; left out where the run has none")
    parser.add_argument("--cases", type=Path, nargs="*", default=[], help="drawn cases; the first has facts.csv")
    parser.add_argument("--probes", type=Path, nargs="*", default=[], help="metrics of sanity and of stability")
    arguments = programs.start(parser)
    settings, given = arguments.settings, vars(arguments)
    facts = read_table(arguments.cases[0] / "facts.csv") if arguments.cases else None
    place = Place(arguments.output.parent, embed=settings["report"]["single_file"])
    inputs = ReportInputs(
        title=settings["report"]["title"] or f"beatlens: {settings['run']}",
        run=settings["run"],
        seed=settings["seed"],
        classes=tuple(settings["classes"]),
        records=read_table(arguments.records),
        status=read_table(arguments.status),
        bundle=read_json(arguments.bundle_json),
        bundle_sha256=sha256_of(arguments.bundle_json),
        config=arguments.config.read_text(encoding="utf-8"),
        versions=package_versions(),
        facts=facts,
        **{field: read_table(path) for name, (field, _) in TABLES.items() if (path := given[name.replace("-", "_")])},
        watched=load_watched(place, arguments.watch, arguments.watch_cohort) if arguments.watch else None,
        probes=[read_table(path) for path in arguments.probes],
        figures={n: place.image(path, data=data) for n, data in FIGURE_DATA.items() if (path := given[f"{n}_figure"])},
        cases=place.images(arguments.cases),
        n_pages=settings["report"]["pages"],
        attention=read_json(arguments.attention) if arguments.attention else None,
        attention_cases=shown_attention(place, arguments.attention_cases, facts) if arguments.attention else {},
        diagnoses_page="diagnoses.html" if "diagnoses" in settings["targets"] else "",
    )
    write_text(arguments.output, render_report(inputs))


if __name__ == "__main__":
    main()
