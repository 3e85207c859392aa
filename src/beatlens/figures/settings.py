"""The section ``figures`` of the configuration."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from beatlens.core.allowed import Allowed, PositiveFloat, PositiveInt, PositiveShare, Text
from beatlens.core.leads import UsedLead
from beatlens.core.options import Settings
from beatlens.explain.watch.settings import WatchMethod
from beatlens.figures.paper.layout import RHYTHM_LEADS, Layout

Names = Annotated[tuple[Text, ...], Allowed(minItems=1, uniqueItems=True)]
Style = Literal["band", "width", "background", "line"]


@dataclass(frozen=True)
class LookSettings(Settings, section="figures"):
    """How an explanation looks on the signal. Paper speed and gain of all figures are those of ``report``."""

    layout: Layout = "auto"
    """Columns by rows of leads. `auto` stacks up to three leads, else it has two columns, or one where two would be
    wider than the page; a diagnosis in twelve leads has `4x3` with a rhythm strip. In a layout with fewer cells than
    the record has leads are those with most of the explanation, and the figure says so."""

    columns: Literal["auto", "simultaneous", "successive"] = "auto"
    """Time in columns. `simultaneous` columns show the whole stretch each, `successive` ones follow one another as in
    print. `auto` is `simultaneous` for beats and windows, `successive` for diagnoses. What successive columns don't
    show of an explanation, the figure says."""

    column_s: PositiveFloat | None = None
    """Seconds around the explained beat that each column shows, or null for the whole stretch. Rhythm strips show the
    whole stretch. Figures of diagnoses take no notice of it."""

    rhythm_strips: Literal[0, 1, 3] | None = None
    """Rhythm strips below the columns, or null for the usual number. That is one below a diagnosis in twelve leads with
    `layout: auto`, else none. A record with fewer leads has fewer."""

    rhythm_leads: Annotated[tuple[UsedLead, ...], Allowed(minItems=1, uniqueItems=True)] = RHYTHM_LEADS
    """Leads of the rhythm strips, the first ones that a record has. Where it has none of them, its first leads are
    taken."""

    rhythm_speed_mm_s: PositiveFloat | None = None
    """Paper speed of the rhythm strips in mm/s, or null for that of the columns, `report.speed_mm_s`."""

    grid: bool = True
    """Whether millimetre paper is drawn behind the signal."""

    style: Style = "band"
    """What carries the colours. It is a `band` of one width along the trace, a band whose `width` says the strength,
    the `background` of the lead, or a coloured `line` that replaces the trace."""

    colour_map: Text = "two_sided"
    """Colours of maps. `two_sided` is orange for the class and blue against it, `purple_to_red` red for and purple
    against. Two colours with a slash between them are those for and against it, as in `crimson/#1f4e9c`. Any other is a
    colour map of Matplotlib by name, whose middle is 0."""

    opacity: PositiveShare | None = None
    """Opacity at full strength, or null for that of the style. That is .85 for bands, .55 for the background, 1 for the
    line."""

    band_mv: PositiveFloat | None = None
    """Width of a band in mV, at full strength where the width says it. Null is 3.2 mm at any gain."""

    colour_bar: bool = True
    """Whether a bar says what colours and widths stand for."""

    smoothing_s: Annotated[float, Allowed(minimum=0, maximum=2)] = 0
    """Seconds over which each value is spread evenly before it is drawn, 0 for none. It stays within its lead, and sums
    are kept; the figure says so. Scores and files aren't smoothed."""

    top_leads: PositiveInt | None = None
    """Most leads in the columns, those with most of the explanation; null for all."""

    def _rules(self) -> Iterator[tuple[str, str]]:
        if self.band_mv is not None and self.style not in ("band", "width"):
            yield "band_mv", f"null, since the style {self.style} has no band"
        if self.column_s is not None and self.columns == "successive":
            yield "column_s", "null, since columns that follow one another share the whole stretch"
        if self.rhythm_speed_mm_s is not None and self.rhythm_strips == 0:
            yield "rhythm_speed_mm_s", "null, since there are no rhythm strips"


@dataclass(frozen=True)
class FigureSettings(LookSettings, section="figures"):
    """Drawings of explanations."""

    methods: Names = ("fused",)
    """Explanations that are drawn of each case, `fused` and any of `explain.methods`. Each is a figure a case."""

    classes: Literal["predicted", "all"] | Names = "predicted"
    """Classes for which each case is explained and drawn: `predicted`, `all`, or a list. Each class beside the
    predicted one costs as much as all explanations of the run."""

    watch: Annotated[tuple[WatchMethod, ...], Allowed(minItems=1, uniqueItems=True)] | None = None
    """Maps of the watched beats that are drawn, some of `watch.methods`. Each is a figure a beat. Null draws the first
    class-activation map and the first map of attention."""
