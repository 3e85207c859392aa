"""Paper scale: a figure whose coordinates are millimetres, so that an ECG on it can be measured with a ruler."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from beatlens.figures.paper.style import GRID_MAJOR, GRID_MINOR, PAPER, POINTS_PER_MM, new_figure

MINOR_MM = 1.0
MAJOR_MM = 5.0


@dataclass(frozen=True)
class PaperScale:
    """How seconds and millivolts become millimetres.

    Attributes
    ----------
    speed_mm_s
        Paper speed, 25 mm/s by custom.
    gain_mm_mv
        Gain, 10 mm/mV by custom.
    """

    speed_mm_s: float
    gain_mm_mv: float

    def __post_init__(self) -> None:
        if not (self.speed_mm_s > 0 and self.gain_mm_mv > 0):
            raise ValueError(f"paper scale of {self.speed_mm_s} mm/s and {self.gain_mm_mv} mm/mV; expected > 0")

    def __str__(self) -> str:
        return f"{self.speed_mm_s:g} mm/s   {self.gain_mm_mv:g} mm/mV"


def millimetre_axes(width_mm: float, height_mm: float) -> tuple[Figure, Axes]:
    """Return a figure with one invisible axes over all of it, in millimetres from the lower left corner."""
    figure = new_figure(width_mm, height_mm)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, width_mm)
    axes.set_ylim(0, height_mm)
    axes.axis("off")
    return figure, axes


def millimetre_grid(axes: Axes, x_mm: float, y_mm: float, width_mm: float, height_mm: float) -> None:
    """Draw ECG paper: a line every millimetre and a stronger one every five, from the lower left corner given.

    Nothing asks how far the axes' data reach, so patches are added as plain artists: `add_patch` looks at each line.
    """
    axes.add_artist(Rectangle((x_mm, y_mm), width_mm, height_mm, facecolor=PAPER, edgecolor="none", zorder=0))
    for step, colour, line_mm, zorder in ((MINOR_MM, GRID_MINOR, 0.10, 0.1), (MAJOR_MM, GRID_MAJOR, 0.14, 0.2)):
        xs = x_mm + np.arange(0, width_mm + step / 2, step)
        ys = y_mm + np.arange(0, height_mm + step / 2, step)
        ends = [((x, y_mm), (x, y_mm + height_mm)) for x in xs] + [((x_mm, y), (x_mm + width_mm, y)) for y in ys]
        lines = Path(np.array(ends).reshape(-1, 2), [Path.MOVETO, Path.LINETO] * len(ends))  # one path: a small SVG
        axes.add_artist(
            PathPatch(lines, facecolor="none", edgecolor=colour, linewidth=line_mm * POINTS_PER_MM, zorder=zorder)
        )


def millimetre_image(
    axes: Axes, shades: npt.NDArray[np.float64], extent: tuple[float, float, float, float], *, zorder: float
) -> None:
    """Draw RGBA shades (rows, columns, 4) in `extent`: left, right, bottom and top in mm. Limits stay as they are."""
    image = AxesImage(axes, interpolation="none", extent=extent)
    image.set_data(shades)
    image.set_zorder(zorder)
    axes.add_artist(image)


def round_up_mm(length_mm: float) -> float:
    """Return the next multiple of a large square (5 mm)."""
    return float(np.ceil(round(length_mm / MAJOR_MM, 9)) * MAJOR_MM)
