"""Attention of one case: where each stream is looked at on the signal, and the weights in both directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from beatlens.core.numerals import fixed
from beatlens.evaluate.attention.alignment import Agreement
from beatlens.evaluate.attention.arrays import AttentionArrays
from beatlens.explain.attention.placing import band_edges
from beatlens.explain.attention.weights import DIRECTIONS, OTHER, STREAMS
from beatlens.figures.paper.style import INK, MUTED, NEGATIVE, new_figure, styled
from beatlens.models.tokens import TokenMap

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]

SHOWN = "attention_relevance"
"""The method whose maps are drawn; it alone depends on the class."""
COLOURS = LinearSegmentedColormap.from_list("mass", ["#ffffff", "#c9b8dd", "#54278f"])
WIDTH_MM, ROW_MM, TEXT_MM = 190.0, 1.6, 3.6
FEW_LEADS, LEAD_MM, BANDS_MM = 4, (15.0, 9.0), (13.0, 8.0)
"""Heights of a lead's signal and of its bands, of records of a few leads and of more."""
MATRIX_MM = (14.0, 60.0)
"""Least and largest height of a matrix."""
LEFT_MM, RIGHT_MM, GAP_MM = 17.0, 14.0, 12.0
LEGEND = (
    "Purple: what the class gains by attention (weight x gradient). In each lead tokens of the waveform, below those\n"
    "of the spectrogram. Where beats overlap, the mass of both adds up. Below: weights, a row each token that asks."
)
CLEAREST = 99.0
"""Percentile of what is drawn at which colour is full: where beats overlap, the mass of two tokens lies on a sample."""


@dataclass(frozen=True)
class AttentionCase:
    """What the figure of a case is drawn from.

    Attributes
    ----------
    report
        ``<case>.json`` of the case (`beatlens.evaluate.attention.case_report.CaseReport`).
    arrays
        Its weights and maps.
    signal
        (leads, samples) mV of the case window.
    r_times_s, classes
        R peaks in the window, in seconds, and what each beat is called.
    """

    report: Mapping[str, Any]
    arrays: AttentionArrays
    signal: npt.NDArray[np.float32]
    r_times_s: Sequence[float]
    classes: Sequence[str]

    @classmethod
    def of(
        cls,
        report: Mapping[str, Any],
        arrays: AttentionArrays,
        signal: npt.NDArray[np.float32],
        beats: pd.DataFrame,
    ) -> AttentionCase:
        """Cut the case window out of a record's signal (leads, samples) and its table of beats."""
        bands = arrays.bands[SHOWN]
        first, n_samples = round(bands.start_s * bands.fs), bands.values.shape[2]
        end_s = bands.start_s + n_samples / bands.fs
        inside = beats[(beats["r_time_s"] >= bands.start_s) & (beats["r_time_s"] < end_s)]
        shown = np.array(signal[:, first : first + n_samples])
        return cls(report, arrays, shown, inside["r_time_s"].tolist(), inside["pred"].tolist())


def agreement_lines(report: Mapping[str, Any], method: str = SHOWN) -> list[str]:
    """Say in words how far an attention method agrees with perturbation evidence in a case."""
    found = report["evidence"][method]
    if not found:
        return ["No perturbation method was run: nothing says whether this attention means anything."]
    words = [Agreement.from_json(one).words(name) for name, one in found.items()]
    return [f"{method.replace('_', ' ').capitalize()} {text}" for text in words]


