"""The prototype gallery: the real beats that every beat is compared with, class by class, to scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from beatlens.figures.classification import empty_figure
from beatlens.figures.scale import PaperScale, millimetre_axes, millimetre_grid, round_up_mm
from beatlens.figures.style import INK, MUTED, POINTS_PER_MM, class_colours, styled

if TYPE_CHECKING:
    from beatlens.prototypes.library import PrototypeLibrary

COLUMNS = 12
LABEL_MM, CAPTION_MM, GAP_MM = 16.0, 6.5, 2.5
SHOWN_LEADS = ("II", "V1", "V5", "I")
LIMIT_MM = 25.0
"""Most that a trace reaches above or below zero; beyond it is cut."""


def prototype_figure(library: PrototypeLibrary, classes: Sequence[str], scale: PaperScale) -> Figure:
    """Draw every prototype on millimetre paper, a row (or more) a class.

    Parameters
    ----------
    library
        Waves and what is known about them.
    classes
        Class ids in order.
    scale
        Paper speed and gain; the R peak lies on the strong line that a tick marks.
    """
    bank = library.bank
    if not len(bank):
        return empty_figure("No prototypes: the model has none.")
    times = (np.arange(bank.waves.shape[2]) - library.before) / library.fs
    lead = np.array([_shown_lead(bank.leads, present) for present in bank.present])
    rows = np.arange(len(bank))
    waves = np.clip(bank.waves[rows, lead] * library.scale[rows, lead][:, None] * scale.gain_mm_mv, -LIMIT_MM, LIMIT_MM)
    before_mm = round_up_mm(-times[0] * scale.speed_mm_s)
    cell_mm = before_mm + round_up_mm(times[-1] * scale.speed_mm_s)
    lines = [(name, line) for name in classes for line in _lines(np.flatnonzero(bank.labels == name))]
    extents = [_extent(waves[members]) for _, members in lines]
    columns = max(max((len(members) for _, members in lines), default=1), 4)
    width = LABEL_MM + columns * (cell_mm + GAP_MM) + GAP_MM
    height = 9.0 + sum(up + down + CAPTION_MM + GAP_MM for up, down in extents)
    colours = class_colours(classes)
    with styled():
        figure, axes = millimetre_axes(width, height)
        text = f"Every trace is one real beat of the lead named below it, with its patient.   {scale}"
        axes.text(2, height - 2, text, color=MUTED, va="top", fontsize=7.5)
        top = height - 8.0
        previous = ""
        for (name, members), (up, down) in zip(lines, extents, strict=True):
            if name != previous:
                count = int((bank.labels == name).sum())
                axes.text(2, top - 1, name, weight="bold", fontsize=10, color=colours[name], va="top")
                axes.text(2, top - 6, f"{count} beat{'s' * (count != 1)}", fontsize=7, color=MUTED, va="top")
            previous = name
            for k, member in enumerate(members):
                x0, zero = LABEL_MM + k * (cell_mm + GAP_MM), top - up
                millimetre_grid(axes, x0, zero - down, cell_mm, up + down)
                x = x0 + before_mm + times * scale.speed_mm_s
                axes.plot(x, zero + waves[member], color=colours[name], linewidth=0.4 * POINTS_PER_MM, zorder=3)
                axes.plot([x0 + before_mm] * 2, [zero - down, zero - down + 1.5], color=INK, linewidth=0.8, zorder=3)
                caption = f"{bank.leads[lead[member]]} · {str(bank.patients[member]).rsplit('/', 1)[-1]}"
                axes.text(x0, zero - down - 0.8, caption, fontsize=6, color=MUTED, va="top")
            if not len(members):
                axes.text(LABEL_MM, top - 1.5, "no prototype found", fontsize=7.5, color=MUTED, va="top")
            top -= up + down + CAPTION_MM + GAP_MM
        return figure


def _lines(members: npt.NDArray[np.intp]) -> list[npt.NDArray[np.intp]]:
    """Cut the prototypes of a class into lines of the page; one empty line for a class without any."""
    return [members[k : k + COLUMNS] for k in range(0, max(len(members), 1), COLUMNS)]


def _extent(waves: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Return millimetres above and below zero that a line needs, in large squares."""
    if not len(waves):
        return 5.0, 0.0
    return round_up_mm(max(float(waves.max()), 0.0) + 1.0), round_up_mm(max(-float(waves.min()), 0.0) + 1.0)


def _shown_lead(leads: Sequence[str], present: npt.NDArray[np.bool_]) -> int:
    """Return the lead to show of a prototype: the most usual of those it has."""
    has = [leads[int(k)] for k in np.flatnonzero(present)]
    if not has:
        raise ValueError(f"a prototype without any of the leads {list(leads)}; expected at least one")
    return list(leads).index(next((name for name in SHOWN_LEADS if name in has), has[0]))
