"""The page of a record as HTML: what a Holter report says, the viewer, trend and strips, explained cases, diagnoses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from beatlens.core.class_names import glossary
from beatlens.report.numbers import duration
from beatlens.report.records.cases import CaseSections
from beatlens.report.records.diagnoses import DiagnosisSection
from beatlens.viewer import assets
from beatlens.viewer.record_data import RecordData, ViewerSettings, record_json
from beatlens.viewer.strips import COLUMNS, HEIGHT, LEFT, StripFile
from beatlens.viewer.trend import trend_svg

if TYPE_CHECKING:
    from beatlens.report.sections.holter import RecordSummary

FOLDER = Path(__file__).parents[1]


@dataclass(frozen=True)
class Person:
    """Who the record is of, as text; empty where unknown."""

    patient: str
    age: str
    sex: str
    split: str


@dataclass(frozen=True)
class Beside:
    """Addresses as seen from the page.

    Attributes
    ----------
    tiles
        Folder of tiles, "" where the page holds them.
    strips
        Of each strip file.
    report
        Page of the run.
    diagnoses
        Page of its diagnoses, "" where there is none.
    """

    tiles: str
    strips: Sequence[str]
    report: str
    diagnoses: str


@dataclass(frozen=True)
class RecordPage:
    """What a page is made of.

    Attributes
    ----------
    title, run
        Of the run.
    data
        The record.
    person
        Who it is of.
    summary
        What a Holter report says, None where beats aren't predicted.
    diagnoses
        Its diagnoses, None where it has none.
    cases
        Its explained cases.
    remarks
        Remarks on the record, in words.
    strips, lead
        Full disclosure, and the lead that it shows.
    paper
        Address of a drawing of the record on ECG paper, for a short one; else "".
    tiles
        Signal of a page that holds it, tile by tile; else None.
    beside
        Addresses.
    viewer
        How the viewer opens.
    bundle_sha256
        Of the bundle that predicted its beats, on which decisions can be made; "" where they aren't predicted.
    """

    title: str
    run: str
    data: RecordData
    person: Person
    summary: RecordSummary | None
    diagnoses: DiagnosisSection | None
    cases: CaseSections
    remarks: Sequence[str]
    strips: Sequence[StripFile]
    lead: str
    paper: str
    tiles: Sequence[str] | None
    beside: Beside
    viewer: ViewerSettings
    bundle_sha256: str = ""


def svg_uri(svg: str) -> str:
    """Return a drawing as a ``data:`` address."""
    return "data:image/svg+xml," + quote(svg, safe=" /:;,.=()'-+!*@?&{}")


def render_record(page: RecordPage) -> str:
    """Return the page as HTML; every value is escaped, and its policy lets only its own scripts run."""
    scripts = assets.scripts()
    data = page.data
    reviewed = {"run": page.run, "bundle_sha256": page.bundle_sha256}
    return _template().render(
        page=page,
        css=Markup((FOLDER / "report.css").read_text(encoding="utf-8") + assets.styles()),
        policy=assets.policy(scripts, beside=bool(page.beside.tiles)),
        scripts=[Markup(text) for text in scripts],
        json=Markup(record_json(data, page.viewer)),
        review=Markup(json.dumps(reviewed)) if page.bundle_sha256 else None,
        tiles=Markup(json.dumps(page.tiles)) if page.tiles is not None else None,
        trend=Markup(trend_svg(data)),
        length=duration(data.duration_s),
        meanings=_meanings(data),
        geometry={"left": LEFT, "columns": COLUMNS, "height": HEIGHT},
    )


@cache
def _template() -> Template:
    """Return the compiled template: to compile it takes longer than to fill it."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("record.html.j2")


def _meanings(data: RecordData) -> Mapping[str, str]:
    """Return the glossary; a class without a meaning has an empty one."""
    return dict.fromkeys(data.classes, "") | dict(glossary(data.classes))
