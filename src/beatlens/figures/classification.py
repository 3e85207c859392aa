"""Figures of the classifier: confusion, reliability, risk against coverage, and patient by patient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from beatlens.core.bootstrap import divide
from beatlens.evaluate.predictions.outcomes import MISSED, NONE, Outcomes
from beatlens.evaluate.predictions.probabilities import calibration_table, confidences, rank_histogram, risk_coverage
from beatlens.figures.paper.style import ACCENT, HAIRLINE, INK, MUTED, NULL, POSITIVE, new_figure, styled
from beatlens.shards.shard import REVIEWED

if TYPE_CHECKING:
    import pandas as pd

SHADES = LinearSegmentedColormap.from_list("shades", ["#ffffff", "#cfe1ee", "#6fa6cb", "#0b4f80"])
HEADLINE_SPLITS = ("test", "none", "paced", "select", "calibrate", "train")
MAX_PATIENTS = 40


def headline_split(table: pd.DataFrame) -> str:
    """Return the split that figures and the report show: test, else the next that has scores; "" if none.

    Scores against labels that reviewers gave don't count.
    """
    present = set(table.loc[~table["scope"].str.startswith(f"{REVIEWED}: "), "split"])
    return next((split for split in HEADLINE_SPLITS if split in present), "")


def empty_figure(text: str) -> Figure:
    """Return a figure that says why there is nothing to show."""
    with styled():
        figure = new_figure(120, 20)
        figure.text(0.02, 0.5, text, color=MUTED, va="center", fontsize=9)
        return figure


def confusion_figure(confusion: pd.DataFrame, classes: Sequence[str], scope: str = "all") -> Figure:
    """Draw the confusion of the headline split: shares of each row, with counts.

    Parameters
    ----------
    confusion
        Table of split, scope, truth, pred, n.
    classes
        Class ids in order.
    scope
        Scope to show.
    """
    split = headline_split(confusion)
    table = confusion[(confusion["split"] == split) & (confusion["scope"] == scope)]
    if not len(table):
        return empty_figure("No labelled beats: there is no confusion to show.")
    found = table["truth"].drop_duplicates().tolist()
    truths = [*classes, *(name for name in found if name not in (*classes, NONE)), *([NONE] if NONE in found else [])]
    preds = [*classes, MISSED]
    counts = table.pivot_table(index="truth", columns="pred", values="n", aggfunc="sum").reindex(truths, columns=preds)
    n = counts.fillna(0).to_numpy(dtype=np.float64)
    share = divide(n, np.broadcast_to(n.sum(axis=1, keepdims=True), n.shape))
    with styled():
        figure = new_figure(34 + 15 * len(preds), 28 + 9.5 * len(truths), layout="constrained")
        axes = figure.add_subplot()
        _heat(axes, share, [[_cell(s, c) for s, c in zip(*row, strict=True)] for row in zip(share, n, strict=True)])
        axes.set_xticks(range(len(preds)), preds)
        labels = {NONE: "no beat"}
        axes.set_yticks(
            range(len(truths)), [f"{labels.get(t, t)}  ({int(k):,})" for t, k in zip(truths, n.sum(1), strict=True)]
        )
        axes.axvline(len(classes) - 0.5, color=INK, linewidth=0.8)
        if len(truths) > len(classes):
            axes.axhline(len(classes) - 0.5, color=INK, linewidth=0.8)
        axes.set_xlabel("predicted")
        axes.set_ylabel("truth (beats)")
        axes.set_title(f"Where the beats of each class went\n({split} patients)")
        return figure


def _cell(share: float, count: float) -> str:
    if not count:
        return ""
    percent = f"{100 * share:.0f} %" if share >= 0.005 else "< 1 %"
    return f"{percent}\n{int(count):,}"


def _heat(axes: Axes, values: npt.NDArray[np.float64], texts: list[list[str]], fontsize: float = 7.0) -> None:
    axes.imshow(np.nan_to_num(values), cmap=SHADES, vmin=0, vmax=1, aspect="auto", interpolation="none")
    for (row, column), value in np.ndenumerate(values):
        dark = np.isfinite(value) and value > 0.6
        colour = "white" if dark else INK
        axes.text(column, row, texts[row][column], ha="center", va="center", color=colour, fontsize=fontsize)
    axes.set_xticks(np.arange(values.shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(values.shape[0] + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=HAIRLINE, linewidth=0.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)


def reliability_figure(rows: Outcomes | None, split: str, bins: int) -> Figure:
    """Draw accuracy against confidence, and the error among accepted beats against how many are accepted.

    Both are of detected beats whose truth is a class: a beat that was missed has no prediction to accept.

    Parameters
    ----------
    rows
        Outcomes of the split, or None where there are none.
    split
        Its name, for the titles.
    bins
        Bins of confidence.
    """
    kept = rows.subset(rows.scored) if rows is not None else None
    if kept is None or not len(kept):
        return empty_figure("No labelled beats: calibration and risk can't be shown.")
    confidence, correct = confidences(kept)
    count, summed, hits = calibration_table(kept, bins).sum(axis=0)
    wrong = (correct == 0).astype(np.int64)
    covered, risk = risk_coverage(
        rank_histogram(
            confidence, wrong, n_groups=2, patient=np.zeros(len(kept), np.int64), n_patients=1, max_bins=None
        )
    )
    with styled():
        figure = new_figure(176, 74, layout="constrained")
        left, right = figure.subplots(1, 2)
        left.plot([0, 1], [0, 1], color=NULL, linewidth=0.8, linestyle=(0, (4, 3)))
        used = count > 0
        sizes = 12 + 90 * np.sqrt(count[used] / count.max())
        left.plot(summed[used] / count[used], hits[used] / count[used], color=ACCENT, linewidth=0.8)
        left.scatter(
            summed[used] / count[used], hits[used] / count[used], s=sizes, color=ACCENT, alpha=0.8, linewidth=0
        )
        left.set(xlim=(0, 1.02), ylim=(0, 1.04), ylabel="accuracy", title=f"Calibration, {split} patients")
        left.set_xlabel("confidence (mean probability of the predicted class)")
        _key(left, "dashed: as sure as right; larger dot: more beats")
        right.plot(100 * covered[0], 100 * risk[0], color=ACCENT, linewidth=1.2)
        right.axhline(100 * risk[0, -1], color=NULL, linewidth=0.8, linestyle=(0, (4, 3)))
        accepted = ~kept.review
        if accepted.any():
            right.scatter(100 * accepted.mean(), 100 * wrong[accepted].mean(), s=22, color=POSITIVE, zorder=3)
        top = max(1.0, float(100 * np.nanmax(risk[0, len(risk[0]) // 50 :])) * 1.15)
        right.set(xlim=(0, 101), ylim=(0, top), ylabel="error among accepted (%)", title="Risk against coverage")
        right.set_xlabel("coverage: most confident detected beats accepted (%)")
        _key(right, "dashed: all of them; orange dot: those that don't go to review")
        for axes in (left, right):
            axes.grid(True)
        return figure


def _key(axes: Axes, text: str) -> None:
    """Say below the axis what is drawn: within the axes a curve would cross it."""
    axes.text(0.5, -0.27, text, transform=axes.transAxes, color=MUTED, va="top", ha="center", fontsize=7)


def patients_figure(metrics: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """Draw the F1 of each class for each patient of the headline split, the lowest first.

    Parameters
    ----------
    metrics
        Table of split, scope, class, metric, value, lo, hi, n.
    classes
        Class ids in order.
    """
    split = headline_split(metrics)
    table = metrics[(metrics["split"] == split) & metrics["scope"].str.startswith("patient:")]
    if not len(table):
        return empty_figure("No labelled beats: there are no scores of patients to show.")
    f1 = _by_patient(table, "f1", classes)
    support = _by_patient(table, "support", classes)
    macro = table[table["metric"] == "macro_f1"].set_index("scope")["value"]
    order = macro.dropna().sort_values(kind="stable").index[:MAX_PATIENTS]
    if not len(order):
        return empty_figure("No labelled beats of the configured classes in any patient.")
    values = np.column_stack([macro.loc[order].to_numpy(dtype=np.float64), f1.loc[order].to_numpy(dtype=np.float64)])
    counts = support.loc[order].fillna(0).to_numpy(dtype=np.float64)
    values[:, 1:][counts == 0] = np.nan
    texts = [
        [f"{row[0]:.2f}"] + [_score(v, c) for v, c in zip(row[1:], beats, strict=True)]
        for row, beats in zip(values, counts, strict=True)
    ]
    with styled():
        figure = new_figure(30 + 17 * (1 + len(classes)), 22 + 5.0 * len(order), layout="constrained")
        axes = figure.add_subplot()
        _heat(axes, values, texts, 6.5)
        axes.set_xticks(range(1 + len(classes)), ["macro", *classes])
        axes.xaxis.tick_top()
        axes.set_yticks(range(len(order)), [name.removeprefix("patient:") for name in order])
        axes.axvline(0.5, color=INK, linewidth=0.8)
        which = f"the {len(order)} lowest of {len(macro)}" if len(macro) > len(order) else f"{len(order)}"
        axes.set_title(f"F1 of each {split} patient ({which}); in brackets: beats", pad=18)
        return figure


def _by_patient(table: pd.DataFrame, metric: str, classes: Sequence[str]) -> Any:
    part = table[(table["metric"] == metric) & table["class"].isin(list(classes))]
    return part.pivot(index="scope", columns="class", values="value").reindex(columns=list(classes))


def _score(value: float, count: float) -> str:
    return "" if not count else f"{value:.2f} ({int(count)})"
