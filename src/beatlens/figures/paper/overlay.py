"""A signed attribution on an ECG: a band along the trace, in colours of one fixed scale, with a legend in units.

Colour depends on the value alone: full colour at plus or minus `limit`, and in our own colour maps half of it at half
and nothing at zero. The limit is shared by all figures of a report, so that a small value looks small everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.patches import Polygon, Rectangle
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from beatlens.figures.paper.colour_maps import OWN, TWO_SIDED, colours
from beatlens.figures.paper.ecg import FOOTER_MM, LIMIT_MV, MARGIN_MM, EcgFigure
from beatlens.figures.paper.layout import Panel
from beatlens.figures.paper.style import INK, MUTED, PAPER, TRUTH

if TYPE_CHECKING:
    from beatlens.explain.result.attribution import Attribution

Array = npt.NDArray[np.float64]

STYLES = ("band", "background", "line")
UNIT_S = 0.05
"""Values are shown per this many seconds of one lead, which doesn't depend on the sampling rate."""
_OPACITY = {"band": 0.85, "background": 0.55, "line": 1.0}
_HALF_MM = {"band": 1.6, "line": 0.35}


@dataclass(frozen=True)
class Shading:
    """How values become colours: the value of full colour, one of `STYLES`, and the name of a colour map."""

    limit: float
    style: str
    colour_map: str

    def of(self, values: Array) -> Array:
        """Return the colours of values, which the legend has as well: (..., 4)."""
        return colours(values, self.limit, _OPACITY[self.style], self.colour_map)


def displayed(attribution: Attribution) -> Array:
    """Return the values per `UNIT_S` of one lead, (n_leads, n_samples): those that a figure's legend speaks of."""
    return attribution.values.astype(np.float64) * attribution.fs * UNIT_S


def shared_limit(attributions: Iterable[Attribution], quantile: float = 0.995) -> float:
    """Return the value at which colour is full in all figures of a report.

    Parameters
    ----------
    attributions
        All that will be drawn.
    quantile
        Quantile of the absolute values that aren't zero: the few largest don't make all others pale, and are shown
        in full colour.

    Returns
    -------
    float
        Rounded up to two digits; 1.0 where every value is zero.
    """
    parts = [np.abs(displayed(attribution)).ravel() for attribution in attributions]
    values = np.concatenate(parts) if parts else np.zeros(0)
    values = values[values > 0]
    if not len(values):
        return 1.0
    limit = float(np.quantile(values, quantile))
    digit = 10.0 ** (np.floor(np.log10(limit)) - 1)
    return float(np.ceil(round(limit / digit, 3)) * digit)


def unit_label(attribution: Attribution) -> str:
    """Return what the numbers of the legend mean."""
    units = attribution.meta.units
    per = f"per {UNIT_S * 1000:.0f} ms of a lead"
    return f"share of the explanation, {per}" if units == "relative" else f"change of {units}, {per}"


def draw_overlay(
    figure: EcgFigure, attribution: Attribution, limit: float, style: str = "band", *, colour_map: str = TWO_SIDED
) -> float:
    """Lay an attribution over a drawn ECG and say in the figure what lies outside it.

    Parameters
    ----------
    figure
        The drawn ECG.
    attribution
        Signed values; may cover another stretch and other leads than the figure, at another rate. Leads meet by
        standard name. All-zero values draw nothing but the legend.
    limit
        Value per `UNIT_S` at which colour is full.
    style
        ``"band"`` along the trace, ``"background"`` over the row's height or a thin ``"line"`` along the trace.
    colour_map
        See `beatlens.figures.paper.colour_maps.colours`.

    Returns
    -------
    float
        Share of the absolute mass outside the visible panels, 0 to 1 (0 for an all-zero map).

    Raises
    ------
    ValueError
        For an unknown style or colour map, or a limit that isn't positive.
    """
    if style not in STYLES:
        raise ValueError(f"overlay style {style!r}; expected one of {STYLES}")
    if not limit > 0:
        raise ValueError(f"colour limit {limit}; expected > 0")
    values, shading = displayed(attribution), Shading(limit, style, colour_map)
    rows = {figure.leads.standard(lead): k for k, lead in enumerate(attribution.leads)}
    seen = np.zeros(values.shape, dtype=bool)
    for panel in figure.panels:
        row = rows.get(figure.leads.standard(panel.lead))
        if row is None:
            continue
        first, stop = _overlap(panel, attribution)
        if stop > first:
            seen[row, first:stop] = True
            _draw_row(figure, panel, attribution, values[row], samples=slice(first, stop), shading=shading)
    mass = np.abs(values).sum()
    outside = float(np.abs(values[~seen]).sum() / mass) if mass > 0 else 0.0
    percent = attribution.meta.units == "relative"
    _legend(figure, unit_label(attribution), shading, percent)
    if mass == 0:
        figure.note("nothing to show: the signal's attribution is zero")
    elif outside >= 0.005:
        figure.note(f"{100 * outside:.0f} % of the attribution's mass lies outside this figure")
    return outside


