"""Figures of how well diagnoses are told: scores by diagnosis beside their nulls, reliability, what stands for what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from beatlens.core.bootstrap import divide
from beatlens.evaluate.predictions.diagnoses.outcomes import DiagnosisOutcomes
from beatlens.figures.classification import SHADES, empty_figure
from beatlens.figures.paper.style import ACCENT, HAIRLINE, INK, MUTED, NULL, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd

NOTHING = "No labelled record with a diagnosis: there is nothing to show."
MAX_PANELS = 12


def score_figure(metrics: pd.DataFrame, names: Mapping[str, str]) -> Figure:
    """Draw AUROC, average precision and F1 of each diagnosis over all records, the highest AUROC first.

    Parameters
    ----------
    metrics
        ``metrics/diagnoses.csv``.
    names
        Name by id.
    """
    table = metrics[(metrics["scope"] == "all") & metrics["class"].isin(list(names))]
    areas = table[table["metric"] == "auroc"].sort_values("value", ascending=False, kind="stable")
    if not len(areas):
        return empty_figure(NOTHING)
    order = areas["class"].tolist()
    ticks = {"auroc": "chance", "auprc": "share of records with it", "f1": "given to every record"}
    titles = {"auroc": "AUROC", "auprc": "average precision", "f1": "F1"}
    with styled():
        figure = new_figure(180, 30 + 5.2 * len(order), layout="constrained")
        for k, (axes, (metric, title)) in enumerate(
            zip(figure.subplots(1, 3, sharey=True), titles.items(), strict=True)
        ):
            rows = table[table["metric"] == metric].set_index("class").reindex(order)
            _dots(axes, rows)
            axes.set_title(title)
            axes.set_xlabel(f"tick: {ticks[metric]}", fontsize=7, color=MUTED)
            if k == 0:
                counts = rows["n"].astype(int)
                labels = [f"{names[name]} ({counts[name]})" for name in order]
                axes.set_yticks(range(len(order)), labels)
                axes.invert_yaxis()
        figure.supxlabel("in brackets: records that have the diagnosis; lines: intervals over patients", fontsize=7)
        return figure


def _dots(axes: Axes, rows: pd.DataFrame) -> None:
    place = np.arange(len(rows))
    axes.hlines(place, rows["lo"].fillna(rows["value"]), rows["hi"].fillna(rows["value"]), color=ACCENT, linewidth=1.0)
    axes.scatter(rows["null_value"], place, marker="|", s=70, color=NULL, linewidth=1.4, zorder=2)
    axes.scatter(rows["value"], place, s=16, color=ACCENT, zorder=3)
    axes.set_xlim(0, 1.02)
    axes.grid(True, axis="x")
    axes.tick_params(axis="y", length=0)


def reliability_figure(rows: DiagnosisOutcomes, names: Mapping[str, str], bins: int) -> Figure:
    """Draw, for each diagnosis, the share of records that have it against its probability, in bins of equal width.

    Parameters
    ----------
    rows
        Labelled records; of more than `MAX_PANELS` diagnoses, the most frequent are drawn.
    names
        Name by id.
    bins
        Bins of the probability.
    """
    frequency = (rows.labels == 1).sum(axis=0)
    shown = [k for k in np.argsort(-frequency, kind="stable")[:MAX_PANELS] if frequency[k]]
    if not shown or not rows.answered.any():
        return empty_figure(NOTHING)
    columns = min(4, len(shown))
    lines = -(-len(shown) // columns)
    with styled():
        figure = new_figure(44 * columns + 8, 44 * lines + 8, layout="constrained")
        grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        for axes in grid.flat[len(shown) :]:
            axes.set_visible(False)
        for axes in grid.flat[max(0, len(shown) - columns) : len(shown)]:
            axes.tick_params(labelbottom=True)  # the lowest of each column, also above a hidden one
        for axes, k in zip(grid.flat, shown, strict=False):
            kept = rows.answered & (rows.labels[:, k] >= 0)
            probability, true = rows.probability[kept, k], rows.labels[kept, k] == 1
            place = np.clip(np.ceil(probability * bins).astype(np.int64) - 1, 0, bins - 1)
            count, summed, hits = (
                np.bincount(place, weights=each, minlength=bins) for each in (np.ones(len(place)), probability, true)
            )
            used = count > 0
            axes.plot([0, 1], [0, 1], color=NULL, linewidth=0.8, linestyle=(0, (4, 3)))
            x, y = summed[used] / count[used], hits[used] / count[used]
            axes.vlines(x, *_wilson(hits[used], count[used]), color=ACCENT, linewidth=0.7, alpha=0.6)
            axes.scatter(x, y, s=6 + 40 * np.sqrt(count[used] / count.max()), color=ACCENT, linewidth=0, alpha=0.85)
            axes.set(xlim=(-0.02, 1.02), ylim=(-0.04, 1.04))
            axes.set_title(names[rows.classes[k]], fontsize=7)
            axes.grid(True)
        figure.supxlabel(
            "probability of the diagnosis (dashed: as sure as right; larger dot: more records)", fontsize=7.5
        )
        figure.supylabel("share of records that have it", fontsize=7.5)
        return figure


def _wilson(hits: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the 95 % interval of a share (Wilson 1927)."""
    z = 1.959964
    middle = (hits + z**2 / 2) / (n + z**2)
    half = z * np.sqrt(hits * (n - hits) / n + z**2 / 4) / (n + z**2)
    return middle - half, middle + half


