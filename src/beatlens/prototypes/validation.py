"""Which prototypes are suspicious, and what each class's prototypes are like as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from beatlens.prototypes.settings.library import LibrarySettings

if TYPE_CHECKING:
    import pandas as pd

VALIDATION_COLUMNS = (
    *("prototype", "class", "beat_id", "patient", "size", "neighbours", "purity", "purity_lo", "noise_ratio"),
    "suspicious",
)
SUMMARY_COLUMNS = (
    *("class", "prototypes", "patients", "beats", "median_size", "median_purity", "least_purity", "noise_ratio"),
    "suspicious",
)


def validate(library: pd.DataFrame, settings: LibrarySettings) -> pd.DataFrame:
    """Say of each prototype what makes it suspicious, "" where nothing does.

    The beats that a prototype is nearest to are called its neighbours.

    ==========  ====================================================================================================
    ``small``   its cluster has fewer beats than ``library.min_size``
    ``impure``  neighbours in other patients are mostly of other classes: the upper end of the purity's interval is
                below ``library.min_purity``
    ``noisy``   too many neighbours are noise (``library.max_noise_ratio``)
    ``lonely``  it has no neighbour in another patient
    ==========  ====================================================================================================

    Parameters
    ----------
    library
        Table of the library.
    settings
        Section ``library``.
    """
    flags = {
        "small": library["size"] < settings.min_size,
        "impure": (library["neighbours"] > 0) & (library["purity_hi"] < settings.min_purity),
        "noisy": library["noise_ratio"] > settings.max_noise_ratio,
        "lonely": library["neighbours"] == 0,
    }
    result = library[list(VALIDATION_COLUMNS[:-1])].copy()
    marks = zip(*(flag.to_numpy() for flag in flags.values()), strict=True)
    result["suspicious"] = [";".join(n for n, on in zip(flags, row, strict=True) if on) for row in marks]
    return result


def summarise(library: pd.DataFrame, validation: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return one row a class (`SUMMARY_COLUMNS`), also for classes without a prototype."""
    import pandas as pd

    rows = []
    for name in classes:
        of_class = library[library["class"] == name]
        weights = of_class["neighbours"].to_numpy(dtype=np.float64)
        noise = of_class["noise_ratio"].to_numpy(dtype=np.float64)
        known = np.isfinite(noise) & (weights > 0)
        rows.append(
            {
                "class": name,
                "prototypes": len(of_class),
                "patients": len(of_class[["corpus", "patient"]].drop_duplicates()),
                "beats": int(of_class["size"].sum()),
                "median_size": float(of_class["size"].median()),
                "median_purity": float(of_class["purity"].dropna().median()),
                "least_purity": float(of_class["purity"].min()),
                "noise_ratio": float(np.average(noise[known], weights=weights[known])) if known.any() else np.nan,
                "suspicious": int((validation.loc[of_class.index, "suspicious"] != "").sum()),
            }
        )
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))
