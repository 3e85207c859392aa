"""How far two explanations agree: rank correlation, overlap of the largest, of mass, and of rankings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

RBO_PERSISTENCE = 0.9
"""Chance with which a reader of a ranking goes on to the next rank."""


def _check(a: Array, b: Array) -> None:
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"agreement of values {a.shape} and {b.shape}; expected (n,) twice, n >= 1")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("agreement of values that are not finite")


def spearman(a: Array, b: Array) -> float:
    """Return the rank correlation of two vectors, mean ranks for ties; NaN where one of them is constant."""
    _check(a, b)
    ranks = [mean_ranks(values) - (len(values) - 1) / 2 for values in (a, b)]
    norm = float(np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    if not norm > 0:
        return float("nan")
    return min(max(float(ranks[0] @ ranks[1]) / norm, -1.0), 1.0)  # rounding may lead past the ends


def mean_ranks(values: Array) -> Array:
    """Return the ranks of (n,) values from 0 on, the mean of their ranks for ties."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    mean: Array = (ends - (counts + 1) / 2)[inverse]
    return mean


def largest(values: Array, count: int) -> npt.NDArray[np.int64]:
    """Return the places of the `count` largest magnitudes, largest first, those of 0 left out; ties in order."""
    order = np.argsort(-np.abs(values), kind="stable")[:count]
    return np.asarray(order[np.abs(values[order]) > 0])


def jaccard(a: Array, b: Array, count: int) -> float:
    """Return the overlap of the `count` largest magnitudes: intersection over union, NaN where both have none."""
    _check(a, b)
    one, other = set(largest(a, count).tolist()), set(largest(b, count).tolist())
    return len(one & other) / len(one | other) if one | other else float("nan")


def weighted_jaccard(a: Array, b: Array) -> float:
    """Return sum of minima over sum of maxima of two masses, each scaled to 1; opposite signs don't overlap."""
    _check(a, b)
    parts = []
    for values in (a, b):
        mass = np.abs(values).sum()
        if not mass > 0:
            return float("nan")
        parts.append(np.concatenate([np.maximum(values, 0), np.maximum(-values, 0)]) / mass)
    return float(np.minimum(*parts).sum() / np.maximum(*parts).sum())


def rank_biased_overlap(a: Array, b: Array, depth: int, persistence: float = RBO_PERSISTENCE) -> float:
    """Return the rank-biased overlap of two rankings by magnitude, extrapolated from its depth (Webber et al. 2010).

    RBO_ext = A_k p^k + (1 - p) / p * sum over d of A_d p^d, with A_d the shared part of the first d ranks; so that a
    ranking has 1 with itself.
    """
    _check(a, b)
    first, second = largest(a, depth).tolist(), largest(b, depth).tolist()
    depth = min(len(first), len(second))
    if not depth:
        return float("nan")
    seen: tuple[set[int], set[int]] = (set(), set())
    total = agreement = 0.0
    for d in range(1, depth + 1):
        seen[0].add(first[d - 1])
        seen[1].add(second[d - 1])
        agreement = len(seen[0] & seen[1]) / d
        total += agreement * persistence**d
    return float(agreement * persistence**depth + (1 - persistence) / persistence * total)


def agreement(a: Array, b: Array, top_share: float) -> dict[str, float]:
    """Return all measures of two vectors of players' values, by name.

    Parameters
    ----------
    a, b
        (n,) values of the same players.
    top_share
        Share of the players that count as the largest, and the depth of the rank-biased overlap.
    """
    count = max(1, round(top_share * len(a)))
    return {
        "spearman": spearman(a, b),
        "jaccard": jaccard(a, b, count),
        "weighted_jaccard": weighted_jaccard(a, b),
        "rbo": rank_biased_overlap(a, b, count),
    }
