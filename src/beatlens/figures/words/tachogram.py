"""RR intervals around an explained beat as bars, coloured by what each carries of the explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from beatlens.core.numerals import fixed
from beatlens.explain.players.intervals import OTHERS
from beatlens.figures.paper.style import INK, MUTED, NEGATIVE, NULL, POSITIVE, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd

WIDTH_MM, HEIGHT_MM = 130.0, 50.0
NAMED = 0.05
"""Share of the explanation from which an interval is named."""
FULL_SHARE = 0.5
"""Share at which the colour is full."""
PALE = "#e4e7eb"


def tachogram(rows: pd.DataFrame) -> Figure:
    """Draw the intervals of a case: height is the length, colour says for or against the class and how much.

    Parameters
    ----------
    rows
        The case's rows of ``rr_context.csv`` (`beatlens.words.describe.RR_COLUMNS`).

    Returns
    -------
    Grey intervals are no players: what they carry is in "all else". The letter below is the predicted class of the beat
    that ends the interval.
    """
    others = rows[rows["interval"] == OTHERS].iloc[0]
    shown = rows[rows["interval"] != OTHERS]
    place, length = shown["interval"].astype(int).to_numpy(), shown["rr_ms"].to_numpy(dtype=float)
    with styled():
        figure = new_figure(WIDTH_MM, HEIGHT_MM)
        axes = figure.add_axes((0.13, 0.27, 0.86, 0.61))
        shares = shown["share"].to_numpy(dtype=float)
        signs = np.sign(shown["value"].to_numpy(dtype=float))
        colours = [_colour(share, sign) for share, sign in zip(shares, signs, strict=True)]
        axes.bar(place, length, width=0.82, color=colours, edgecolor=MUTED, linewidth=0.4)
        top = 1.3 * float(length.max(initial=float(np.nan_to_num(others["usual_rr_ms"], nan=1000.0))))
        if np.isfinite(others["usual_rr_ms"]):
            axes.axhline(others["usual_rr_ms"], color=INK, linewidth=0.7, linestyle=(0, (4, 3)))
            axes.text(place.max(initial=0) + 0.6, others["usual_rr_ms"], "usual", color=INK, va="bottom", ha="right")
        for x, y, share in zip(place, length, shares, strict=True):
            if share >= NAMED:
                axes.text(x, y + 0.02 * top, f"{fixed(100 * share, 0)} %", ha="center", va="bottom", color=INK)
        axes.set(ylim=(0, top), xlim=(place.min(initial=0) - 0.7, place.max(initial=0) + 0.7), ylabel="RR (ms)")
        axes.set_xticks(place, list(shown["label"].astype(str)))
        axes.tick_params(axis="x", length=0)
        for tick, x in zip(axes.get_xticklabels(), place, strict=True):
            tick.set(color=INK if x == 0 else MUTED, fontweight="bold" if x == 0 else "normal")
            if len(tick.get_text()) > 1:
                tick.set(rotation=60, fontsize=5.5, ha="right", rotation_mode="anchor")
        figure.text(0.13, 0.03, "Below: the beat that ends the interval", color=MUTED, fontsize=6.5)
        carried = float(np.nansum(shares))
        axes.set_title(
            f"Intervals: {fixed(100 * carried, 0)} % of the explanation; all else of the rhythm: "
            f"{fixed(100 * float(others['share']), 0)} %",
            color=INK,
            fontweight="normal",
        )
        for name, colour, x in (("for the class", POSITIVE, 0.85), ("against", NEGATIVE, 0.99)):
            figure.text(x, 0.03, f"■ {name}", color=colour, ha="right")
    return figure


def _colour(share: float, sign: float) -> tuple[float, float, float]:
    """Return grey for no player, else a mix of a pale colour with that of the side, by the share."""
    if not np.isfinite(share):
        return to_rgb(PALE)
    side = np.array(to_rgb({1.0: POSITIVE, -1.0: NEGATIVE}.get(float(sign), NULL)))
    weight = min(1.0, share / FULL_SHARE)
    red, green, blue = (1 - weight) * np.ones(3) + weight * side
    return float(red), float(green), float(blue)
