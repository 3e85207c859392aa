"""A run's prototype library in a notebook: open it, narrow it to a label, look at one prototype, draw it.

from beatlens.figures.prototype_library import of_label, open_library, plot_label
library = open_library("results/demo")
library.table[["class", "patient", "size", "purity"]]
of_label(library, "V").table
plot_label(library, "V").savefig("V.png")
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from beatlens.prototypes.library import PrototypeLibrary

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def open_library(run: str | Path) -> PrototypeLibrary:
    """Return the library of a run, from its folder of results."""
    folder = Path(run) / "prototypes"
    return PrototypeLibrary.load(folder / "library.csv", folder / "waves.npz")


def of_label(library: PrototypeLibrary, label: str) -> PrototypeLibrary:
    """Return the prototypes of one label.

    Raises
    ------
    ValueError
        For a label that the library has no prototype of.
    """
    rows = np.flatnonzero(library.bank.labels == label)
    if not len(rows):
        known = ", ".join(sorted(set(library.bank.labels.tolist())))
        raise ValueError(f"label {label!r}: no prototype; expected one of {known}")
    own = library.bank
    bank = replace(
        own,
        waves=own.waves[rows],
        present=own.present[rows],
        labels=own.labels[rows],
        patients=own.patients[rows],
        beat_ids=own.beat_ids[rows],
    )
    table = library.table.iloc[rows].reset_index(drop=True)
    return replace(library, bank=bank, table=table, median=library.median[rows], scale=library.scale[rows])


def describe(library: PrototypeLibrary, prototype: int) -> dict[str, Any]:
    """Return what is known of one prototype, with its wave and its cluster's median in mV, by lead."""
    if not 0 <= prototype < len(library.bank):
        raise ValueError(f"prototype {prototype}; expected 0 to {len(library.bank) - 1}")
    value: dict[str, Any] = library.table.iloc[prototype].to_dict()
    present = np.flatnonzero(library.bank.present[prototype])
    scale = library.scale[prototype]
    for name, waves in (("wave_mv", library.bank.waves), ("median_mv", library.median)):
        value[name] = {library.bank.leads[k]: waves[prototype, k] * scale[k] for k in present}
    return value


def plot_label(library: PrototypeLibrary, label: str, speed_mm_s: float = 25.0, gain_mm_mv: float = 10.0) -> Figure:
    """Draw the prototypes of one label on ECG paper, with their medians; the figure has a ``savefig``."""
    from beatlens.figures.paper.scale import PaperScale
    from beatlens.figures.prototypes import prototype_figure

    of_label(library, label)  # an error for a label without a prototype
    return prototype_figure(library, library.bank.classes, PaperScale(speed_mm_s, gain_mm_mv), label)
