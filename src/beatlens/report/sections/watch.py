"""What the maps of watched beats did while the network learnt, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from beatlens.explain.watch.settings import leading
from beatlens.figures.watch import WORDS
from beatlens.report.inputs import ReportInputs
from beatlens.report.numbers import plural, score

if TYPE_CHECKING:
    import pandas as pd

SETTLED = 0.9
"""A map is said to have settled once its correlation with the last one stays above this."""


def watch_section(inputs: ReportInputs) -> dict[str, Any] | None:
    """Return figures and sentences about the watched beats, or None where nothing was watched."""
    drift, watched = inputs.drift, inputs.watched
    if drift is None or watched is None:
        return None
    unseen = "from whom the network doesn't learn" if watched.split == "select" else "from whom the network learns, too"
    beats = f"{plural(watched.n_cases, 'beat')} of {plural(watched.n_patients, 'patient')}, {unseen}"
    n = drift["epoch"].nunique()
    return {
        "who": f"{beats[0].upper()}{beats[1:]}, were explained after each of {n} watched epochs, for every class.",
        "drift": " ".join(
            drift_sentence(drift[drift["method"] == method], WORDS[method])
            for method in leading(list(drift["method"].unique()))
        ),
        "caution": (
            "In most trainings the magnitude rises and the entropy falls, whether the network overfits or not: neither "
            "says that it does. These maps are for looking: explanations that are scored stand below."
        ),
        "missing": "; ".join(watched.missing),
        "beats": [{"name": _title(name), "image": image} for name, image in watched.images.items()],
    }


def _title(name: str) -> str:
    """Return what a figure is called: its case, and its kind of map where that isn't the first."""
    kinds = {kind: words for kind, words in WORDS.items() if name.endswith(f"_{kind}")}
    return next((f"{name.removesuffix(f'_{kind}')}, {words}" for kind, words in kinds.items()), name)


def drift_sentence(drift: pd.DataFrame, name: str) -> str:
    """Say how magnitude, entropy and place of the maps of one kind changed from the first to the last epoch."""
    by_epoch = drift.groupby("epoch")[["magnitude", "entropy", "correlation_last"]].median()
    first, last = by_epoch.iloc[0], by_epoch.iloc[-1]
    if not np.isfinite(last["magnitude"]):
        return f"There is no {name} map after the last epoch."
    if len(by_epoch) == 1:
        return f"There is one set of {name} maps, so nothing is said of how they change."
    parts = [
        f"their magnitude {_went(first['magnitude'], last['magnitude'])}",
        f"their entropy {_went(first['entropy'], last['entropy'])}",
    ]
    low = by_epoch.index[~(by_epoch["correlation_last"] >= SETTLED)]
    since = by_epoch.index[by_epoch.index > low[-1]] if len(low) else by_epoch.index
    settled = (
        f"From epoch {since[0]} on they correlate with those of the last epoch by {score(SETTLED)} or more"
        if len(since) > 1
        else "They change up to the last epoch"
    )
    return (
        f"From epoch {by_epoch.index[0]} to {by_epoch.index[-1]}, by the median of {name} maps over beats and classes, "
        f"{' and '.join(parts)}. {settled} (those of the first epoch by {score(first['correlation_last'])})."
    )


def _went(first: float, last: float) -> str:
    """Say from where to where a number went, in two digits."""
    before, after = f"{first:.2g}", f"{last:.2g}"
    if not np.isfinite(first):
        return f"came to {after}"
    return f"stayed at {after}" if before == after else f"{'rose' if last > first else 'fell'} from {before} to {after}"
