"""Class templates on ECG paper: the typical wave of each class in each lead, and how far patients differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from beatlens.figures.paper.scale import PaperScale, millimetre_axes, millimetre_grid, round_up_mm
from beatlens.figures.paper.style import INK, MUTED, POINTS_PER_MM, class_colours, styled

if TYPE_CHECKING:
    from beatlens.prototypes.templates import ClassTemplates

LABEL_MM, TOP_MM, CAPTION_MM, GAP_MM, LINE_GAP_MM = 16.0, 16.0, 4.0, 1.2, 2.5
LIMIT_MM = 25.0
"""A trace is cut beyond this distance above or below zero."""


def template_figure(templates: ClassTemplates, scale: PaperScale) -> Figure:
    """Draw a row a class, a column a lead: the median over patients, the band between their quartiles.

    Parameters
    ----------
    templates
        Of all classes.
    scale
        Paper speed and gain; the R peak lies on the strong line that a tick marks.
    """
    times = (np.arange(templates.quartiles.shape[3]) - templates.before) / templates.fs
    millimetres = np.clip(templates.quartiles * scale.gain_mm_mv, -LIMIT_MM, LIMIT_MM)
    shown = np.flatnonzero(templates.patients.any(axis=0))  # leads that any class was seen in
    before_mm = round_up_mm(-times[0] * scale.speed_mm_s)
    cell_mm = before_mm + round_up_mm(times[-1] * scale.speed_mm_s)
    reach = [_reach(millimetres[:, k]) for k in range(len(templates.classes))]
    height = TOP_MM + sum(up + down + CAPTION_MM + LINE_GAP_MM for up, down in reach)
    width = max(LABEL_MM + len(shown) * (cell_mm + GAP_MM) + GAP_MM, 85.0)
    colours = class_colours(templates.classes)
    with styled():
        figure, axes = millimetre_axes(width, height)
        text = f"Line: median over patients, each by their median beat.\nBand: quartiles of patients.   {scale}"
        axes.text(2, height - 2, text, color=MUTED, va="top", fontsize=7.5)
        for column, lead in enumerate(shown):
            x0 = LABEL_MM + column * (cell_mm + GAP_MM)
            axes.text(x0, height - TOP_MM + 1.5, templates.leads[lead], color=INK, fontsize=8, weight="bold")
        top = height - TOP_MM
        for k, name in enumerate(templates.classes):
            up, down = reach[k]
            axes.text(2, top - 1, name, weight="bold", fontsize=10, color=colours[name], va="top")
            for column, lead in enumerate(shown):
                x0 = LABEL_MM + column * (cell_mm + GAP_MM)
                count = int(templates.patients[k, lead])
                caption = f"{count} patient{'s' * (count != 1)}" if count else "no clean beat"
                axes.text(x0, top - up - down - 0.8, caption, fontsize=6, color=MUTED, va="top")
                if not count:
                    continue
                millimetre_grid(axes, x0, top - up - down, cell_mm, up + down)
                x, zero = x0 + before_mm + times * scale.speed_mm_s, top - up
                low, middle, high = zero + millimetres[:, k, lead]
                axes.fill_between(x, low, high, color=colours[name], alpha=0.22, linewidth=0, zorder=2)
                axes.plot(x, middle, color=colours[name], linewidth=0.4 * POINTS_PER_MM, zorder=3)
                foot = top - up - down
                axes.plot([x0 + before_mm] * 2, [foot, foot + 1.5], color=INK, linewidth=0.8, zorder=3)
            top -= up + down + CAPTION_MM + LINE_GAP_MM
        return figure


def _reach(millimetres: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> tuple[float, float]:
    """Return the millimetres above and below zero of a class's waves, in large squares; one each where it has none."""
    known = millimetres[np.isfinite(millimetres)]
    highest, lowest = (float(known.max()), float(known.min())) if len(known) else (0.0, 0.0)
    return round_up_mm(max(highest, 0.0) + 1.0), round_up_mm(max(-lowest, 0.0) + 1.0)
