"""Candidates of the selection: their scores on left-out patients, and how far each is below the best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from beatlens.figures.paper.style import ACCENT, INK, MUTED, NULL, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd

TITLES = {"macro_f1": "Macro-F1", "macro_auroc": "Macro AUROC"}


def selection_figure(scores: pd.DataFrame, chosen: str, mean: str, to_best: str) -> Figure:
    """Draw the score and the difference to the best, with intervals; the chosen candidate stands out.

    Parameters
    ----------
    scores
        Table of `beatlens.selection.choice.SCORE_COLUMNS`.
    chosen
        Candidate that was chosen.
    mean
        What the column seed holds for the mean over the seeds.
    to_best
        Metric of the difference to the best.
    """
    metric = to_best.removesuffix("_to_best")
    names = list(dict.fromkeys(scores["candidate"]))
    table = scores[scores["class"] == "all"].set_index(["candidate", "metric", "seed"]).sort_index()
    with styled():
        figure = new_figure(176, 24 + 7 * len(names), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for row, name in enumerate(names):
            y, colour = len(names) - 1 - row, ACCENT if name == chosen else MUTED
            seeds = table.loc[(name, metric)].drop(index=mean)["value"].to_numpy()
            left.scatter(seeds, np.full(len(seeds), y), marker="|", s=50, color=NULL, linewidth=1.2, zorder=2)
            for axes, shown in ((left, metric), (right, to_best)):
                score = table.loc[(name, shown, mean)]
                axes.plot([score["lo"], score["hi"]], [y, y], color=colour, linewidth=1.2, alpha=0.6)
                axes.scatter([score["value"]], [y], s=26, color=colour, zorder=3)
            error = table.loc[(name, to_best, mean), "standard_error"]
            ends = table.loc[(name, to_best, mean), "value"] + error * np.array([-1, 1])
            right.plot(ends, [y, y], color=colour, linewidth=3.5, alpha=0.6, solid_capstyle="butt")
        right.axvline(0, color=INK, linewidth=0.6)
        left.set(
            title=f"{TITLES[metric]} on left-out patients", xlabel="ticks: single seeds", ylim=(-0.6, len(names) - 0.4)
        )
        right.set(title="Difference to the best", xlabel="thick: one standard error of the difference")
        left.set_yticks(range(len(names)), [f"{name} (chosen)" if name == chosen else name for name in reversed(names)])
        for axes in (left, right):
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.grid(axis="x")
        return figure
