"""The page of diagnoses: one HTML page with everything inside it, that needs neither network nor scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from beatlens.report.sections.diagnoses import (
    DiagnosisTables,
    case_section,
    record_section,
    score_section,
    unused_section,
)
from beatlens.report.sections.diagnosis_explanations import explanation_scores

FOLDER = Path(__file__).parent
FIGURE_NAMES = ("scores", "reliability", "confusion", "cohort")


@dataclass(frozen=True)
class PageFacts:
    """What the page says of the run.

    Attributes
    ----------
    title, run, seed
        Of the configuration.
    level
        Coverage of intervals.
    config
        The merged configuration as YAML.
    versions
        Versions of the packages that made the page.
    provenance
        Name -> value of what makes the run reproducible.
    beats_page
        Page of the run's beats, beside this one; empty where it has none.
    rhythm_off
        As in the section ``diagnosis_explanations``.
    """

    title: str
    run: str
    seed: int
    level: float
    config: str
    versions: Mapping[str, str]
    provenance: Mapping[str, str]
    beats_page: str = ""
    rhythm_off: str = "steady"


def render_diagnoses(tables: DiagnosisTables, facts: PageFacts) -> str:
    """Return the page as HTML; every value is escaped, and the page forbids scripts and loading.

    Parameters
    ----------
    tables
        Predictions, scores and figures.
    facts
        Of the run.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("diagnoses.html.j2").render(
        facts=facts,
        css=Markup((FOLDER / "report.css").read_text(encoding="utf-8")),
        level=f"{100 * facts.level:g} %",
        figures={name: tables.figures.get(name) for name in FIGURE_NAMES},
        scored=score_section(tables),
        records=record_section(tables),
        groups=case_section(tables),
        explained=explanation_scores(tables),
        unused=unused_section(tables.status),
        provenance=[*facts.provenance.items(), *((f"version of {k}", v) for k, v in sorted(facts.versions.items()))],
    )
