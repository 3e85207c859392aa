"""What of an attribution a figure shows: values spread within each lead, and the leads that hold most of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from beatlens.explain.result.attribution import Attribution


def smoothed(attribution: Attribution, seconds: float) -> Attribution:
    """Spread each value evenly over the samples within `seconds` / 2 of it, in its own lead.

    A value near an edge is spread over the samples that there are, so the sum of each lead is kept. Leads never mix.

    Parameters
    ----------
    attribution
        Signed values.
    seconds
        Width of the spread; 0, or less than two samples, leaves the attribution as it is.
    """
    half = int(seconds * attribution.fs / 2)
    if half < 1:
        return attribution
    n = attribution.values.shape[1]
    place = np.arange(n)
    first, stop = np.maximum(place - half, 0), np.minimum(place + half + 1, n)
    spread = attribution.values.astype(np.float64) / (stop - first)
    total = np.concatenate([np.zeros((len(spread), 1)), np.cumsum(spread, axis=1)], axis=1)
    return replace(attribution, values=(total[:, stop] - total[:, first]).astype(np.float32))


def strongest_leads(attribution: Attribution, leads: Sequence[str], most: int | None) -> list[str]:
    """Return up to `most` of the leads, those of largest absolute mass, in the order given; all where it is None.

    Of equal leads the first ones are taken. A lead that the attribution hasn't got has no mass.
    """
    if most is None or most >= len(leads):
        return list(leads)
    mass = dict(zip(attribution.leads, np.abs(attribution.values.astype(np.float64)).sum(axis=1), strict=True))
    ranked = sorted(leads, key=lambda lead: -mass.get(lead, 0.0))
    return [lead for lead in leads if lead in ranked[:most]]
