"""A signed attribution on an ECG: on the trace or behind it, in colours of one fixed scale, with a legend in units.

Colour depends on the value alone: full colour at plus or minus `limit`, and in our own colour maps half of it at half
and nothing at zero. A width that says the strength is proportional to the value, and full at the limit. The limit is
shared by all figures of a report, so that a small value looks small everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.patches import Polygon, Rectangle

from beatlens.explain.result.metadata import VALUE
from beatlens.figures.paper.bands import band, band_of_widths
from beatlens.figures.paper.colour_maps import colours, is_two_coloured
from beatlens.figures.paper.ecg import EcgFigure
from beatlens.figures.paper.layout import Panel
from beatlens.figures.paper.margins import FOOTER_MM, MARGIN_MM
from beatlens.figures.paper.shown import smoothed
from beatlens.figures.paper.style import INK, MUTED, NULL, PAPER, TRUTH
from beatlens.figures.settings import LookSettings

if TYPE_CHECKING:
    from beatlens.explain.result.attribution import Attribution

Array = npt.NDArray[np.float64]

UNIT_S = 0.05
"""Values are shown per this many seconds of one lead, which doesn't depend on the sampling rate."""
BAND_MM = 3.2
_OPACITY = {"band": 0.85, "width": 0.85, "background": 0.55, "line": 1.0}
_LINE_MM = 0.7
_LAYER = {"background": 1.5, "line": 3.1}
"""The background lies under all, and a line covers the trace, which is at 3."""
PLAIN = LookSettings()


@dataclass(frozen=True)
class Shading:
    """How values become colours and widths: the value at which either is full, and what the look says."""

    limit: float
    look: LookSettings
    gain_mm_mv: float

    @property
    def width_mm(self) -> float:
        """Full width of what lies along the trace."""
        if self.look.style == "line":
            return _LINE_MM
        return BAND_MM if self.look.band_mv is None else self.look.band_mv * self.gain_mm_mv

    def of(self, values: Array) -> Array:
        """Return the colours of values, which the legend has as well: (..., 4)."""
        style, opacity = self.look.style, self.look.opacity
        opacity = _OPACITY[style] if opacity is None else opacity
        strength = self.limit * np.sign(values) if style == "width" else values
        return colours(strength, self.limit, opacity, self.look.colour_map)

    def half_mm(self, values: Array) -> Array:
        """Return the half widths of a band whose width says the strength."""
        return np.clip(np.abs(values) / self.limit, 0, 1) * self.width_mm / 2


def displayed(attribution: Attribution) -> Array:
    """Return the values that a figure's legend speaks of, (n_leads, n_samples): per `UNIT_S` of one lead.

    Values that a person gave (units `VALUE`) are shown as they are.
    """
    values = attribution.values.astype(np.float64)
    return values if attribution.meta.units == VALUE else values * attribution.fs * UNIT_S


def shared_limit(attributions: Iterable[Attribution], quantile: float = 0.995, *, look: LookSettings = PLAIN) -> float:
    """Return the value at which colour is full in all figures of a report.

    Parameters
    ----------
    attributions
        All that will be drawn.
    quantile
        Quantile of the absolute values that aren't zero: the few largest don't make all others pale, and are shown
        in full colour.
    look
        Says how far values are smoothed before they are drawn.

    Returns
    -------
    float
        Rounded up to two digits; 1.0 where every value is zero.
    """
    parts = [np.abs(displayed(smoothed(one, look.smoothing_s))).ravel() for one in attributions]
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
    if units == VALUE:
        return attribution.meta.method
    per = f"per {UNIT_S * 1000:.0f} ms of a lead"
    return f"share of the explanation, {per}" if units == "relative" else f"change of {units}, {per}"


