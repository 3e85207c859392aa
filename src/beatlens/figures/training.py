"""The training history: loss and macro F1 epoch by epoch, and how the maps of watched beats change meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from beatlens.explain.watch.settings import leading
from beatlens.figures.paper.style import ACCENT, CLASS_COLOURS, MUTED, NEGATIVE, POSITIVE, new_figure, styled
from beatlens.figures.watch import WORDS

if TYPE_CHECKING:
    import pandas as pd

LOSSES = {"loss": ("total", ACCENT), "class_loss": ("classes", CLASS_COLOURS[1]), "gate_loss": ("noise gate", MUTED)}
SCORES = {"train_macro_f1": ("training patients", NEGATIVE), "select_macro_f1": ("unseen patients", POSITIVE)}


CORRELATIONS = {
    "correlation_previous": ("the epoch before", NEGATIVE),
    "correlation_last": ("the last epoch", POSITIVE),
}
QUARTILES = (0.25, 0.5, 0.75)


def training_figure(history: pd.DataFrame, drift: pd.DataFrame | None = None) -> Figure:
    """Draw losses and scores by epoch; the last epoch's weights are the ones that are used.

    Parameters
    ----------
    history
        One row an epoch: ``epoch`` and any of `LOSSES` and `SCORES`.
    drift
        How maps of watched beats change (`beatlens.explain.watch.drift.DRIFT_COLUMNS`). Those of the leading kinds are
        drawn, a row each: medians over beats and classes, with quartiles.

    Raises
    ------
    ValueError
        Where there is no epoch, no loss or no column ``epoch``.
    """
    losses = [name for name in LOSSES if name in history]
    if "epoch" not in history or not losses or not len(history):
        raise ValueError(
            f"training history of {len(history)} rows, columns {list(history)}; expected epoch and {list(LOSSES)}"
        )
    epochs = history["epoch"].to_numpy()
    by_name = (
        {}
        if drift is None
        else {name: drift[drift["method"] == name] for name in leading(list(drift["method"].unique()))}
    )
    with styled():
        figure = new_figure(176, 62 * (1 + len(by_name)), layout="constrained")
        left, right, *below = figure.subplots(1 + len(by_name), 2).ravel()
        for name in losses:
            label, colour = LOSSES[name]
            left.plot(
                epochs, history[name].to_numpy(), color=colour, label=label, linewidth=1.2, marker="o", markersize=2.5
            )
        left.set(xlabel="epoch", ylabel="loss", title="Loss on training patients")
        left.set_ylim(bottom=0)
        left.legend()
        for name in (name for name in SCORES if name in history):
            label, colour = SCORES[name]
            values = history[name].to_numpy(dtype=np.float64)
            if np.isfinite(values).any():
                right.plot(epochs, values, color=colour, label=label, linewidth=1.2, marker="o", markersize=2.5)
        right.set(xlabel="epoch", ylabel="macro F1", title="Macro F1", ylim=(0, 1.02))
        if right.lines:
            right.legend(loc="lower right")
        for row, (name, of_name) in enumerate(by_name.items()):
            _draw_drift(below[2 * row : 2 * row + 2], of_name, WORDS[name])
        for axes in (left, right, *below):
            if drift is not None:
                axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(True)
        return figure


def _draw_drift(panels: Sequence[Axes], drift: pd.DataFrame, kind: str) -> None:
    """Draw correlations of maps of watched beats on the left, their entropy and magnitude on the right."""
    left, right = panels
    for name, (label, colour) in CORRELATIONS.items():
        _draw_quartiles(left, drift, name, colour, label)
    left.set(
        xlabel="epoch",
        ylabel="correlation",
        title=f"{kind[0].upper()}{kind[1:]}: correlation with",
        ylim=(None, 1.04),
    )
    largest = drift.groupby("epoch")["magnitude"].median().max()
    relative = drift.assign(magnitude=drift["magnitude"] / largest if largest > 0 else np.nan)
    _draw_quartiles(right, drift, "entropy", ACCENT, "entropy (1: everywhere alike)")
    _draw_quartiles(right, relative, "magnitude", CLASS_COLOURS[1], f"magnitude ({largest:.2g} is 1)")
    right.set(xlabel="epoch", title="Their entropy and magnitude", ylim=(0, None))
    for axes in panels:
        if axes.lines:
            axes.legend(loc="lower right")


def _draw_quartiles(axes: Axes, drift: pd.DataFrame, column: str, colour: str, label: str) -> None:
    quartiles = drift.groupby("epoch")[column].quantile(list(QUARTILES)).unstack().dropna()
    if len(quartiles):
        low, middle, high = (quartiles[share].to_numpy() for share in QUARTILES)
        epochs = quartiles.index.to_numpy()
        axes.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(epochs, middle, color=colour, label=label, linewidth=1.2, marker="o", markersize=2.5)
