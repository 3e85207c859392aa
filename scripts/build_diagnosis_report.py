"""Build the page of diagnoses, self-contained: how well they are told, record by record, and explained."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import read_json, read_table, sha256_of, write_text
from beatlens.report.diagnoses import FIGURE_NAMES, PageFacts, render_diagnoses
from beatlens.report.images import Place
from beatlens.report.inputs import package_versions
from beatlens.report.sections.diagnoses import DiagnosisTables
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(
        __doc__,
        predictions="predictions/diagnoses.parquet",
        metrics="metrics/diagnoses.csv",
        status="status.tsv",
        config="run_config.yaml",
        bundle_json="diagnoses/bundle/bundle.json",
        figures=programs.Several("figures, by the names that the page knows"),
        output="page to write",
    )
    parser.add_argument("--cases", type=Path, help="folder of explained cases; left out where there is none")
    parser.add_argument("--explained", type=Path, help="scores of explanations; left out where there are none")
    arguments = programs.start(parser)
    settings = arguments.settings
    bundle = read_json(arguments.bundle_json)
    place = Place(arguments.output.parent, embed=True)
    tables = DiagnosisTables(
        predictions=read_table(arguments.predictions),
        metrics=read_table(arguments.metrics),
        names={each["id"]: each["name"] for each in bundle["classes"]},
        status=read_table(arguments.status),
        figures={path.stem: place.image(path) for path in arguments.figures if path.stem in FIGURE_NAMES},
        facts=read_table(arguments.cases / "facts.csv") if arguments.cases else None,
        cases=place.images([arguments.cases]) if arguments.cases else {},
        explained=read_table(arguments.explained) if arguments.explained else None,
    )
    facts = PageFacts(
        title=settings["report"]["title"] or f"beatlens: {settings['run']}",
        run=settings["run"],
        seed=settings["seed"],
        level=settings["evaluate"]["level"],
        config=arguments.config.read_text(encoding="utf-8"),
        versions=package_versions(),
        provenance={
            "seed of the model": str(bundle["seed"]),
            "sha256 of bundle.json": sha256_of(arguments.bundle_json),
            "sha256 of arrays.npz": bundle["arrays_sha256"],
        },
        beats_page="report.html" if "beats" in settings["targets"] else "",
    )
    write_text(arguments.output, render_diagnoses(tables, facts))


if __name__ == "__main__":
    main()