def draw_overlay(figure: EcgFigure, attribution: Attribution, limit: float, look: LookSettings = PLAIN) -> float:
    """Lay an attribution over a drawn ECG and say in the figure what lies outside it.

    Parameters
    ----------
    figure
        The drawn ECG.
    attribution
        Signed values; may cover another stretch and other leads than the figure, at another rate. Leads meet by
        standard name. All-zero values draw nothing but the legend.
    limit
        Value per `UNIT_S` at which colour and width are full.
    look
        Style, colours, opacity, width, smoothing and whether there is a colour bar.

    Returns
    -------
    float
        Share of the absolute mass outside the visible panels, 0 to 1 (0 for an all-zero map).

    Raises
    ------
    ValueError
        For an unknown colour map, or a limit that isn't positive.
    """
    if not limit > 0:
        raise ValueError(f"colour limit {limit}; expected > 0")
    attribution = smoothed(attribution, look.smoothing_s)
    values, shading = displayed(attribution), Shading(limit, look, figure.scale.gain_mm_mv)
    rows = {figure.leads.standard(lead): k for k, lead in enumerate(attribution.leads)}
    seen = np.zeros(values.shape, dtype=bool)
    for panel in figure.panels:
        if look.style == "line":
            figure.fade_trace(panel, NULL)
        row = rows.get(figure.leads.standard(panel.lead))
        if row is None:
            continue
        first, stop = _overlap(panel, attribution)
        if stop > first:
            seen[row, first:stop] = True
            _draw_row(figure, panel, attribution, values[row], samples=slice(first, stop), shading=shading)
    mass = np.abs(values).sum()
    outside = float(np.abs(values[~seen]).sum() / mass) if mass > 0 else 0.0
    if look.colour_bar:
        _legend(figure, attribution, shading)
    if mass == 0:
        figure.note("nothing to show: the signal's attribution is zero")
    elif outside >= 0.005:
        figure.note(f"{100 * outside:.0f} % of the attribution's mass lies outside this figure")
    if look.smoothing_s:
        figure.note(f"spread over {1000 * look.smoothing_s:.0f} ms in each lead, sums kept")
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
    """Draw one lead's values: a band of their widths, or an image of one pixel a sample, cut to a band of one width."""
    part, first, stop = values[samples], samples.start, samples.stop
    if is_two_coloured(shading.look.colour_map) and not part.any():
        return
    if shading.look.style == "width":
        _draw_widths(figure, panel, attribution, part, first=first, shading=shading)
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
        zorder=_LAYER.get(shading.look.style, 2.0),
    )
    figure.keep_scale()
    if shading.look.style != "background":
        outline = band(figure, panel, shading.width_mm / 2)
        picture.set_clip_path(Polygon(outline, transform=figure.axes.transData))


def _draw_widths(
    figure: EcgFigure, panel: Panel, attribution: Attribution, values: Array, *, first: int, shading: Shading
) -> None:
    """Draw one lead's values as a band for and one against, as wide as they are strong."""
    times = figure.trace(panel)[0]
    place = np.rint((times - attribution.start_s) * attribution.fs).astype(int) - first
    known = (place >= 0) & (place < len(values))
    here = np.where(known, values[np.clip(place, 0, len(values) - 1)], 0.0)
    for sign in (1.0, -1.0):
        outline = band_of_widths(figure, panel, shading.half_mm(np.maximum(sign * here, 0.0)))
        if np.isfinite(outline[:, 1]).any():
            x, lower, upper = outline.T
            colour = shading.of(np.array([sign]))[0]
            figure.axes.fill_between(x, lower, upper, color=colour, linewidth=0, zorder=2.0)


def _legend(figure: EcgFigure, attribution: Attribution, shading: Shading) -> None:
    """Draw the colour bar with its ends and units at the lower right; as wide as the band where widths count."""
    by_width, label = shading.look.style == "width", unit_label(attribution)
    width, height = 40.0, 2.2
    right = figure.size_mm[0] - MARGIN_MM
    left, y, full = right - width - 4.5, FOOTER_MM - 7.4, 0.0
    if by_width:
        y += 1.0  # room for the ends of the wedges
        full, middle = min(shading.width_mm, 4.0) / 2, y + height / 2
        for end, sign in ((left, -1.0), (left + width, 1.0)):
            edges = [(left + width / 2, middle), (end, middle - full), (end, middle + full)]
            figure.axes.add_patch(Polygon(edges, facecolor=shading.of(np.array([sign]))[0], linewidth=0, zorder=2))
        label += f"; full width {shading.width_mm / shading.gain_mm_mv:.3g} mV"
    else:
        figure.axes.add_patch(Rectangle((left, y), width, height, facecolor=PAPER, edgecolor="none", zorder=1))
        figure.axes.imshow(
            shading.of(np.linspace(-shading.limit, shading.limit, 81)[None, :]),
            extent=(left, left + width, y, y + height),
            aspect="auto",
            interpolation="none",
            zorder=2,
        )
        figure.keep_scale()
        figure.axes.add_patch(
            Rectangle((left, y), width, height, facecolor="none", edgecolor=MUTED, linewidth=0.4, zorder=3)
        )
    percent = attribution.meta.units == "relative"
    end_text = f"{100 * shading.limit:g} %" if percent else f"{shading.limit:g}"
    y -= max(full - height / 2, 0.0)
    for share, text in ((0.0, f"−{end_text}"), (0.5, "0"), (1.0, f"+{end_text}")):
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
