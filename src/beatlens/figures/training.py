"""The training history: loss and macro F1 epoch by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from beatlens.figures.paper.style import ACCENT, CLASS_COLOURS, MUTED, NEGATIVE, POSITIVE, new_figure, styled

if TYPE_CHECKING:
    import pandas as pd

LOSSES = {"loss": ("total", ACCENT), "class_loss": ("classes", CLASS_COLOURS[1]), "gate_loss": ("noise gate", MUTED)}
SCORES = {"train_macro_f1": ("training patients", NEGATIVE), "select_macro_f1": ("unseen patients", POSITIVE)}


def training_figure(history: pd.DataFrame) -> Figure:
    """Draw losses and scores by epoch; the last epoch's weights are the ones that are used.

    Parameters
    ----------
    history
        One row an epoch: ``epoch`` and any of `LOSSES` and `SCORES`.

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
    with styled():
        figure = new_figure(176, 62, layout="constrained")
        left, right = figure.subplots(1, 2)
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
        for axes in (left, right):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(True)
        return figure