def attention_figure(shown: AttentionCase) -> Figure:
    """Draw a case: signal and spectrogram under what attention gives them, then the weights both ways.

    The maps are of `SHOWN`, for the class of the case. The weights are the mean over members and heads, and those of
    the head without which the class loses most probability, as multiples of uniform attention. Below stands, in words,
    whether perturbation evidence agrees.
    """
    arrays, report, bands = shown.arrays, shown.report, shown.arrays.bands[SHOWN]
    n_leads = len(bands.leads)
    lines = agreement_lines(report)
    rows = {stream: arrays.weights[stream].shape[2] for stream in STREAMS}
    matrices_mm = {stream: float(np.clip(ROW_MM * rows[stream], *MATRIX_MM)) for stream in STREAMS}
    lead_mm, bands_mm = LEAD_MM[n_leads > FEW_LEADS], BANDS_MM[n_leads > FEW_LEADS]
    height = 19 + n_leads * (lead_mm + bands_mm) + 17 + sum(matrices_mm.values()) + 2 * 16 + TEXT_MM * len(lines)
    with styled():
        figure = new_figure(WIDTH_MM, height)
        page = _Page(figure, height)
        case = report["case"]
        called = f"{case['record']} at {fixed(arrays.r_s, 1)} s: called {case['case_class']}"
        probability = fixed(report["probability"], 2)
        page.text(4.5, f"{called} (p {probability}), {case['outcome']}", weight="bold", size=9)
        page.text(10, LEGEND)
        top = 19.0
        waveform = arrays.maps[SHOWN] - bands.values.sum(axis=1)
        limits = [max(float(np.percentile(part, CLEAREST)), 1e-12) for part in (waveform, bands.values)]
        for lead in range(n_leads):
            _signal(page.axes(top, lead_mm), shown, lead, waveform[lead] / limits[0])
            top += lead_mm
            last = lead + 1 == n_leads
            _bands(page.axes(top, bands_mm - 1), shown, lead, bands.values[lead] / limits[1], last=last)
            top += bands_mm
        top += 17
        for stream in STREAMS:
            _matrices(page, top, matrices_mm[stream], shown, stream)
            top += matrices_mm[stream] + 16
        top -= 6
        for line in lines:
            wrong = "does not agree" in line or "No perturbation" in line
            page.text(top, line, colour="#b42318" if wrong else INK, size=6.6)
            top += TEXT_MM
        return figure


class _Page:
    """A figure in millimetres from the top."""

    def __init__(self, figure: Figure, height: float) -> None:
        self.figure, self.height = figure, height

    def axes(self, top: float, height: float, left: float = LEFT_MM, width: float | None = None) -> Axes:
        width = WIDTH_MM - LEFT_MM - RIGHT_MM if width is None else width
        box = (left / WIDTH_MM, 1 - (top + height) / self.height, width / WIDTH_MM, height / self.height)
        return self.figure.add_axes(box)

    def text(self, top: float, text: str, *, size: float = 7, weight: str = "normal", colour: str = MUTED) -> None:
        colour = INK if weight == "bold" else colour
        self.figure.text(
            4 / WIDTH_MM, 1 - top / self.height, text, fontsize=size, fontweight=weight, color=colour, va="center"
        )


def _signal(axes: Axes, shown: AttentionCase, lead: int, mass: Array) -> None:
    bands = shown.arrays.bands[SHOWN]
    time = bands.start_s + np.arange(shown.signal.shape[1]) / bands.fs
    low, high = float(shown.signal[lead].min()), float(shown.signal[lead].max())
    edge = 0.12 * max(high - low, 0.1)
    axes.imshow(mass[None], cmap=COLOURS, vmin=0, vmax=1, aspect="auto", interpolation="none",
                extent=(time[0], time[-1], low - edge, high + 2 * edge))  # fmt: skip
    axes.plot(time, shown.signal[lead], color=INK, linewidth=0.7)
    if lead == 0:
        for r_s, name in zip(shown.r_times_s, shown.classes, strict=True):
            target = abs(r_s - shown.arrays.r_s) < 0.03
            axes.text(r_s, high + 2.2 * edge, f"▼{name}" if target else name, ha="center", va="bottom", fontsize=7,
                      fontweight="bold" if target else "normal", color=INK if target else MUTED)  # fmt: skip
    axes.set_ylabel(f"{bands.leads[lead]}\nmV", rotation=0, ha="right", va="center", fontsize=7)
    axes.set_xticks([])
    axes.tick_params(labelsize=6, length=2)
    axes.set_xlim(time[0], time[-1])


def _bands(axes: Axes, shown: AttentionCase, lead: int, mass: Array, *, last: bool) -> None:
    bands = shown.arrays.bands[SHOWN]
    end = bands.start_s + mass.shape[1] / bands.fs
    axes.imshow(mass, cmap=COLOURS, vmin=0, vmax=1, aspect="auto", interpolation="none", origin="lower",
                extent=(bands.start_s, end, -0.5, len(mass) - 0.5))  # fmt: skip
    axes.set_yticks(
        range(len(mass)), [f"{low:.0f}–{high:.0f}" for low, high in zip(bands.low_hz, bands.high_hz, strict=True)]
    )  # noqa: E501
    axes.set_ylabel("Hz", rotation=0, ha="right", va="center", fontsize=7)
    axes.tick_params(labelsize=6, length=2)
    if last:
        axes.set_xlabel("time in the record, s", fontsize=7, labelpad=1)
    else:
        axes.set_xticks([])


