"""The prototype gallery: the real beats that every beat is compared with, class by class, to scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from beatlens.figures.classification import empty_figure
from beatlens.figures.paper.scale import PaperScale, millimetre_axes, millimetre_grid, round_up_mm
from beatlens.figures.paper.style import INK, MUTED, POINTS_PER_MM, class_colours, styled

if TYPE_CHECKING:
    from beatlens.prototypes.library import PrototypeLibrary

COLUMNS = 12
HEAD_MM, LABEL_MM, CAPTION_MM, GAP_MM, LINE_GAP_MM = 12.0, 16.0, 6.5, 1.2, 2.5
LIMB_LEADS = ("II", "I", "III", "aVF", "aVL", "aVR")
CHEST_LEADS = ("V1", "V2", "V6", "V5", "V4", "V3")
LIMIT_MM = 25.0
"""A trace is cut beyond this distance above or below zero."""


def prototype_figure(
    library: PrototypeLibrary, classes: Sequence[str], scale: PaperScale, only: str | None = None
) -> Figure:
    """Draw prototypes on millimetre paper, a row (or more) a class.

    Parameters
    ----------
    library
        Waves and what is known about them.
    classes
        Class ids in order.
    scale
        Paper speed and gain; the R peak lies on the strong line that a tick marks.
    only
        One class to draw, with the median wave of each cluster, its size and its purity.
    """
    bank = library.bank
    if not len(bank):
        return empty_figure("No prototypes: the model has none.")
    if only is not None and only not in bank.labels:
        return empty_figure(f"No prototype of {only}.")
    times = (np.arange(bank.waves.shape[2]) - library.before) / library.fs
    leads = [_shown_leads(bank.leads, present) for present in bank.present]
    traces, medians = (
        [[shown[p, bank.leads.index(lead)] for lead in leads[p]] for p in range(len(bank))]
        for shown in (
            np.clip(waves * library.scale[:, :, None] * scale.gain_mm_mv, -LIMIT_MM, LIMIT_MM)
            for waves in (bank.waves, library.median)
        )
    )
    before_mm = round_up_mm(-times[0] * scale.speed_mm_s)
    cell_mm = before_mm + round_up_mm(times[-1] * scale.speed_mm_s)
    wanted = [only] if only is not None else classes
    lines = [(name, line) for name in wanted for line in _lines(np.flatnonzero(bank.labels == name))]
    extents = [
        _extents([traces[int(p)] for p in members] + [medians[int(p)] for p in members if only is not None])
        for _, members in lines
    ]
    caption_mm = CAPTION_MM + 5.0 * (only is not None)
    heights = [max(sum(up + down for up, down in rows), 5.0) for rows in extents]
    columns = max(max((len(members) for _, members in lines), default=1), 4)
    width = LABEL_MM + columns * (cell_mm + GAP_MM) + GAP_MM
    height = HEAD_MM + sum(heights) + len(lines) * (caption_mm + LINE_GAP_MM)
    colours = class_colours(classes)
    with styled():
        figure, axes = millimetre_axes(width, height)
        text = "Every cell is one real beat of the patient named below it"
        text += "; thin and\ndark the median of the beats it stands for" if only is not None else ""
        text += f".   {scale}" if only is not None else f".\n{scale}"
        axes.text(2, height - 2, text, color=MUTED, va="top", fontsize=7.5)
        top, previous = height - HEAD_MM + 1.0, ""
        for (name, members), rows, tall in zip(lines, extents, heights, strict=True):
            if name != previous:
                count = int((bank.labels == name).sum())
                axes.text(2, top - 1, name, weight="bold", fontsize=10, color=colours[name], va="top")
                axes.text(2, top - 6, f"{count} beat{'s' * (count != 1)}", fontsize=7, color=MUTED, va="top")
            previous = name
            for k, member in enumerate(members):
                x0 = LABEL_MM + k * (cell_mm + GAP_MM)
                millimetre_grid(axes, x0, top - tall, cell_mm, tall)
                edge, x = top, x0 + before_mm + times * scale.speed_mm_s
                for trace, median, (up, down) in zip(traces[int(member)], medians[int(member)], rows, strict=False):
                    if only is not None:
                        axes.plot(x, edge - up + median, color=INK, linewidth=0.2 * POINTS_PER_MM, zorder=4)
                    axes.plot(x, edge - up + trace, color=colours[name], linewidth=0.4 * POINTS_PER_MM, zorder=3)
                    edge -= up + down
                axes.plot([x0 + before_mm] * 2, [top - tall, top - tall + 1.5], color=INK, linewidth=0.8, zorder=3)
                caption = f"{' '.join(leads[int(member)])} · {str(bank.patients[member]).rsplit('/', 1)[-1]}"
                caption += _described(library, int(member)) if only is not None else ""
                axes.text(x0, top - tall - 0.8, caption, fontsize=5.5 if only is not None else 6, color=MUTED, va="top")
            if not len(members):
                axes.text(LABEL_MM, top - 1.5, "no prototype found", fontsize=7.5, color=MUTED, va="top")
            top -= tall + caption_mm + LINE_GAP_MM
        return figure


def _described(library: PrototypeLibrary, prototype: int) -> str:
    """Say in two lines how many beats a prototype stands for, and how pure the beats nearest to it are."""
    row = library.table.iloc[prototype]
    pure = f"purity {row['purity']:.2f} of {row['neighbours']}" if row["neighbours"] else "no neighbours"
    return f"\n{row['size']} beat{'s' * int(row['size'] != 1)}\n{pure}"


def _lines(members: npt.NDArray[np.intp]) -> list[npt.NDArray[np.intp]]:
    """Cut the prototypes of a class into lines of the page; one empty line for a class without any."""
    return [members[k : k + COLUMNS] for k in range(0, max(len(members), 1), COLUMNS)]


def _extents(cells: Sequence[Sequence[npt.NDArray[np.float32]]]) -> list[tuple[float, float]]:
    """Return for each trace of a line of cells the millimetres above and below zero, in large squares."""
    rows = []
    for place in range(max(map(len, cells), default=0)):
        waves = [cell[place] for cell in cells if len(cell) > place]
        highest, lowest = max(float(wave.max()) for wave in waves), min(float(wave.min()) for wave in waves)
        rows.append((round_up_mm(max(highest, 0.0) + 1.0), round_up_mm(max(-lowest, 0.0) + 1.0)))
    return rows


def _shown_leads(leads: Sequence[str], present: npt.NDArray[np.bool_]) -> list[str]:
    """Return up to two leads to show of a prototype: a limb and a chest lead where it has them."""
    has = [leads[int(k)] for k in np.flatnonzero(present)]
    if not has:
        raise ValueError(f"a prototype without any of the leads {list(leads)}; expected at least one")
    limb, chest = (next((name for name in names if name in has), None) for names in (LIMB_LEADS, CHEST_LEADS))
    return [name for name in (limb, chest) if name] or has[:1]
