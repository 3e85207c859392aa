"""An ECG drawn to scale on millimetre paper, with helpers to mark places by seconds or by samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from beatlens.figures.paper.layout import AS_NAMED, LeadsMap, Panel, RhythmStrip, plan
from beatlens.figures.paper.margins import (
    COLUMN_GAP_MM,
    FOOTER_MM,
    HEADER_MM,
    LIMIT_MV,
    LINE_MM,
    MARGIN_MM,
    MARK_LANE_MM,
    MIN_WIDTH_MM,
    PAGE_MM,
    PULSE_LANE_MM,
    PULSE_S,
)
from beatlens.figures.paper.scale import PaperScale, millimetre_axes, millimetre_grid, round_up_mm
from beatlens.figures.paper.strip import Strip
from beatlens.figures.paper.style import ACCENT, INK, MM_PER_INCH, MUTED, POINTS_PER_MM, TRUTH, text_width_mm

FloatArray = npt.NDArray[np.float32]


class EcgFigure:
    """A drawn ECG: the figure, and where each panel lies on it in millimetres.

    Parameters
    ----------
    strip
        What is drawn.
    scale
        Paper scale.
    layout, simultaneous
        As for `beatlens.figures.paper.layout.plan`; ``auto`` stacks leads where two columns are wider than `PAGE_MM`.
    columns_s
        Stretch that the columns share, in record time; the whole strip where None.
    rhythm
        Stretch and speed of the rhythm strips, where they are others.
    leads
        What leads of odd names are.
    shown
        Leads of the columns; all of the strip where None. A rhythm strip may show others.
    grid
        Whether millimetre paper is drawn.

    Raises
    ------
    ValueError
        For a stretch that reaches beyond the strip.
    """

    def __init__(
        self,
        strip: Strip,
        scale: PaperScale,
        layout: str = "auto",
        simultaneous: bool = False,
        *,
        columns_s: tuple[float, float] | None = None,
        rhythm: RhythmStrip | None = None,
        leads: LeadsMap = AS_NAMED,
        shown: Sequence[str] | None = None,
        grid: bool = True,
    ) -> None:
        self.strip, self.scale, self.rhythm, self.leads = strip, scale, rhythm, leads
        start_s, end_s = columns_s or (strip.start_s, strip.end_s)
        for first, last in [(start_s, end_s), *([(rhythm.start_s, rhythm.end_s)] if rhythm else [])]:
            if first < strip.start_s - 0.5 / strip.fs or last > strip.end_s + 0.5 / strip.fs:
                raise ValueError(
                    f"stretch from {first} s to {last} s; expected within the strip, {strip.start_s} to {strip.end_s} s"
                )
        two_mm = 2 * (end_s - start_s) * scale.speed_mm_s + PULSE_LANE_MM + COLUMN_GAP_MM + 2 * MARGIN_MM
        if layout.startswith("auto") and two_mm > PAGE_MM:
            layout = layout.replace("auto", "stack")
        below = strip.leads
        shown = below if shown is None else shown
        self.panels = plan(
            shown, start_s, end_s, name=layout, simultaneous=simultaneous, rhythm=rhythm, leads_map=leads, below=below
        )
        n_rows = 1 + max(panel.row for panel in self.panels)
        n_columns = 1 + max(panel.column for panel in self.panels)
        self._gap = COLUMN_GAP_MM if simultaneous or layout.startswith("auto") else 0.0
        column_mm = max((panel.end_s - panel.start_s) * scale.speed_mm_s for panel in self.panels if not panel.rhythm)
        self._column_mm = round_up_mm(column_mm) if self._gap else column_mm
        ups, downs = np.full(n_rows, 10.0), np.full(n_rows, 5.0)
        for panel in self.panels:
            values = np.clip(self.trace(panel)[1], -LIMIT_MV, LIMIT_MV) * scale.gain_mm_mv
            if np.isfinite(values).any():
                ups[panel.row] = max(ups[panel.row], round_up_mm(float(np.nanmax(values)) + 1.0))
                downs[panel.row] = max(downs[panel.row], round_up_mm(1.0 - float(np.nanmin(values))))
        below_mm = max(
            ((panel.end_s - panel.start_s) * self.speed(panel) for panel in self.panels if panel.rhythm), default=0.0
        )
        beside_mm = n_columns * self._column_mm + (n_columns - 1) * self._gap
        self._lane_mm = max(PULSE_LANE_MM, *(round_up_mm(PULSE_S * self.speed(panel) + 4.0) for panel in self.panels))
        self.paper_mm = (round_up_mm(self._lane_mm + max(beside_mm, below_mm)), float((ups + downs).sum()))
        width = max(self.paper_mm[0] + 2 * MARGIN_MM, MIN_WIDTH_MM)
        height = HEADER_MM + MARK_LANE_MM + self.paper_mm[1] + FOOTER_MM
        self.figure: Figure
        self.axes: Axes
        self.figure, self.axes = millimetre_axes(width, height)
        self.size_mm = (width, height)
        tops = FOOTER_MM + self.paper_mm[1] - np.concatenate([[0.0], np.cumsum(ups + downs)[:-1]])
        self._zero, self._top, self._bottom = tops - ups, tops, tops - ups - downs
        self._draw(grid)

    # Places

    def speed(self, panel: Panel) -> float:
        """Return a panel's paper speed in mm/s."""
        return self.rhythm.speed_mm_s if panel.rhythm and self.rhythm else self.scale.speed_mm_s

    def x_mm(self, panel: Panel, time_s: float) -> float:
        """Return the millimetre at which a moment of a panel lies."""
        left = MARGIN_MM + self._lane_mm + panel.column * (self._column_mm + self._gap)
        return left + (time_s - panel.start_s) * self.speed(panel)

    def y_mm(self, panel: Panel, millivolts: float) -> float:
        """Return the millimetre at which a voltage of a panel lies."""
        return float(self._zero[panel.row]) + millivolts * self.scale.gain_mm_mv

    def row_mm(self, panel: Panel) -> tuple[float, float]:
        """Return the lower and upper edge of a panel's row."""
        return float(self._bottom[panel.row]), float(self._top[panel.row])

    def time_of(self, sample: int) -> float:
        """Return the record time of a sample of the strip."""
        return self.strip.start_s + sample / self.strip.fs

    def samples(self, panel: Panel) -> slice:
        """Return the samples of the strip that a panel shows."""
        first = round((panel.start_s - self.strip.start_s) * self.strip.fs)
        last = round((panel.end_s - self.strip.start_s) * self.strip.fs)
        return slice(max(first, 0), min(last, self.strip.signal.shape[1]))

    def trace(self, panel: Panel) -> tuple[npt.NDArray[np.float64], FloatArray]:
        """Return times in seconds and millivolts of what a panel shows."""
        part = self.samples(panel)
        times = self.strip.start_s + np.arange(part.start, part.stop) / self.strip.fs
        return times, self.strip.signal[self.strip.leads.index(panel.lead), part]

    def showing(self, time_s: float, lead: str | None = None) -> list[Panel]:
        """Return the panels that show a moment (of a lead)."""
        return [panel for panel in self.panels if panel.start_s <= time_s < panel.end_s and lead in (None, panel.lead)]

    # Drawing

    def _draw(self, grid: bool) -> None:
        if grid:
            millimetre_grid(self.axes, MARGIN_MM, FOOTER_MM, *self.paper_mm)
        cut = False
        self._lines: dict[Panel, Line2D] = {}
        for panel in self.panels:
            times, values = self.trace(panel)
            cut |= bool((np.abs(values) > LIMIT_MV).any())
            x = self.x_mm(panel, 0.0) + times * self.speed(panel)
            y = self.y_mm(panel, 0.0) + np.clip(values, -LIMIT_MV, LIMIT_MV) * self.scale.gain_mm_mv
            line = {"color": INK, "linewidth": 0.32 * POINTS_PER_MM, "solid_joinstyle": "round", "zorder": 3}
            (self._lines[panel],) = self.axes.plot(x, y, **line)  # type: ignore[arg-type]
            left, top = self.x_mm(panel, panel.start_s), self.row_mm(panel)[1]
            box = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.8}
            name: dict[str, Any] = {"size": 8.5, "weight": "bold", "color": INK, "va": "top", "zorder": 4, "bbox": box}
            self.text(left + 1.0, top - 0.8, self.leads.label(panel.lead), **name)
            if panel.column == 0:
                self._pulse(panel)
        self._time_axis()
        scale = str(self.scale)
        if self.rhythm and any(self.speed(panel) != self.scale.speed_mm_s for panel in self.panels):
            scale += f"   rhythm strip {self.rhythm.speed_mm_s:g} mm/s"
        self.text(MARGIN_MM, FOOTER_MM - 5.4, scale, size=7, color=MUTED, va="top")
        self._notes: list[str] = []
        self._below_mm = self._note_end_mm = 0.0
        if cut:
            self.note(f"trace cut at ±{LIMIT_MV:g} mV")

    def _pulse(self, panel: Panel) -> None:
        """Draw the calibration pulse: 1 mV for 200 ms."""
        width, height, zero = PULSE_S * self.speed(panel), self.scale.gain_mm_mv, self.y_mm(panel, 0.0)
        xs = MARGIN_MM + np.array([1.5, 2.5, 2.5, 2.5 + width, 2.5 + width, 3.5 + width])
        ys = zero + np.array([0.0, 0.0, height, height, 0.0, 0.0])
        self.axes.plot(xs, ys, color=MUTED, linewidth=0.25 * POINTS_PER_MM, zorder=2.5, gid=f"pulse-{panel.row}")

    def _time_axis(self) -> None:
        """Write whole seconds of record time below the lowest panels."""
        last = max(panel.row for panel in self.panels)
        for panel in (panel for panel in self.panels if panel.row == last):
            step = 1 if (panel.end_s - panel.start_s) <= 12 else 5
            for second in range(int(np.ceil(panel.start_s / step)) * step, int(np.floor(panel.end_s)) + 1, step):
                x = self.x_mm(panel, second)
                self.axes.plot([x, x], [FOOTER_MM - 1.0, FOOTER_MM], color=MUTED, linewidth=0.5, zorder=2)
                self.text(x, FOOTER_MM - 1.4, f"{second} s", size=6, color=MUTED, ha="center", va="top")

    def keep_scale(self) -> None:
        """Set the limits of the axes, which an image changes, back to millimetres."""
        self.axes.set_xlim(0, self.size_mm[0])
        self.axes.set_ylim(0 - self._below_mm, self.size_mm[1])

    def text(self, x_mm: float, y_mm: float, text: str, *, room_mm: float = np.inf, **options: Any) -> None:
        """Write text at a place in millimetres, smaller where it is longer than the room; never taken as a formula."""
        if room_mm < np.inf and (width := text_width_mm(text, options["size"], options.get("weight", "normal"))):
            options["size"] *= min(1.0, room_mm / width)
        self.axes.text(x_mm, y_mm, text, parse_math=False, **options)

    def fade_trace(self, panel: Panel, colour: str) -> None:
        """Draw the trace of a panel in another colour, where a coloured line takes its place."""
        self._lines[panel].set_color(colour)

    # Annotations

    def title(self, text: str, detail: str = "") -> None:
        """Write a line above the paper, and a lighter one below it."""
        y, room = self.size_mm[1] - 2.0, self.size_mm[0] - 2 * MARGIN_MM
        self.text(MARGIN_MM, y, text, size=9, weight="bold", color=INK, va="top", room_mm=room)
        self.text(MARGIN_MM, y - 4.8, detail, size=7.5, color=MUTED, va="top", room_mm=room)

    def mark_beats(self, times_s: Sequence[float], labels: Sequence[str], target: int | None = None) -> None:
        """Draw a tick above the paper at each R peak, its label over it, and point out the target beat."""
        if len(times_s) != len(labels):
            raise ValueError(f"{len(times_s)} beats with {len(labels)} labels; expected a label a beat")
        for panel in self.panels:
            first = panel.row == 0
            if not (first or panel.rhythm):
                continue
            top, before, level = self.row_mm(panel)[1], -np.inf, 0
            for k, (time, label) in enumerate(zip(times_s, labels, strict=True)):
                if not panel.start_s <= time < panel.end_s:
                    continue
                x, chosen = self.x_mm(panel, time), k == target
                colour = ACCENT if chosen else MUTED
                if chosen:
                    xs, ys = [x - 1.1, x + 1.1, x], [top + 2.4, top + 2.4, top + 0.4]
                    self.axes.fill(xs, ys, color=colour, linewidth=0, zorder=4)
                else:
                    self.axes.plot([x, x], [top + 0.4, top + 1.9], color=colour, linewidth=0.9, zorder=4)
                if first:
                    # a label that would touch the one before goes one line up
                    level = 1 - level if x - before < 2.0 * len(label) + 1.0 else 0
                    before, y = x, top + 2.9 + 2.9 * level
                    weight = "bold" if chosen else "normal"
                    self.text(x, y, label, size=7.5, color=colour, ha="center", weight=weight, zorder=4)

    def mark_stretch(self, start_s: float, end_s: float, colour: str = ACCENT) -> None:
        """Draw a line along the upper edge of the paper from one moment to another, with its ends turned down."""
        for panel in (panel for panel in self.panels if panel.row == 0):
            left, right = max(start_s, panel.start_s), min(end_s, panel.end_s)
            if right > left:
                top = self.row_mm(panel)[1]
                (x, y), low = (self.x_mm(panel, left), self.x_mm(panel, right)), top - 2.0
                self.axes.plot([x, x, y, y], [low, top, top, low], color=colour, linewidth=1.2, zorder=3.6)

    def mark_span(
        self, lead: str, start_s: float, end_s: float, colour: str = TRUTH, *, above: bool = False, text: str = ""
    ) -> None:
        """Draw a bar along the lower edge of a lead's row, or above such a bar, with a word over its begin."""
        for panel in self.panels:
            left, right = max(start_s, panel.start_s), min(end_s, panel.end_s)
            if panel.lead == lead and right > left:
                y = self.row_mm(panel)[0] + (2.1 if above else 0.9)
                xs = [self.x_mm(panel, left), self.x_mm(panel, right)]
                width = 0.9 * POINTS_PER_MM
                self.axes.plot(xs, [y, y], color=colour, linewidth=width, solid_capstyle="butt", zorder=3.5)
                self.text(xs[0], y + 0.5, text, size=4.5, color=colour, va="bottom", zorder=4)

    def mark_samples(self, lead: str, first: int, stop: int, colour: str = TRUTH) -> None:
        """Draw a bar as `mark_span`, from one sample of the strip up to another."""
        self.mark_span(lead, self.time_of(first), self.time_of(stop), colour)

    def mark_moment(self, time_s: float, text: str = "", lead: str | None = None, colour: str = TRUTH) -> None:
        """Draw a line across the rows that show a moment (of one lead), with a word at its top."""
        for panel in self.showing(time_s, lead):
            x, (low, high) = self.x_mm(panel, time_s), self.row_mm(panel)
            self.axes.plot([x, x], [low, high], color=colour, linewidth=0.8, linestyle=(0, (3, 2)), zorder=2.8)
            self.text(x + 0.6, high - 0.6, text, size=6.5, color=colour, va="top", zorder=4)

    def mark_sample(self, sample: int, text: str = "", lead: str | None = None, colour: str = TRUTH) -> None:
        """Draw a line as `mark_moment`, at a sample of the strip."""
        self.mark_moment(self.time_of(sample), text, lead, colour)

    def note(self, text: str) -> None:
        """Add a note to the last lines of the footer."""
        x = max(MARGIN_MM + 1.25 * sum(map(len, self._notes)) + 3.0 * len(self._notes), self._note_end_mm)
        if self._notes and x + text_width_mm(text, 7) > self.size_mm[0] - MARGIN_MM:
            self._notes, x = [], MARGIN_MM
            self._below_mm += LINE_MM  # the footer has room for one line
            self.figure.set_figheight((self.size_mm[1] + self._below_mm) / MM_PER_INCH)
            self.keep_scale()
        y = FOOTER_MM - 14.0 - self._below_mm
        self.text(x, y, text, size=7, color=MUTED, va="top", room_mm=self.size_mm[0] - MARGIN_MM - x)
        self._notes, self._note_end_mm = [*self._notes, text], x + text_width_mm(text, 7) + 3.0
