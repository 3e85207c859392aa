"""How sharp each head of an attention module is, and how alike its heads are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Direction:
    """The weights of one direction for one target, over tokens that are there.

    Attributes
    ----------
    name
        Which tokens look at which: ``waveform->spectrogram``, ``spectrogram->waveform``.
    weights
        (heads, queries, keys) float64: shares, 0 to 1; a row adds up to 1.
    queries, keys
        (queries,), (keys,): places of these tokens among all tokens of their stream.
    """

    name: str
    weights: Array
    queries: npt.NDArray[np.int64]
    keys: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.weights.ndim != 3 or self.weights.shape[1:] != (len(self.queries), len(self.keys)):
            raise ValueError(
                f"attention {self.name}: weights {self.weights.shape}; expected (heads, {len(self.queries)}, "
                f"{len(self.keys)})"
            )
        if len(self.keys) < 2 or not len(self.queries):
            raise ValueError(
                f"attention {self.name}: {len(self.queries)} queries and {len(self.keys)} keys that are there; "
                "expected one and two or more, since a single key has weight 1 whatever the network learns"
            )
        if not np.isfinite(self.weights).all() or not np.allclose(self.weights.sum(axis=2), 1, atol=1e-3):
            raise ValueError(f"attention {self.name}: rows that don't add up to 1 over tokens that are there")


@dataclass(frozen=True)
class HeadStatistics:
    """How sharply each head looks, a value a head: means over queries.

    Attributes
    ----------
    entropy
        (heads,) Shannon entropy of a row over ln of the keys there are, no unit: 0 (one key) to 1 (all alike).
    effective_keys
        (heads,) exp of the entropy in nats, in keys: 1 to the number of keys.
    gini
        (heads,) Gini coefficient of a row, no unit: 0 (all alike) to 1 - 1 / keys (one key).
    maximum
        (heads,) largest weight of a row, a share: 1 / keys to 1.
    largest_ratio
        (heads,) largest weight over that of uniform attention, no unit: 1 to the number of keys.
    above_uniform
        (heads,) share of the keys whose weight is above 1 / keys, 0 to below 1.
    """

    entropy: Array
    effective_keys: Array
    gini: Array
    maximum: Array
    largest_ratio: Array
    above_uniform: Array


def head_statistics(direction: Direction) -> HeadStatistics:
    """Return how sharply each head looks."""
    weights = direction.weights
    n_keys = weights.shape[2]
    logs = np.log(np.where(weights > 0, weights, 1.0))
    entropy = -(weights * logs).sum(axis=2)
    rank = 2 * np.arange(1, n_keys + 1) - n_keys - 1
    gini = (np.sort(weights, axis=2) * rank).sum(axis=2) / (n_keys * weights.sum(axis=2))
    largest = weights.max(axis=2)
    above = weights > (1 + 1e-6) / n_keys
    return HeadStatistics(
        entropy=(entropy / np.log(n_keys)).mean(axis=1),
        effective_keys=np.exp(entropy).mean(axis=1),
        gini=gini.mean(axis=1),
        maximum=largest.mean(axis=1),
        largest_ratio=n_keys * largest.mean(axis=1),
        above_uniform=above.mean(axis=(1, 2)),
    )


def redundancy(direction: Direction) -> Array:
    """Return the Jensen-Shannon divergence of each pair of heads, (heads, heads) in bits: 0 (same) to 1 (disjoint).

    It is the mean over queries. Of a single head it is ``[[0]]``: there is no other to be like.
    """
    weights = direction.weights
    n_heads = len(weights)
    result = np.zeros((n_heads, n_heads))
    for first in range(n_heads):
        for second in range(first + 1, n_heads):
            p, q = weights[first], weights[second]
            middle = (p + q) / 2
            divergence = (_relative(p, middle) + _relative(q, middle)) / 2
            result[first, second] = result[second, first] = float(divergence.mean())
    return result


def _relative(p: Array, q: Array) -> Array:
    """Return the relative entropy of rows in bits; q > 0 wherever p is."""
    some = p > 0
    ratio = np.divide(p, q, out=np.ones_like(p), where=some)
    divergence: Array = (p * np.log2(ratio)).sum(axis=1)
    return divergence


@dataclass(frozen=True)
class Pair:
    """A query and a key that a head ties together.

    Attributes
    ----------
    head
        Which head.
    query, key
        Places of the tokens among all of their stream.
    weight
        Share of the query's attention, 0 to 1.
    ratio
        The weight over that of uniform attention, 0 to the number of keys.
    """

    head: int
    query: int
    key: int
    weight: float
    ratio: float


def top_pairs(direction: Direction, count: int) -> list[Pair]:
    """Return the `count` largest weights of all heads, largest first."""
    weights = direction.weights
    order = np.argsort(-weights, axis=None, kind="stable")[:count]
    return [
        Pair(
            int(head),
            int(direction.queries[query]),
            int(direction.keys[key]),
            float(weights[head, query, key]),
            float(weights[head, query, key] * weights.shape[2]),
        )
        for head, query, key in zip(*np.unravel_index(order, weights.shape), strict=True)
    ]
