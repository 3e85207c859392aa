"""Do values add up to what the model does? Its loss without subsets of cells is compared with their sums.

Deletion and insertion judge the order of cells alone; these scores judge how much a value is worth. Values are compared
up to a factor, since fused and class-activation values have no units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from beatlens.evaluate.explanations.faithfulness import Array, BoolArray, CellValue, IntArray
from beatlens.explain.result.views import SPAN_SHARE

SUBSET_SHARES = (0.05, 0.1, 0.2, 0.4)
"""Shares of the cells that subsets have: the n of sensitivity-n, from few cells to many."""
SUBSETS = 50
"""Subsets of each share."""


@dataclass(frozen=True)
class Subsets:
    """Random subsets of cells, and what the target loses without each.

    Attributes
    ----------
    off
        (n_shares, draws, n_leads, n_segments) bool, the cells of each subset.
    loss
        (n_shares, draws) what the target loses.
    """

    off: BoolArray
    loss: Array


def random_subsets(value: CellValue, shape: tuple[int, int], draws: int, rng: np.random.Generator) -> Subsets:
    """Remove `draws` random subsets of each of `SUBSET_SHARES`.

    Parameters
    ----------
    value
        The target under cells that are on.
    shape
        (n_leads, n_segments).
    draws
        Subsets of each size.
    rng
        Source of the subsets.
    """
    n_cells = shape[0] * shape[1]
    sizes = np.array([min(n_cells, max(1, round(share * n_cells))) for share in SUBSET_SHARES])
    order = rng.random((len(sizes), draws, n_cells)).argsort(axis=2)
    off = order < sizes[:, None, None]
    masks = np.concatenate([np.ones((1, n_cells), dtype=bool), ~off.reshape(-1, n_cells)])
    outcome = value(masks.reshape(-1, *shape))
    return Subsets(off.reshape(*off.shape[:2], *shape), (outcome[0] - outcome[1:]).reshape(off.shape[:2]))


def sensitivity_n(sums: Array, subsets: Subsets) -> float:
    """Return the correlation of the values' sum in a subset with what the target loses (Ancona et al. 2018).

    The mean over the sizes of subsets. 0 for a size at which all sums are alike; NaN where the target never changes.

    Parameters
    ----------
    sums
        (n_leads, n_segments) values of the cells.
    subsets
        Of the same cells.
    """
    found = []
    for summed, loss in zip(_subset_sums(sums, subsets), subsets.loss, strict=True):
        spread = summed.std() * loss.std()
        if loss.std() > 0:
            alike = summed.std() <= 1e-12 * np.abs(summed).max(initial=0.0)
            found.append(0.0 if alike else float(((summed - summed.mean()) * (loss - loss.mean())).mean() / spread))
    return float(np.mean(found)) if found else float("nan")


def infidelity(sums: Array, subsets: Subsets) -> float:
    """Return the mean squared difference of values and loss (Yeh et al. 2019), in shares of the mean squared loss.

    The values are first multiplied by the factor of at least 0 that fits the loss best. The result is 0 where the loss
    is a multiple of the values' sum in every subset, and 1 where the values say nothing of the loss or the contrary.
    NaN where the target never changes.

    Parameters
    ----------
    sums, subsets
        As for `sensitivity_n`.
    """
    summed, loss = _subset_sums(sums, subsets).ravel(), subsets.loss.ravel()
    total = float(loss @ loss)
    if not total > 0:
        return float("nan")
    size, together = float(summed @ summed), max(0.0, float(summed @ loss))
    return 1.0 - (together**2 / (size * total) if size > 0 else 0.0)


def _subset_sums(sums: Array, subsets: Subsets) -> Array:
    result: Array = (subsets.off * sums).sum(axis=(2, 3))
    return result


def shown_cells(sums: Array, lengths: IntArray) -> BoolArray:
    """Return (n_leads, n_segments): the cells of at least `SPAN_SHARE` of the largest mean value of a cell."""
    mean = sums / lengths
    return np.asarray((mean > 0) & (mean >= SPAN_SHARE * mean.max()))


def span_losses(
    value: CellValue, shown: Sequence[BoolArray], lengths: IntArray, draws: int, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Remove what each explanation shows, and random cells of equal duration.

    Parameters
    ----------
    value
        The target under cells that are on.
    shown
        (n_leads, n_segments) of each explanation.
    lengths
        (n_segments,) samples of each segment.
    draws
        Random removals for each explanation: cells in random order, as many as come nearest to the duration.
    rng
        Source of the orders.

    Returns
    -------
    What the target loses without the shown cells, and the mean of what it loses without random ones.
    """
    masks, counts = [np.ones((1, *shown[0].shape), dtype=bool)] if shown else [], []
    samples = np.broadcast_to(lengths, shown[0].shape).ravel() if shown else np.empty(0)
    for cells in shown:
        wanted = samples[cells.ravel()].sum()
        random = np.ones((draws, samples.size), dtype=bool)
        for row in random:
            order = rng.permutation(samples.size)
            reached = np.concatenate([[0], np.cumsum(samples[order])])
            row[order[: int(np.abs(reached - wanted).argmin())]] = False
        masks += [~cells[None], random.reshape(draws, *cells.shape)]
        counts.append(1 + draws)
    if not counts:
        return []
    outcome = value(np.concatenate(masks))
    parts = np.split(outcome[0] - outcome[1:], np.cumsum(counts)[:-1])
    return [(float(part[0]), float(part[1:].mean())) for part in parts]
