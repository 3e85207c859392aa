"""What the model uses for each class: mean share of the explanation by wave and lead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from beatlens.core.numerals import fixed
from beatlens.figures.classification import empty_figure
from beatlens.figures.paper.layout import display_order
from beatlens.figures.paper.style import INK, MUTED, NEGATIVE, POSITIVE, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd

WAVES = ("P", "QRS", "ST", "T")
WHOLE = ("other beats", "rhythm")
COLOURS = LinearSegmentedColormap.from_list("signed", [NEGATIVE, "#ffffff", POSITIVE])
ROW_MM, COLUMN_MM, LEAD_MM = 5.0, 11.0, 12.0
SURE = 0.05


def cohort_figure(table: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """Draw a grid of leads x waves for each class, with the other beats and the rhythm above it.

    Parameters
    ----------
    table
        `beatlens.evaluate.explanations.cohort.COLUMNS`; rows of the kind ``part`` are drawn.
    classes
        Class ids, in order.

    Returns
    -------
    One colour scale from -1 to 1 serves all classes; a star marks where right and wrong predictions differ.
    """
    parts = table[(table["kind"] == "part") & (table["n_correct"] > 0)]
    shown = [name for name in classes if (parts["class"] == name).any()]
    if not shown:
        return empty_figure("No right prediction is explained: there is nothing to average.")
    leads = display_order(sorted(set(parts["lead"]) - {""}))
    rows = len(leads) + 2
    columns = min(3, len(shown))
    lines = -(-len(shown) // columns)
    width, height = COLUMN_MM * len(WAVES) + LEAD_MM + 16, ROW_MM * rows + 17
    with styled():
        figure = new_figure(width * columns, height * lines + 6)
        for k, name in enumerate(shown):
            left = (k % columns) * width + LEAD_MM + 8
            bottom = (lines - 1 - k // columns) * height + 12
            box = (
                left / (width * columns),
                bottom / (height * lines + 6),
                COLUMN_MM * len(WAVES) / (width * columns),
                ROW_MM * rows / (height * lines + 6),
            )
            axes = figure.add_axes(box)
            of_class = parts[parts["class"] == name]
            values = {(row.wave, row.lead): row for row in of_class.itertuples(index=False)}
            grid = np.full((rows, len(WAVES)), np.nan)
            for r, whole in enumerate(WHOLE):
                grid[r, :] = values[whole, ""].correct if (whole, "") in values else np.nan
            for r, lead in enumerate(leads):
                for c, wave in enumerate(WAVES):
                    if (wave, lead) in values:
                        grid[r + 2, c] = values[wave, lead].correct
            axes.imshow(grid, cmap=COLOURS, vmin=-1, vmax=1, aspect="auto", interpolation="none")
            for r in range(rows):
                cells = [(WHOLE[r], "")] if r < 2 else [(wave, leads[r - 2]) for wave in WAVES]
                for c, key in enumerate(cells):
                    row = values.get(key)
                    if row is None or not math.isfinite(row.correct):
                        continue
                    star = "*" if row.p_holm < SURE else ""
                    x = 1.5 if r < 2 else c
                    colour = "white" if abs(row.correct) > 0.6 else INK
                    axes.text(
                        x,
                        r,
                        f"{fixed(100 * row.correct, 0)}{star}",
                        ha="center",
                        va="center",
                        fontsize=6.5,
                        color=colour,
                    )
            axes.axhline(1.5, color=MUTED, linewidth=0.6)
            axes.set_xticks(range(len(WAVES)), WAVES)
            axes.set_yticks(range(rows), [*WHOLE, *leads])
            axes.tick_params(length=0, labelsize=7)
            axes.spines[:].set_visible(False)
            cases = of_class[of_class["wave"] == "rhythm"].iloc[0]
            axes.set_title(f"{name}   {cases.n_correct} right, {cases.n_wrong} wrong", fontsize=8)
        figure.text(
            0.01,
            1.5 / (height * lines + 6) * 2,
            "Mean share of the explanation in right predictions, % (orange: for the class, blue: against it). "
            "*: wrong predictions differ, p < .05.",
            fontsize=6.5,
            color=MUTED,
        )
        return figure
