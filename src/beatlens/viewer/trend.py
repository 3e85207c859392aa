"""Rate and ectopy over the record: every RR interval of a short one, minutes of a long one, as SVG."""

from __future__ import annotations

from html import escape

import numpy as np
import numpy.typing as npt

from beatlens.figures.paper.style import class_colours
from beatlens.viewer.clock import clock
from beatlens.viewer.record_data import RecordData

Float64Array = npt.NDArray[np.float64]

WIDTH, RATE_HEIGHT, BAR_HEIGHT, LEFT, TOP = 900, 120, 70, 74, 16
SHORT_S = 600.0
LONGEST_RR_S = 4.0
"""An interval longer than this is a gap, not a rate."""
_STYLE = (
    "text{font:11px sans-serif;fill:#4a525c}.l{stroke:#8a93a055;fill:none}.r{stroke:#1f2328;fill:none}"
    "@media (prefers-color-scheme:dark){text{fill:#b6bec8}.r{stroke:#dfe3e8}}"
)


def trend_svg(data: RecordData) -> str:
    """Return the drawing: rate above, ectopic beats below; "" with fewer than three beats.

    Of a record up to `SHORT_S` each RR interval is a dot in the colour of the beat that ends it. Of a longer one the
    line is each minute's mean rate, the shade reaches from its lowest to its highest rate over five beats.
    """
    times = data.beats["r_time_s"].to_numpy(dtype=np.float64)
    if len(times) < 3:
        return ""
    short = data.duration_s <= SHORT_S
    rates, body = _dots(data, times) if short else _minutes(data, times)
    if not len(rates):
        return ""
    height = TOP + RATE_HEIGHT + 24 + (0 if short or not data.ectopic else BAR_HEIGHT + 20)
    words = f"Rate from {rates.min():.0f} to {rates.max():.0f} a minute over {clock(data.duration_s)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 6} {height}" role="img" '
        f'aria-label="{escape(words)}" class="trend" data-left="{LEFT}" data-width="{WIDTH}">'
        f"<style>{_STYLE}</style>{body}</svg>"
    )


def _dots(data: RecordData, times: Float64Array) -> tuple[Float64Array, str]:
    rr = np.diff(times)
    fine = (rr > 0.15) & (rr < LONGEST_RR_S)
    rates, at = 60 / rr[fine], times[1:][fine]
    if not len(rates):
        return rates, ""
    axis = _Axis(rates)
    classes = data.beats["pred"].to_numpy(dtype=str)[1:][fine] if data.predicted else np.full(len(rates), "")
    colours = class_colours(data.classes)
    dots = "".join(
        f'<circle cx="{_x(time, data):.1f}" cy="{axis.y(rate):.1f}" r="2.2" '
        f'fill="{colours.get(str(name), "#6b7280")}"/>'
        for time, rate, name in zip(at, rates, classes, strict=True)
    )
    return rates, axis.drawn() + dots + _times(data, TOP + RATE_HEIGHT)


