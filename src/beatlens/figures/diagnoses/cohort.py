"""What the model uses for each diagnosis, and in a panel of its own what textbooks say: leads by waves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from beatlens.core.numerals import fixed
from beatlens.evaluate.explanations.regions import Region, region_of_diagnosis
from beatlens.explain.diagnoses.players import WAVES
from beatlens.figures.classification import empty_figure
from beatlens.figures.cohort import COLOURS
from beatlens.figures.paper.layout import display_order
from beatlens.figures.paper.style import INK, MUTED, TRUTH, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd

GUIDELINE_WAVES: Mapping[str, tuple[str, ...]] = {
    "P": ("P",),
    "Q": ("QRS",),
    "QRS": ("QRS",),
    "ST_T": ("ST-T",),
    "T_END": ("ST-T", "TQ"),
    "TQ": ("TQ",),
    "SPIKE": ("P",),
}
"""The waves in which a window of the table of diagnostic regions lies."""
ROW_MM, COLUMN_MM = 4.6, 11.0


def diagnosis_cohort_figure(
    table: pd.DataFrame, names: Mapping[str, str], regions: Sequence[Region], codes: Mapping[str, frozenset[str]]
) -> Figure:
    """Draw two panels for each diagnosis: measured on the left, the table of diagnostic regions on the right.

    Parameters
    ----------
    table
        `beatlens.evaluate.explanations.diagnoses.cohort.COLUMNS`.
    names
        Name by id, in the order drawn.
    regions
        Diagnostic regions.
    codes
        Of each diagnosis: its id and its codes, by which its region is found.
    """
    shown = [key for key in names if (table["diagnosis"] == key).any()]
    if not shown:
        return empty_figure("No right prediction of a diagnosis is explained: there is nothing to average.")
    leads = display_order(sorted(set(table["lead"]) - {""}))
    columns = min(2, len(shown))
    lines = -(-len(shown) // columns)
    panel = COLUMN_MM * len(WAVES)
    width, height = 2 * panel + 36, ROW_MM * (len(leads) + 1) + 19
    total_w, total_h = width * columns, height * lines + 9
    with styled():
        figure = new_figure(total_w, total_h)
        for k, key in enumerate(shown):
            left, bottom = (k % columns) * width + 16, (lines - 1 - k // columns) * height + 14
            boxes = [
                (left / total_w, bottom / total_h, panel / total_w, ROW_MM * (len(leads) + 1) / total_h),
                ((left + panel + 12) / total_w, bottom / total_h, panel / total_w, ROW_MM * len(leads) / total_h),
            ]
            of_key = table[table["diagnosis"] == key]
            cases = int(of_key["n"].max())
            measured = figure.add_axes(boxes[0])
            _measured(measured, of_key, leads)
            measured.set_title(f"{names[key]}\nmodel, {cases} case{'s' * (cases != 1)}", fontsize=7.5)
            guideline = figure.add_axes(boxes[1])
            region = region_of_diagnosis(regions, key, codes[key])
            _guideline(guideline, region, leads)
            needs_rhythm = " and RR intervals" if region is not None and region.rate else ""
            guideline.set_title(f"textbook{needs_rhythm}", fontsize=7.5, color=TRUTH)
        figure.text(
            3 / total_w,
            3 / total_h,
            "Model: mean share of the explanation in right predictions, %; orange: for the diagnosis, blue: against, "
            "grey: its interval holds 0.\nTextbook: the table of diagnostic regions, strict leads full, lenient pale. "
            "It had no part in the explanations.",
            fontsize=6.5,
            color=MUTED,
        )
        return figure


def _measured(axes: Axes, table: pd.DataFrame, leads: Sequence[str]) -> None:
    grid = np.full((len(leads) + 1, len(WAVES)), np.nan)
    for row in table.itertuples(index=False):
        if row.lead:
            grid[1 + leads.index(row.lead), WAVES.index(row.wave)] = row.share
        else:
            grid[0, :] = row.share
    limit = float(np.nanmax(np.abs(grid)))
    axes.imshow(grid, cmap=COLOURS, vmin=-limit, vmax=limit, aspect="auto", interpolation="none")
    for row in table.itertuples(index=False):
        if not math.isfinite(row.share):
            continue
        x, y = (WAVES.index(row.wave), 1 + leads.index(row.lead)) if row.lead else ((len(WAVES) - 1) / 2, 0)
        unsure = math.isfinite(row.lo) and row.lo <= 0 <= row.hi
        colour = MUTED if unsure else "white" if abs(row.share) > 0.7 * limit else INK
        axes.text(x, y, fixed(100 * row.share, 1), ha="center", va="center", fontsize=6, color=colour)
    axes.axhline(0.5, color=MUTED, linewidth=0.6)
    _ticks(axes, ["rhythm", *leads])


def _guideline(axes: Axes, region: Region | None, leads: Sequence[str]) -> None:
    grid = np.zeros((len(leads), len(WAVES)))
    for window in region.windows if region else ():
        place_of_p = ("P",) if region and region.without_p and window == "TQ" else ()
        for wave in (*GUIDELINE_WAVES[window], *place_of_p):
            for lead in leads:
                if region and lead in region.lenient:
                    grid[leads.index(lead), WAVES.index(wave)] = 1.0 if lead in region.strict else 0.4
    from matplotlib.colors import LinearSegmentedColormap

    axes.imshow(
        grid,
        cmap=LinearSegmentedColormap.from_list("region", ["#ffffff", TRUTH]),
        vmin=0,
        vmax=1,
        aspect="auto",
        interpolation="none",
    )
    if region is None:
        axes.text(1.5, len(leads) / 2, "not in the table", ha="center", va="center", fontsize=7, color=MUTED)
    _ticks(axes, leads)


def _ticks(axes: Axes, rows: Sequence[str]) -> None:
    axes.set_xticks(range(len(WAVES)), WAVES)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0, labelsize=6.5)
    axes.spines[:].set_visible(False)
