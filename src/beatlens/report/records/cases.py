"""The explained cases of a record: for the viewer with their maps, for the page with figure and words."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beatlens.core.class_names import class_name
from beatlens.figures.explained_cases import verdict
from beatlens.figures.paper.overlay import shared_limit
from beatlens.report.images import Image
from beatlens.report.numbers import score
from beatlens.report.records.files import RunFiles
from beatlens.viewer.maps import CaseMap, ExplainedCase
from beatlens.viewer.record_data import RecordData

if TYPE_CHECKING:
    import pandas as pd

MAX_CASES = 40
"""Cases of a record that its page shows."""
Tables = Mapping[str, "pd.DataFrame"]


@dataclass(frozen=True)
class CaseSection:
    """A case as the page tells it.

    Attributes
    ----------
    case, beat_id
        Its id, and the beat.
    title, text
        What it is, in words.
    figures
        Each figure of it, and its alternative text.
    """

    case: str
    beat_id: str
    title: str
    text: str
    figures: Sequence[tuple[Image, str]]


@dataclass(frozen=True)
class CaseSections:
    """The cases of a record that its page shows, and how many more there are."""

    shown: Sequence[CaseSection]
    n_hidden: int


@dataclass(frozen=True)
class CaseLimits:
    """Values of full colour by method: of cases for the class predicted, and for other classes, as in their figures."""

    predicted: Mapping[str, float]
    others: Mapping[str, float]


def map_limits(files: RunFiles, methods: Iterable[str], table: str = "cases", among: str = "") -> dict[str, float]:
    """Return the value of full colour by method: one for all cases of a table, as in its figures."""
    cases = files.table(table)
    if cases is None:
        return {}
    return {
        method: shared_limit(files.attribution(method, case, among) for case in cases["case"]) for method in methods
    }


def explained_cases(files: RunFiles, tables: Tables, key: tuple[str, str], limits: CaseLimits) -> list[ExplainedCase]:
    """Return the explained cases of a record, with the maps of all methods and, after them, of other classes."""
    rows = files.of_record(tables, "cases", *key)
    others = files.of_record(tables, "class-cases", *key)
    if rows is None:
        return []
    order = sorted(limits.predicted, key=lambda method: method != "fused")
    result = []
    for row in rows.head(MAX_CASES).to_dict("records"):
        maps = [CaseMap(files.attribution(method, row["case"]), limits.predicted[method]) for method in order]
        further = (
            [] if others is None else others[others["case"].astype(str).str.startswith(f"{row['case']}_as_")]["case"]
        )
        maps += [
            CaseMap(files.attribution(method, case, "classes"), limits.others[method])
            for case in further
            for method in order
        ]
        result.append(ExplainedCase(row["case"], _words(row, tables), maps))
    return result


def explained_diagnoses(
    files: RunFiles, tables: Tables, key: tuple[str, str], limits: Mapping[str, float]
) -> list[ExplainedCase]:
    """Return the explained diagnoses of a record, with the maps of all methods."""
    rows = files.of_record(tables, "diagnosis-facts", *key)
    order = sorted(limits, key=lambda method: method != "fused")
    return [
        ExplainedCase(
            row["case"],
            f"{row['name']}, probability {score(row['probability'])}.",
            [CaseMap(files.attribution(method, row["case"], "diagnoses"), limits[method]) for method in order],
        )
        for row in ([] if rows is None else rows.to_dict("records"))
    ]


def case_sections(
    files: RunFiles, tables: Tables, data: RecordData, *, names: Sequence[str], image: Callable[[str], Image]
) -> CaseSections:
    """Return the explained cases of a record for its page.

    Parameters
    ----------
    files, tables
        The run, and its tables.
    data
        The record.
    names
        Names of the figures of all cases, sorted.
    image
        Returns the figure of a name.
    """
    rows = files.of_record(tables, "cases", data.corpus, data.record)
    if rows is None:
        return CaseSections([], 0)
    result = []
    times = data.beats.set_index("beat_id")["r_time_s"]
    for row in rows.head(MAX_CASES).to_dict("records"):
        name, title = row["case"], _title(row, float(times[row["beat_id"]]))
        alike = names[bisect_left(names, name) : bisect_right(names, f"{name}_\uffff")]
        of_case = [figure for figure in alike if figure == name or figure.startswith(f"{name}_")]
        result.append(
            CaseSection(
                case=name,
                beat_id=row["beat_id"],
                title=title,
                text=_words(row, tables),
                figures=[(image(figure), f"{title}, drawn: {figure.replace('_', ' ')}") for figure in of_case],
            )
        )
    return CaseSections(result, max(0, len(rows) - MAX_CASES))


def diagnosis_case(row: Mapping[str, Any], image: Image) -> CaseSection:
    """Return an explained diagnosis, of its row of facts and its figure."""
    return CaseSection(
        case=row["case"],
        beat_id="",
        title=row["name"],
        text=f"What speaks for and against it; probability {score(row['probability'])}.",
        figures=[(image, f"{row['name']}, explained")],
    )


def _title(row: Mapping[str, Any], r_time_s: float) -> str:
    name = class_name(row["class"])
    if row["target"] == "window":
        return f"{row['class']} ({name}) between {row['window_start_s']:.1f} and {row['window_end_s']:.1f} s"
    return f"{row['class']} ({name}) at {r_time_s:.1f} s"


def _words(row: Mapping[str, Any], tables: Tables) -> str:
    """Return what was predicted, and the sentence of the explanation where there is one."""
    said = f"{row['class']} with probability {score(row['probability'])}: {verdict(row['outcome'], str(row['label']))}."
    words = tables.get("words")
    if words is None:
        return said
    found = words.loc[words["case"] == row["case"], "sentence"]
    return f"{said} {found.iloc[0]}" if len(found) and isinstance(found.iloc[0], str) else said