def _overlap(panel: Panel, attribution: Attribution) -> tuple[int, int]:
    """Return the first sample of the attribution that a panel shows, and the one after the last."""
    first = round((panel.start_s - attribution.start_s) * attribution.fs)
    stop = round((panel.end_s - attribution.start_s) * attribution.fs)
    return max(first, 0), min(stop, attribution.values.shape[1])


def _draw_row(
    figure: EcgFigure,
    panel: Panel,
    attribution: Attribution,
    values: Array,
    *,
    samples: slice,
    shading: Shading,
) -> None:
    """Draw one lead's values: an image of one pixel a sample, cut to the band."""
    part, first, stop = values[samples], samples.start, samples.stop
    if shading.colour_map in OWN and not part.any():
        return
    low, high = figure.row_mm(panel)
    # a sample's value holds from half a sample before it to half a sample after it
    left = figure.x_mm(panel, attribution.start_s + (first - 0.5) / attribution.fs)
    right = figure.x_mm(panel, attribution.start_s + (stop - 0.5) / attribution.fs)
    picture: Any = figure.axes.imshow(
        shading.of(part[None, :]),
        extent=(left, right, low, high),
        aspect="auto",
        interpolation="none",
        zorder=1.5 if shading.style == "background" else 2.0,
    )
    figure.axes.set_xlim(0, figure.size_mm[0])
    figure.axes.set_ylim(0, figure.size_mm[1])
    if shading.style != "background":
        picture.set_clip_path(Polygon(_band(figure, panel, _HALF_MM[shading.style]), transform=figure.axes.transData))


def _band(figure: EcgFigure, panel: Panel, half_mm: float) -> Array:
    """Return the outline of the trace thickened to both sides, in steep parts too; (n, 2) mm."""
    times, millivolts = figure.trace(panel)
    known = np.flatnonzero(np.isfinite(millivolts))
    filled = np.interp(np.arange(len(millivolts)), known, millivolts[known]) if len(known) else np.zeros(len(times))
    y = figure.y_mm(panel, 0.0) + np.clip(filled, -LIMIT_MV, LIMIT_MV) * figure.scale.gain_mm_mv
    reach = 2 * int(np.ceil(half_mm / 2 / figure.speed(panel) * figure.strip.fs)) + 1
    low, high = figure.row_mm(panel)
    step = max(1, reach // 8)  # an outline finer than this can't be seen and makes large SVGs
    chosen = np.unique(np.append(np.arange(0, len(y), step), len(y) - 1))
    upper = np.minimum(maximum_filter1d(y, reach)[chosen] + half_mm, high)
    lower = np.maximum(minimum_filter1d(y, reach)[chosen] - half_mm, low)
    x = figure.x_mm(panel, 0.0) + times[chosen] * figure.speed(panel)
    return np.concatenate([np.column_stack([x, upper]), np.column_stack([x, lower])[::-1]])


def _legend(figure: EcgFigure, label: str, shading: Shading, percent: bool) -> None:
    """Draw the colour bar with its ends and units at the lower right."""
    width, height = 40.0, 2.2
    right = figure.size_mm[0] - MARGIN_MM
    left, y = right - width - 4.5, FOOTER_MM - 7.4
    figure.axes.add_patch(Rectangle((left, y), width, height, facecolor=PAPER, edgecolor="none", zorder=1))
    figure.axes.imshow(
        shading.of(np.linspace(-shading.limit, shading.limit, 81)[None, :]),
        extent=(left, left + width, y, y + height),
        aspect="auto",
        interpolation="none",
        zorder=2,
    )
    figure.axes.set_xlim(0, figure.size_mm[0])
    figure.axes.set_ylim(0, figure.size_mm[1])
    figure.axes.add_patch(
        Rectangle((left, y), width, height, facecolor="none", edgecolor=MUTED, linewidth=0.4, zorder=3)
    )
    end = f"{100 * shading.limit:g} %" if percent else f"{shading.limit:g}"
    for share, text in ((0.0, f"−{end}"), (0.5, "0"), (1.0, f"+{end}")):
        x = left + share * width
        figure.text(x, y - 0.6, text, size=6.5, color=INK, ha="center", va="top")
    figure.text(right, y - 3.7, label, size=7, color=MUTED, ha="right", va="top")


def truth_legend(figure: EcgFigure, text: str = "planted truth", decoys: str = "") -> None:
    """Say what the bars of `EcgFigure.mark_span` are: of the truth, and of decoys where there are some."""
    y = figure.size_mm[1] - 3.2
    right = figure.size_mm[0] - MARGIN_MM
    figure.text(right, y, text, size=7, color=TRUTH, ha="right", va="center")
    figure.axes.plot([right, right - 5.0], [y - 2.2, y - 2.2], color=TRUTH, linewidth=2.5, solid_capstyle="butt")
    if decoys:
        y -= 4.8
        figure.text(right - 6.5, y, decoys, size=6.5, color=MUTED, ha="right", va="center")
        figure.axes.plot([right, right - 5.0], [y, y], color=MUTED, linewidth=2.5, solid_capstyle="butt")