def _matrices(page: _Page, top: float, height: float, shown: AttentionCase, stream: str) -> None:
    """Draw the mean weights of a direction beside those of its strongest head."""
    arrays = shown.arrays
    asking, asked = arrays.tokens[stream].of_target(), arrays.tokens[OTHER[stream]]
    of_stream = [one for one in shown.report["directions"] if one["direction"] == DIRECTIONS[stream]]
    worth = np.array([one["importance"] for one in of_stream], dtype=np.float64)
    member, head = np.unravel_index(int(worth.argmax()), worth.shape)
    order = np.lexsort((asked.start_s, asked.low_hz, asked.lead))  # lead by lead, band by band, in time
    order = order[asked.valid[order]]
    keys = asked.where(order)
    weights = arrays.weights[stream][..., order] * len(keys)
    parts = [
        (weights.mean(axis=(0, 1)), "mean over members and heads"),
        (
            weights[member, head],
            f"member {member + 1}, head {head + 1}; without it p changes by {-worth[member, head]:+.4f}",
        ),
    ]
    width = (WIDTH_MM - LEFT_MM - RIGHT_MM - GAP_MM) / 2
    limit = max(2.0, max(float(np.percentile(values, 99.5)) for values, _ in parts))
    for k, (values, words) in enumerate(parts):
        axes = page.axes(top, height, LEFT_MM + k * (width + GAP_MM), width)
        image = axes.imshow(values, cmap=COLOURS, vmin=0, vmax=limit, aspect="auto", interpolation="none")
        axes.set_title(f"{DIRECTIONS[stream].replace('->', ' asks ')}\n{words}", fontsize=7, fontweight="normal", pad=2)
        _groups(axes, keys, arrays.bands[SHOWN].leads)
        _query_labels(axes, asking, arrays.bands[SHOWN].leads)
    bar = page.axes(top, height, WIDTH_MM - RIGHT_MM + 2, 2.5)
    page.figure.colorbar(image, cax=bar)
    bar.tick_params(labelsize=6, length=2)
    bar.set_ylabel("x uniform", fontsize=6, labelpad=2)


MANY_GROUPS = 9
"""Groups of keys from which on their bands aren't named."""


def _groups(axes: Axes, keys: TokenMap, leads: Sequence[str]) -> None:
    """Name the keys below: lead and band; a line apart; a thick mark below those of the target beat."""
    lows, highs = band_edges(keys)
    group = keys.lead * len(lows) + np.searchsorted(lows, keys.low_hz)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    stops = np.append(starts[1:], len(keys))
    for start in starts[1:]:
        axes.axvline(start - 0.5, color=MUTED, linewidth=0.5)
    names = []
    for start in starts:
        lead = leads[int(keys.lead[start])]
        low = keys.low_hz[start]
        names.append(lead if np.isnan(low) else f"{lead}\n{low:.0f}–{highs[np.searchsorted(lows, low)]:.0f} Hz")
    if len(starts) >= MANY_GROUPS:  # one name a lead
        names = [name.split("\n")[0] if k % len(lows) == len(lows) // 2 else "" for k, name in enumerate(names)]
    axes.set_xticks((starts + stops) / 2 - 0.5, names)
    axes.tick_params(labelsize=6, length=0)
    axes.spines[:].set_visible(False)
    bottom = axes.get_ylim()[0]
    for start, stop in zip(starts, stops, strict=True):
        of_target = np.flatnonzero(keys.beat[start:stop] == 0) + start
        axes.plot(
            [of_target[0] - 0.5, of_target[-1] + 0.5], [bottom, bottom], color=NEGATIVE, linewidth=2.5, clip_on=False
        )


def _query_labels(axes: Axes, asking: TokenMap, leads: Sequence[str]) -> None:
    """Name the queries at the left: lead, and band where there are several."""
    lows, _ = band_edges(asking)
    group = asking.lead * len(lows) + np.searchsorted(lows, asking.low_hz)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    stops = np.append(starts[1:], len(asking))
    for start in starts[1:]:
        axes.axhline(start - 0.5, color=MUTED, linewidth=0.5)
    names = [
        leads[int(asking.lead[k])]
        + ("" if np.isnan(asking.low_hz[k]) else f" {asking.low_hz[k]:.0f}–{asking.high_hz[k]:.0f}")  # noqa: E501
        for k in starts
    ]
    if len(starts) >= 2 * MANY_GROUPS:
        names = [name.split()[0] if k % len(lows) == len(lows) // 2 else "" for k, name in enumerate(names)]
    axes.set_yticks((starts + stops) / 2 - 0.5, names)
