"""The section ``figures`` of the configuration."""

from dataclasses import dataclass
from typing import Annotated, Literal

from beatlens.core.allowed import Allowed, Text
from beatlens.core.options import Settings
from beatlens.explain.watch.settings import WatchMethod

Names = Annotated[tuple[Text, ...], Allowed(minItems=1, uniqueItems=True)]


@dataclass(frozen=True)
class FigureSettings(Settings, section="figures"):
    """Drawings of explanations."""

    colour_map: Text = "two_sided"
    """Colours of maps. `two_sided` is orange for the class and blue against it, `purple_to_red` red for and purple
    against; any other is a colour map of Matplotlib by name, whose middle is 0."""

    methods: Names = ("fused",)
    """Explanations that are drawn of each case, `fused` and any of `explain.methods`. Each is a figure a case."""

    classes: Literal["predicted", "all"] | Names = "predicted"
    """Classes for which each case is explained and drawn: `predicted`, `all`, or a list. Each class beside the
    predicted one costs as much as all explanations of the run."""

    watch: Annotated[tuple[WatchMethod, ...], Allowed(minItems=1, uniqueItems=True)] | None = None
    """Maps of the watched beats that are drawn, some of `watch.methods`. Each is a figure a beat. Null draws the first
    class-activation map and the first map of attention."""
