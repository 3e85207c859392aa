"""Colour maps of signed values by name: 0 in the middle, full colour at plus and minus the limit.

Checking a name imports neither numpy nor, for the two maps that are our own, Matplotlib.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

TWO_SIDED = "two_sided"
PURPLE_TO_RED = "purple_to_red"
OWN = (TWO_SIDED, PURPLE_TO_RED)
"""Our own: one colour for and one against, whose opacity says the size. Nothing is coloured at 0, unlike in others."""
PAIR = "/"
"""Stands between two colours, for and against, which make such a map as well: ``crimson/#1f4e9c``."""


def is_two_coloured(name: str) -> bool:
    """Tell whether a map has one colour for and one against, and none at 0."""
    return name in OWN or PAIR in name


def check_colour_map(name: str) -> str:
    """Return what is allowed instead of an unknown name, "" for a known one."""
    if name in OWN:
        return ""
    import matplotlib as mpl

    if PAIR in name:
        from matplotlib.colors import is_color_like

        pair = [part.strip() for part in name.split(PAIR)]
        if len(pair) == 2 and all(map(is_color_like, pair)):
            return ""
        return f"two colours for and against with {PAIR!r} between, by name or as #rrggbb, as in crimson/#1f4e9c"
    known = [*OWN, *mpl.colormaps]
    if name in known:
        return ""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f" (near it are {', '.join(near)})" if near else ""
    return f"{', '.join(OWN)}, two colours such as crimson/#1f4e9c, or the name of a colour map of Matplotlib{hint}"


def colours(values: Array, limit: float, opacity: float = 0.85, colour_map: str = TWO_SIDED) -> Array:
    """Return (..., 4) colours of values; those beyond `limit` have the colour at the limit.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    import matplotlib as mpl
    import numpy as np
    from matplotlib.colors import to_rgb

    from beatlens.figures.paper.style import NEGATIVE, POSITIVE, PURPLE, RED

    allowed = check_colour_map(colour_map)
    if allowed:
        raise ValueError(f"colour map {colour_map!r}; expected {allowed}")
    result = np.empty((*values.shape, 4))
    if is_two_coloured(colour_map):
        pairs = {TWO_SIDED: f"{POSITIVE}/{NEGATIVE}", PURPLE_TO_RED: f"{RED}/{PURPLE}"}
        speaks_for, against = (part.strip() for part in pairs.get(colour_map, colour_map).split(PAIR))
        result[..., :3] = np.where(values[..., None] >= 0, to_rgb(speaks_for), to_rgb(against))
        result[..., 3] = opacity * np.clip(np.abs(values) / limit, 0, 1)
    else:
        result[...] = mpl.colormaps[colour_map](0.5 + 0.5 * np.clip(values / limit, -1, 1))
        result[..., 3] *= opacity
    return result