def _minutes(data: RecordData, times: Float64Array) -> tuple[Float64Array, str]:
    rr = np.diff(times)
    good = (rr > 0.15) & (rr < LONGEST_RR_S)
    over_five = np.convolve(rr, np.ones(5) / 5, "full")[2:-2]  # "same" is five long where there are fewer intervals
    steady = good & (np.convolve(~good, np.ones(5), "full")[2:-2] < 0.5)
    steady[:2] = steady[-2:] = False
    minute = (times[1:] // 60).astype(np.int64)
    n = int(np.ceil(data.duration_s / 60))
    mean, low, high = (np.full(n, np.nan) for _ in range(3))
    for k in range(n):
        inside = (minute == k) & good
        if inside.any():
            mean[k] = 60 / rr[inside].mean()
            few = over_five[(minute == k) & steady]
            low[k], high[k] = (60 / few.max(), 60 / few.min()) if len(few) else (mean[k], mean[k])
    known = np.flatnonzero(np.isfinite(mean))
    if not len(known):
        return mean[:0], ""
    axis = _Axis(np.concatenate([low[known], high[known]]))
    x = [_x(min(60 * k + 30, data.duration_s), data) for k in range(n)]
    body = axis.drawn()
    for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
        upper = [f"{x[k]:.1f} {axis.y(high[k]):.1f}" for k in run]
        lower = [f"{x[k]:.1f} {axis.y(low[k]):.1f}" for k in run[::-1]]
        body += f'<path d="M{"L".join(upper + lower)}z" fill="#56B4E9" opacity=".35"/>'
        body += f'<path class="r" d="M{"L".join(f"{x[k]:.1f} {axis.y(mean[k]):.1f}" for k in run)}"/>'
    if data.ectopic:
        body += _ectopy(data, times, n)
    body += _times(data, TOP + RATE_HEIGHT)
    return mean[known], body


def _ectopy(data: RecordData, times: Float64Array, n: int) -> str:
    """Return bars of ectopic beats a minute, classes on top of each other."""
    colours, top = class_colours(data.classes), TOP + RATE_HEIGHT + 38
    pred = data.beats["pred"].to_numpy(dtype=str)
    counts = {name: np.bincount((times[pred == name] // 60).astype(np.int64), minlength=n)[:n] for name in data.ectopic}
    most = max(int(sum(counts.values(), np.zeros(n, dtype=np.int64)).max()), 5)
    floor, minute = top + BAR_HEIGHT, WIDTH * 60 / data.duration_s
    base, body = np.zeros(n), ""
    for name, values in counts.items():
        bars = "".join(
            f"M{_x(60.0 * int(k), data):.1f} {floor - base[k]:.1f}v{-values[k] * BAR_HEIGHT / most:.1f}"
            f"h{max(min(minute, WIDTH - k * minute) - 0.3, 0.6):.2f}"
            f"v{values[k] * BAR_HEIGHT / most:.1f}z"
            for k in np.flatnonzero(values)
        )
        body += f'<path fill="{colours[name]}" d="{bars}"/>' if bars else ""
        base += values * BAR_HEIGHT / most
    label = f"{' and '.join(data.ectopic)} a minute"
    return (
        f'<path class="l" d="M{LEFT} {floor}h{WIDTH}M{LEFT} {top}h{WIDTH}"/><text x="{LEFT - 6}" y="{top + 8}" '
        f'text-anchor="end">{most}</text><text x="{LEFT - 6}" y="{floor}" text-anchor="end">0</text>'
        f'<text x="{LEFT + 4}" y="{top - 4}">{escape(label)}</text>{body}'
    )


class _Axis:
    """The axis of rates, in steps of 20 a minute."""

    def __init__(self, rates: Float64Array) -> None:
        self.low = float(np.floor(np.quantile(rates, 0.002) / 20) * 20)
        self.high = max(float(np.ceil(np.quantile(rates, 0.998) / 20) * 20), self.low + 40)

    def y(self, rate: float) -> float:
        """Return the place of a rate; one beyond the axis lies at its end."""
        share = (min(max(rate, self.low), self.high) - self.low) / (self.high - self.low)
        return TOP + RATE_HEIGHT * (1 - share)

    def drawn(self) -> str:
        """Return lines and numbers."""
        step = 20 if self.high - self.low <= 120 else 40
        rates = np.arange(self.low, self.high + 1, step)
        lines = "".join(f"M{LEFT} {self.y(rate):.1f}h{WIDTH}" for rate in rates)
        numbers = "".join(
            f'<text x="{LEFT - 6}" y="{self.y(rate) + 4:.1f}" text-anchor="end">{rate:.0f}</text>' for rate in rates
        )
        return f'<path class="l" d="{lines}"/>{numbers}<text x="{LEFT + 4}" y="{TOP - 5}">beats a minute</text>'


def _x(time_s: float, data: RecordData) -> float:
    return LEFT + WIDTH * time_s / data.duration_s


def _times(data: RecordData, y: float) -> str:
    """Return times below the axis of rates."""
    steps = (1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 14400)
    step = next((step for step in steps if data.duration_s / step <= 12), 14400)
    return "".join(
        f'<text x="{_x(second, data):.0f}" y="{y + 14}" text-anchor="{_anchor(second, data)}">{clock(second)}</text>'
        for second in range(0, int(data.duration_s) + 1, step)
    )


def _anchor(second: float, data: RecordData) -> str:
    """Return how a time lies at its place: the last one would reach beyond the drawing."""
    return "end" if second > 0.97 * data.duration_s else "middle"
