"""How figures look: what a configuration says of paper and explanations, and what a caller changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beatlens.figures.paper.scale import PaperScale
    from beatlens.figures.settings import LookSettings


def scale_of(config: Mapping[str, Any]) -> PaperScale:
    """Return the paper scale of a configuration."""
    from beatlens.figures.paper.scale import PaperScale

    return PaperScale(config["report"]["speed_mm_s"], config["report"]["gain_mm_mv"])


def look_of(config: Mapping[str, Any], changes: Mapping[str, Any]) -> LookSettings:
    """Return how explanations look; an option that an older run's configuration lacks has its default.

    Raises
    ------
    ValueError
        For a change that is no option of the look, or not as it should be.
    """
    from beatlens.core.options import plain
    from beatlens.figures.paper.colour_maps import check_colour_map
    from beatlens.figures.settings import LookSettings

    usual = plain(LookSettings())
    stated = {name: config["figures"].get(name, value) for name, value in usual.items()}
    unknown = sorted(set(changes) - set(usual))
    if unknown:
        raise ValueError(f"figures: options {unknown}; expected some of {', '.join(usual)}")
    look = LookSettings.read({**stated, **changes})
    if allowed := check_colour_map(look.colour_map):
        raise ValueError(f"figures.colour_map: {look.colour_map!r}; expected {allowed}")
    return look
