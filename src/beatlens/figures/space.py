"""Training beats and prototypes in the label-free space, and the purity of prototypes against their size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from beatlens.figures.paper.style import HAIRLINE, INK, class_colours, new_figure, styled

if TYPE_CHECKING:
    from beatlens.prototypes.library import PrototypeLibrary
    from beatlens.prototypes.space import FeatureSpace


def space_figure(
    library: PrototypeLibrary, space: FeatureSpace, arrays: Mapping[str, npt.NDArray[Any]], classes: Sequence[str]
) -> Figure:
    """Draw the map of beats with the prototypes on it, and purity with its interval against size.

    Parameters
    ----------
    library
        Prototypes.
    space
        The label-free space.
    arrays
        ``map`` and ``map_label`` of training beats.
    classes
        Class ids in order.
    """
    colours = class_colours(classes)
    bank, table = library.bank, library.table
    first = bank.present.argmax(axis=1)  # the lead that the space sees of a prototype
    rr = np.tile(space.rr_mean, (len(bank), 1)).astype(np.float32)
    places = space.project(bank.waves[np.arange(len(bank)), first], rr)[:, :2]
    with styled():
        figure = new_figure(176, 80, layout="constrained")
        left, right = figure.subplots(1, 2)
        labels = arrays["map_label"]
        for name in [*(n for n in dict.fromkeys(labels.tolist()) if n not in classes), *classes]:
            rows = labels == name
            colour = colours.get(name, HAIRLINE)
            left.scatter(*arrays["map"][rows].T, s=3, color=colour, linewidths=0, alpha=0.5, rasterized=True)
        for name in classes:
            of_class = bank.labels == name
            left.scatter(*places[of_class].T, s=16, marker="x", color=INK, linewidths=1.8, zorder=3)
            left.scatter(
                *places[of_class].T, s=12, marker="x", color=colours[name], linewidths=0.9, zorder=4, label=name
            )
            part = table[of_class & table["purity"].notna().to_numpy()]
            size, purity, lo, hi = part[["size", "purity", "purity_lo", "purity_hi"]].to_numpy(dtype=np.float64).T
            right.errorbar(
                size, purity, yerr=np.clip([purity - lo, hi - purity], 0, None), fmt="o", markersize=3,
                color=colours[name], elinewidth=0.6, label=name,
            )  # fmt: skip
        left.set(xlabel="first component", ylabel="second component", title="Beats and prototypes")
        right.set(xlabel="beats of the prototype's cluster", ylabel="purity", title="Purity against size")
        right.set(xscale="log", ylim=(-0.03, 1.03))
        right.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        right.xaxis.set_major_formatter("{x:g}")  # powers of ten would need math text, which is off
        right.xaxis.set_minor_formatter(NullFormatter())
        right.grid(True)
        left.legend(loc="best", fontsize=7)
        return figure
