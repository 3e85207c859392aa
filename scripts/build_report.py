"""Build report.html: one page with the tables, figures and scores of a run, self-contained."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_json, read_table, sha256_of, write_text
from beatlens.report.attention import shown_attention
from beatlens.report.build import FIGURE_NAMES, render_report
from beatlens.report.inputs import TABLES, ReportInputs, load_image, load_watched, package_versions
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        records="records.tsv",
        status="status.tsv",
        bundle_json="bundle.json of the run's bundle",
        config="run_config.yaml",
        output="page to write",
    )
    for name, text in {
        **{name: text for name, (_, text) in TABLES.items()},
        "watch": "directory of the drawn watched beats",
        "watch-cohort": "watch/cohort.npz",
        **{f"{name}-figure": f"figure {name}.svg" for name in FIGURE_NAMES},
    }.items():
        parser.add_argument(f"--{name}", type=Path, help=text + "; left out where the run has none")
    parser.add_argument(
        "--cases", type=Path, nargs="*", default=[], help="folders of drawn cases, first with facts.csv"
    )
    parser.add_argument("--probes", type=Path, nargs="*", default=[], help="metrics/sanity.csv, metrics/stability.csv")
    parser.add_argument("--attention", type=Path, help="attention/summary.json; left out where the run has none")
    parser.add_argument("--attention-cases", type=Path, help="directory of drawn attention, beside --attention")
    arguments = programs.start(parser)
    settings, given = arguments.settings, vars(arguments)
    tables = {field: read_table(path) for name, (field, _) in TABLES.items() if (path := given[name.replace("-", "_")])}
    facts = read_table(arguments.cases[0] / "facts.csv") if arguments.cases else None
    cases = [file for folder in arguments.cases for file in sorted(folder.glob("*.svg"))]
    attention = read_json(arguments.attention) if arguments.attention else None
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
        **tables,
        watched=load_watched(arguments.watch, arguments.watch_cohort) if arguments.watch else None,
        probes=[read_table(path) for path in arguments.probes],
        figures={name: load_image(path) for name in FIGURE_NAMES if (path := given[f"{name}_figure"])},
        cases={file.stem: load_image(file, file.with_suffix(".png")) for file in cases},
        attention=attention,
        attention_cases={} if attention is None else shown_attention(arguments.attention_cases, facts),
    )
    write_text(arguments.output, render_report(inputs))


if __name__ == "__main__":
    main()