def confusion_figure(rows: DiagnosisOutcomes, names: Mapping[str, str]) -> Figure:
    """Draw which diagnoses are given to the records that have each, beside which others they really have.

    A record may have several diagnoses, so rows don't add up to 1. The last column is the share of records that are
    given none. Where a diagnosis often stands for another without going with it, the two are taken for each other.

    Parameters
    ----------
    rows
        Labelled records.
    names
        Name by id.
    """
    true = rows.labels == 1
    shown = np.flatnonzero(true.any(axis=0))
    if not len(shown):
        return empty_figure(NOTHING)
    true, given = true[:, shown].astype(np.float64), rows.predicted[:, shown].astype(np.float64)
    size = true.sum(axis=0)
    none = (~rows.predicted.any(axis=1)).astype(np.float64)
    share = divide(true.T @ np.column_stack([given, none]), np.repeat(size[:, None], len(shown) + 1, axis=1))
    together = divide(true.T @ true, np.repeat(size[:, None], len(shown), axis=1))
    ids = [rows.classes[k] for k in shown]
    with styled():
        figure = new_figure(62 + 11 * len(ids) + 11, 40 + 7.5 * len(ids), layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(share, cmap=SHADES, vmin=0, vmax=1, aspect="auto", interpolation="none")
        for (row, column), value in np.ndenumerate(share):
            really = together[row, column] if column < len(ids) and column != row else 0.0
            text = f"{100 * value:.0f}" + (f"\n({100 * really:.0f})" if really >= 0.005 else "")
            if value >= 0.005 or really >= 0.005:
                colour = "white" if value > 0.6 else INK
                axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=6.5)
        axes.set_xticks(np.arange(share.shape[1] + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(ids) + 1) - 0.5, minor=True)
        axes.grid(which="minor", color=HAIRLINE, linewidth=0.5)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)
        axes.axvline(len(ids) - 0.5, color=INK, linewidth=0.8)
        axes.set_xticks(range(len(ids) + 1), [*(names[name] for name in ids), "none"], rotation=40, ha="right")
        axes.set_yticks(range(len(ids)), [f"{names[name]} ({int(n)})" for name, n in zip(ids, size, strict=True)])
        axes.set_xlabel("given (%); in brackets: really have both (%)")
        axes.set_ylabel("records that have it")
        return figure
