"""How maps change from epoch to epoch: correlations, entropy and magnitude."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.core.files import read_arrays

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]

DRIFT_COLUMNS = (
    "epoch", "case", "label", "class", "method", "probability", "correlation_previous", "correlation_last", "entropy",
    "magnitude",
)  # fmt: skip
"""A row an epoch, beat, class and kind of map. ``class`` is what the map is for, ``label`` what the beat is."""


def drift_table(files: Sequence[Path]) -> pd.DataFrame:
    """Compare the maps of the epochs, given in order, beat by beat and class by class (`DRIFT_COLUMNS`).

    ``correlation_previous`` and ``correlation_last`` are Pearson's, over leads and positions, with the map of the epoch
    watched before and with the last one. ``entropy`` is that of the shares of absolute mass over the logarithm of
    their number: 1 where all cells have as much, 0 where one cell has all. ``magnitude`` is the mean absolute value.
    What isn't defined is NaN: the first epoch has none before it, and a map that is absent or the same everywhere has
    no correlation.
    """
    import pandas as pd

    epochs = [read_arrays(file) for file in files]
    methods = [name.removesuffix("_absent") for name in epochs[0] if name.endswith("_absent")]
    rows = []
    for step, arrays in enumerate(epochs):
        for method in methods:
            shown, last = arrays[method], epochs[-1][method]
            before = epochs[step - 1][method] if step else np.full_like(shown, np.nan)
            for k, name in enumerate(arrays["cases"]):
                for c, of_class in enumerate(arrays["classes"]):
                    cells = _cells(shown[k, c])
                    rows.append(
                        (
                            int(arrays["epoch"]),
                            str(name),
                            str(arrays["labels"][k]),
                            str(of_class),
                            method,
                            float(arrays["probabilities"][k, c]),
                            correlation(cells, _cells(before[k, c])),
                            correlation(cells, _cells(last[k, c])),
                            entropy(cells),
                            float(np.abs(cells).mean()) if len(cells) else np.nan,
                        )
                    )
    return pd.DataFrame(rows, columns=list(DRIFT_COLUMNS))


def _cells(values: npt.NDArray[np.float32]) -> Array:
    """Return the cells of a map (L, P) in leads that the beat has."""
    cells: Array = values[np.isfinite(values)].astype(np.float64)
    return cells


def correlation(one: Array, other: Array) -> float:
    """Return Pearson's correlation of cells, NaN where it isn't defined."""
    if len(one) != len(other) or len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.clip(np.corrcoef(one, other)[0, 1], -1.0, 1.0))


def entropy(cells: Array) -> float:
    """Return the entropy of the shares of absolute mass, over the logarithm of their number; NaN for no mass."""
    mass = np.abs(cells)
    if len(mass) < 2 or not mass.sum() > 0:
        return float("nan")
    share = mass[mass > 0] / mass.sum()
    return float(-(share * np.log(share)).sum() / np.log(len(mass)))
