"""The figure of new-pattern alerts: a map of the clustered beats, and a gallery of each alert's beats, to scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from beatlens.figures.classification import empty_figure
from beatlens.figures.paper.scale import PaperScale, millimetre_axes, millimetre_grid, round_up_mm
from beatlens.figures.paper.style import CLASS_COLOURS, HAIRLINE, INK, MUTED, POINTS_PER_MM, styled

if TYPE_CHECKING:
    import pandas as pd

MAP_MM, LEFT_MM, GAP_MM, TOP_MM, CAPTION_MM = 60.0, 6.0, 1.2, 12.0, 6.5
MAX_LEADS = 2
LIMIT_MM = 25.0


def alert_figure(
    alerts: pd.DataFrame, beats: pd.DataFrame, arrays: Mapping[str, npt.NDArray[Any]], scale: PaperScale
) -> Figure:
    """Draw the map of the clustered beats and, a row an alert, its median beat and example beats.

    Parameters
    ----------
    alerts, beats
        Tables of alerts and of clustered beats.
    arrays
        Waves of the alerts (`beatlens.alerts.tables.alert_arrays`).
    scale
        Paper speed and gain.
    """
    if not len(beats):
        return empty_figure("No beat could hold a new pattern: none comes from a record that the model has not seen.")
    if not np.ptp(beats[["x", "y"]].to_numpy(dtype=np.float64), axis=0).any():
        return empty_figure("Too few beats are in review to map them.")
    before, fs = int(arrays["before"]), float(arrays["fs"])
    times = (np.arange(arrays["median"].shape[2]) - before) / fs
    before_mm = round_up_mm(-times[0] * scale.speed_mm_s)
    cell_mm = before_mm + round_up_mm(times[-1] * scale.speed_mm_s)
    rows = [_cells(arrays, k, scale) for k in range(len(alerts))]
    heights = [sum(up + down for up, down in _extents(cells)) for cells in rows]
    columns = 1 + arrays["examples"].shape[1]
    width = max(2 * LEFT_MM + MAP_MM * 2, LEFT_MM * 2 + columns * (cell_mm + GAP_MM) if rows else 0)
    height = TOP_MM + MAP_MM + 6 + sum(tall + CAPTION_MM + 6 for tall in heights)
    names = alerts["alert"].tolist()
    colours = {name: CLASS_COLOURS[k % len(CLASS_COLOURS)] for k, name in enumerate(names)}
    with styled():
        figure, axes = millimetre_axes(width, height)
        text = f"{len(beats)} beats by the two leading components of the network's embedding"
        axes.text(2, height - 2, text, color=MUTED, va="top", fontsize=7.5)
        _map(axes, beats, colours, height - TOP_MM - MAP_MM)
        top = height - TOP_MM - MAP_MM - 6
        for name, cells, tall in zip(names, rows, heights, strict=True):
            axes.text(
                LEFT_MM, top, f"{name}: median beat, and example beats", color=colours[name], va="top", fontsize=8
            )
            top -= 5
            for k, (caption, traces) in enumerate(cells):
                x0, edge = LEFT_MM + k * (cell_mm + GAP_MM), top
                millimetre_grid(axes, x0, top - tall, cell_mm, tall)
                for trace, (up, down) in zip(traces, _extents(cells), strict=False):
                    x = x0 + before_mm + times * scale.speed_mm_s
                    axes.plot(x, edge - up + trace, color=colours[name], linewidth=0.4 * POINTS_PER_MM, zorder=3)
                    edge -= up + down
                axes.text(x0, top - tall - 0.8, caption, fontsize=5.5, color=MUTED, va="top")
            top -= tall + CAPTION_MM + 1
        return figure


def _map(axes: Axes, beats: pd.DataFrame, colours: Mapping[str, str], y0: float) -> None:
    """Draw the map as a box with its lower left corner at LEFT_MM, y0, and its legend beside it."""
    x, y = (beats[name].to_numpy(dtype=np.float64) for name in ("x", "y"))
    span = max(float(np.ptp(x)), float(np.ptp(y)), 1e-9)
    px = LEFT_MM + 2 + (x - x.min()) / span * (MAP_MM - 4)
    py = y0 + 2 + (y - y.min()) / span * (MAP_MM - 4)
    review, alert = beats["review"].to_numpy(dtype=bool), beats["alert"].to_numpy()
    layers = [("accepted", ~review, HAIRLINE), ("in review", review & (alert == ""), MUTED)]
    layers += [(name, alert == name, colour) for name, colour in colours.items()]
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) * MAP_MM + [LEFT_MM, y0]
    axes.plot(corners[:, 0], corners[:, 1], color=HAIRLINE, linewidth=0.6)
    for k, (name, rows, colour) in enumerate(layers):
        axes.scatter(px[rows], py[rows], s=2.5, color=colour, linewidths=0, zorder=2 + k, rasterized=True)
        place = (LEFT_MM + MAP_MM + 5, y0 + MAP_MM - 4 - 5 * k)
        axes.scatter(*place, s=14, color=colour, linewidths=0)
        axes.text(place[0] + 3, place[1], f"{name}: {int(rows.sum())}", va="center", fontsize=7.5, color=INK)


def _cells(
    arrays: Mapping[str, npt.NDArray[Any]], alert: int, scale: PaperScale
) -> list[tuple[str, list[npt.NDArray[np.float64]]]]:
    """Return caption and traces in mm of the median beat and of each example, in up to `MAX_LEADS` leads."""
    leads = arrays["leads"].tolist()
    median, examples, ids = arrays["median"][alert], arrays["examples"][alert], arrays["example_ids"][alert]
    cells = []
    for caption, waves in [("median", median), *zip(ids.tolist(), examples, strict=True)]:
        shown = [k for k in range(len(leads)) if np.isfinite(waves[k]).all()][:MAX_LEADS]
        if shown:
            traces = [np.clip(waves[k] * scale.gain_mm_mv, -LIMIT_MM, LIMIT_MM) for k in shown]
            short = "/".join(caption.split("/")[-2:])
            cells.append((f"{' '.join(leads[k] for k in shown)} · {short}", traces))
    return cells


def _extents(cells: list[tuple[str, list[npt.NDArray[np.float64]]]]) -> list[tuple[float, float]]:
    """Return for each row of traces the millimetres above and below zero, in large squares."""
    rows = []
    for place in range(max((len(traces) for _, traces in cells), default=0)):
        waves = [traces[place] for _, traces in cells if len(traces) > place]
        highest, lowest = max(float(wave.max()) for wave in waves), min(float(wave.min()) for wave in waves)
        rows.append((round_up_mm(max(highest, 1.0)), round_up_mm(max(-lowest, 1.0))))
    return rows
