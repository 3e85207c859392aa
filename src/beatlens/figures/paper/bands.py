"""Outlines of bands along a trace: of one width, and of a width that says how strong each moment is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from beatlens.figures.paper.ecg import EcgFigure
from beatlens.figures.paper.layout import Panel
from beatlens.figures.paper.margins import LIMIT_MV

Array = npt.NDArray[np.float64]

STEP_MM = 0.15
"""Distance of an outline's points; finer can't be seen."""
FINE_MM = 0.1
"""Distance of the places on a trace around which a band of changing width is drawn."""


def band(figure: EcgFigure, panel: Panel, half_mm: float) -> Array:
    """Return the outline of the trace thickened to both sides, in steep parts too; (n, 2) mm."""
    x, y = _trace_mm(figure, panel)
    reach = 2 * int(np.ceil(half_mm / 2 / figure.speed(panel) * figure.strip.fs)) + 1
    low, high = figure.row_mm(panel)
    step = max(1, reach // 8)  # an outline finer than this can't be seen and makes large SVGs
    chosen = np.unique(np.append(np.arange(0, len(y), step), len(y) - 1))
    upper = np.minimum(maximum_filter1d(y, reach)[chosen] + half_mm, high)
    lower = np.maximum(minimum_filter1d(y, reach)[chosen] - half_mm, low)
    return np.concatenate([np.column_stack([x[chosen], upper]), np.column_stack([x[chosen], lower])[::-1]])


def band_of_widths(figure: EcgFigure, panel: Panel, half_mm: Array) -> Array:
    """Return a band along the trace whose half width changes, measured at right angles to the trace.

    It is what discs cover whose centres go along the trace and whose radii are the half widths.

    Parameters
    ----------
    figure, panel
        Where the trace is.
    half_mm
        Half width at each sample of the panel; 0 where there is no band.

    Returns
    -------
    (n, 3)
        Place along the paper, lower and upper edge in mm; both edges are NaN where there is no band.
    """
    x, y = _trace_mm(figure, panel)
    n_parts = max(1, int(np.ceil(np.abs(np.diff(y)).max(initial=0.0) / FINE_MM)))
    fine = np.linspace(0, len(x) - 1, (len(x) - 1) * n_parts + 1)
    places = np.arange(len(x))
    centre_x, centre_y = np.interp(fine, places, x), np.interp(fine, places, y)
    radius = half_mm[np.rint(fine).astype(int)]
    grid = np.append(np.arange(x[0], x[-1], STEP_MM), x[-1])
    lower, upper = np.full(len(grid), np.inf), np.full(len(grid), -np.inf)
    if (largest := float(half_mm.max(initial=0.0))) > 0:
        first = np.searchsorted(centre_x, grid - largest)
        stop = np.searchsorted(centre_x, grid + largest, side="right")
        for offset in range(int((stop - first).max())):
            k = np.minimum(first + offset, stop - 1)
            inside = radius[k] ** 2 - (grid - centre_x[k]) ** 2
            covered = (inside >= 0) & (radius[k] > 0)
            reach = np.sqrt(np.where(covered, inside, 0.0))
            upper = np.where(covered, np.maximum(upper, centre_y[k] + reach), upper)
            lower = np.where(covered, np.minimum(lower, centre_y[k] - reach), lower)
    low, high = figure.row_mm(panel)
    known = upper >= lower
    return np.column_stack(
        [grid, np.where(known, np.maximum(lower, low), np.nan), np.where(known, np.minimum(upper, high), np.nan)]
    )


def _trace_mm(figure: EcgFigure, panel: Panel) -> tuple[Array, Array]:
    """Return where a panel's trace lies, gaps bridged by straight lines."""
    times, millivolts = figure.trace(panel)
    known = np.flatnonzero(np.isfinite(millivolts))
    filled = np.interp(np.arange(len(millivolts)), known, millivolts[known]) if len(known) else np.zeros(len(times))
    y = figure.y_mm(panel, 0.0) + np.clip(filled, -LIMIT_MV, LIMIT_MV) * figure.scale.gain_mm_mv
    return figure.x_mm(panel, 0.0) + times * figure.speed(panel), y
