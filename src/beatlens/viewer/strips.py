"""Full disclosure: a lead of a whole record in rows of SVG, every beat with its letter, review hatched.

Written by hand, since a drawing library would take longer than the rest of a page. A class's colour is that of the
figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from beatlens.figures.paper.style import class_colours
from beatlens.viewer.clock import clock
from beatlens.viewer.record_data import RecordData

Float64Array = npt.NDArray[np.float64]

COLUMNS = 900
"""Columns of a row; each holds the least and the greatest value of its samples."""
LEFT, HEIGHT, BASE, MV = 74, 46, 30, 11
"""Place for the time, height of a row, its zero line and the height of a millivolt, in units of a column."""
LETTER = 9.0
"""Width of a letter of a class, with some room."""
FILE_S = 1800.0
CUT_MV = 2.2
BEFORE_S, AFTER_S = 0.2, 0.35
"""Part of the trace that has the colour of its beat."""

_STYLE = (
    ":root{--i:#1f2328}"
    "text{font:11px sans-serif;fill:#4a525c}.b{font-weight:bold;text-anchor:middle}path{fill:none;stroke:#1f2328;"
    "stroke-width:.8;stroke-linejoin:round}.h{fill:url(#h);stroke:none}.g{fill:#8a93a022;stroke:none}"
    "@media (prefers-color-scheme:dark){:root{--i:#e6e9ed}text{fill:#b6bec8}path{stroke:#dfe3e8}}"
)
_HATCH = (
    '<pattern id="h" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="1.4" height="4" fill="#8a6d00" opacity=".55"/></pattern>'
)


@dataclass(frozen=True)
class StripFile:
    """Some rows of full disclosure.

    Attributes
    ----------
    svg
        The drawing.
    text
        What it shows, in words.
    start_s, row_s, n_rows
        First moment, seconds a row and rows, by which a place in it is a moment.
    """

    svg: str
    text: str
    start_s: float
    row_s: float
    n_rows: int


def row_seconds(duration_s: float) -> float:
    """Return the seconds of a row: ten for a short record, a minute for a long one."""
    return 10.0 if duration_s <= 30 else 60.0


def strip_files(data: RecordData, lead: str) -> list[StripFile]:
    """Return full disclosure of a lead, `FILE_S` a file."""
    row_s = row_seconds(data.duration_s)
    count = max(1, int(np.ceil(data.duration_s / FILE_S - 1e-9)))
    rows = _Rows(data, lead, row_s)
    return [_file(rows, k * FILE_S, min((k + 1) * FILE_S, data.duration_s)) for k in range(count)]


def _file(rows: _Rows, start_s: float, end_s: float) -> StripFile:
    n_rows = max(1, int(np.ceil((end_s - start_s) / rows.row_s - 1e-6)))
    body = "".join(rows.draw(start_s + k * rows.row_s, k * HEIGHT) for k in range(n_rows))
    width, height = LEFT + COLUMNS + 6, n_rows * HEIGHT + 6
    text = rows.told(start_s, end_s)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f"<title>{escape(text)}</title><style>{_STYLE}</style><defs>{_HATCH}</defs>{body}</svg>"
    )
    return StripFile(svg, text, start_s, rows.row_s, n_rows)


class _Rows:
    """Draws rows of one lead."""

    def __init__(self, data: RecordData, lead: str, row_s: float) -> None:
        self.data, self.lead, self.row_s = data, lead, row_s
        self.signal = data.signal[data.leads.index(lead)]
        self.times: Float64Array = data.beats["r_time_s"].to_numpy(dtype=np.float64)
        unknown = np.full(len(self.times), "")
        self.classes = data.beats["pred"].to_numpy(dtype=str) if data.predicted else unknown
        review = data.beats["review"].to_numpy(dtype=bool) if data.predicted else unknown.astype(bool)
        self.review: npt.NDArray[np.bool_] = review
        self.colours = class_colours(data.classes)

    def told(self, start_s: float, end_s: float) -> str:
        """Say in words what a stretch shows."""
        inside = (self.times >= start_s) & (self.times < end_s)
        names, counts = np.unique(self.classes[inside], return_counts=True)
        parts = ", ".join(f"{n} {name}" for name, n in zip(names, counts, strict=True) if name)
        words = f"Lead {self.lead} from {clock(start_s)} to {clock(end_s)}: {int(inside.sum())} beats"
        review = f", {int(self.review[inside].sum())} in review" if self.data.predicted else ""
        return words + (f" ({parts}{review})" if parts else "")

    def draw(self, start_s: float, top: int) -> str:
        """Return a row of the drawing."""
        scale = COLUMNS / self.row_s
        first, stop = np.searchsorted(self.times, [start_s, start_s + self.row_s])
        beats = slice(int(first), int(stop))
        x = LEFT + (self.times[beats] - start_s) * scale
        parts = [f'<text x="0" y="{top + BASE}">{clock(start_s)}</text>', self._grey(start_s, top)]
        hatched = "".join(
            f"M{max(at - BEFORE_S * scale, LEFT):.0f} {top + 1}h{(BEFORE_S + AFTER_S) * scale:.0f}v{HEIGHT - 2}"
            f"h{-(BEFORE_S + AFTER_S) * scale:.0f}z"
            for at in x[self.review[beats]]
        )
        if hatched:
            parts.append(f'<path class="h" d="{hatched}"/>')
        low, high = self._columns(start_s)
        parts.append(f'<path d="{_trace(low, high, 0, top)}"/>')
        for name in dict.fromkeys(self.classes[beats]):
            of_class = x[self.classes[beats] == name]
            colour = self.colours.get(str(name), "#6b7280")
            if str(name) in self.data.classes[1:]:
                path = "".join(_part(low, high, at - LEFT, top, scale) for at in of_class)
                parts.append(f'<path d="{path}" style="stroke:{colour};stroke-width:1.1"/>')
            others = x[self.classes[beats] != name]
            parts.append(_letters(str(name) or "·", of_class, others, _Place(colour, top)))
        return "".join(parts)

    def _grey(self, start_s: float, top: int) -> str:
        """Return the stretches in which beats can't be told, as a grey ground."""
        scale, result = COLUMNS / self.row_s, ""
        for row in self.data.stretches.itertuples():
            left, right = max(row.start_s, start_s), min(row.end_s, start_s + self.row_s)
            if right > left:
                result += f"M{LEFT + (left - start_s) * scale:.0f} {top}h{(right - left) * scale:.0f}v{HEIGHT}"
                result += f"h{-(right - left) * scale:.0f}z"
        return f'<path class="g" d="{result}"/>' if result else ""

    def _columns(self, start_s: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return lowest and highest place of each column of a row, downwards from its top."""
        fs = self.data.fs
        edges = np.rint((start_s + np.arange(COLUMNS + 1) * self.row_s / COLUMNS) * fs).astype(np.int64)
        starts = edges[:-1][edges[:-1] < len(self.signal)]
        part = np.nan_to_num(self.signal[starts[0] : min(edges[-1], len(self.signal))])
        part = np.clip(part, -CUT_MV / 1.2, CUT_MV) * MV
        places = starts - starts[0]
        high = np.rint(BASE - np.maximum.reduceat(part, places)).astype(np.int64)
        low = np.rint(BASE - np.minimum.reduceat(part, places)).astype(np.int64)
        return low, high


class _Place(NamedTuple):
    """Colour of a class's letters, and the top of their row."""

    colour: str
    top: int


def _letters(name: str, places: Float64Array, others: Float64Array, place: _Place) -> str:
    """Return the letter above each beat of a class; of a longer name a tick, and the name where it touches no other.

    `others` are the places of the beats of other classes.
    """
    # letters are read, so they have contrast; one without color-mix has the colour of other text
    colour, top = place
    style = f'class="b" style="fill:color-mix(in srgb,{colour} 45%,var(--i))"'
    if len(name) == 1:
        at = " ".join(f"{x:.0f}" for x in places)
        letters = escape(name) * len(places)
        return f'<text {style} x="{at}" y="{top + 10}">{letters}</text>'
    half = LETTER / 2 * len(name)
    text, free = "", -np.inf
    ticks = "".join(f"M{x:.0f} {top + 12}v5" for x in places)
    for x in places:
        if x - half >= free and (np.abs(others - x) > half + LETTER).all():
            text += f'<text {style} x="{x:.0f}" y="{top + 10}">{escape(name)}</text>'
            free = x + half + LETTER / 2
    return f'{text}<path d="{ticks}" style="stroke:{colour};stroke-width:2"/>'


def _trace(low: npt.NDArray[np.int64], high: npt.NDArray[np.int64], first: int, top: int) -> str:
    """Return path data through the columns' greatest and least values, from column `first` on."""
    # a column begins at the end that is nearer to where the one before ended
    ys = np.empty(2 * len(low), dtype=np.int64)
    ys[0::2], ys[1::2] = high, low
    flip = np.zeros(len(low), dtype=bool)
    flip[1:] = np.abs(low[1:] - low[:-1]) < np.abs(high[1:] - low[:-1])
    ys[0::2][flip], ys[1::2][flip] = low[flip], high[flip]
    within, between = np.diff(ys)[0::2], np.diff(ys)[1::2]
    text = [f"M{LEFT + first} {top + ys[0]}"]
    for k, step in enumerate(within):
        if step:
            text.append(f"v{step}")
        if k < len(between):
            text.append(f"l1 {between[k]}" if between[k] else "h1")
    return "".join(text)


def _part(low: npt.NDArray[np.int64], high: npt.NDArray[np.int64], at: float, top: int, scale: float) -> str:
    """Return path data of the columns around a beat."""
    first, stop = max(0, round(at - BEFORE_S * scale)), min(len(low), round(at + AFTER_S * scale))
    return _trace(low[first:stop], high[first:stop], first, top) if stop > first else ""
