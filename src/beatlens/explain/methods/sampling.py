"""Coalitions to evaluate: all of them for few players, else samples within an exact budget."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
Array = npt.NDArray[np.float64]

EXACT_PLAYERS = 12
"""Up to this many players every coalition is evaluated (at most 4,096), even where the budget is smaller."""


def is_exact(n_players: int, budget: int) -> bool:
    """Tell whether all coalitions are evaluated: for few players in any case, or with a budget for half of them."""
    return n_players <= EXACT_PLAYERS or budget >= 2 ** (n_players - 1)


@dataclass(frozen=True)
class Coalitions:
    """Masks with the weight each has in the regression, and which of them were drawn together.

    Attributes
    ----------
    masks
        (M, n_players) bool; the first row is full, the second empty.
    weights
        (M,) float64. For the Shapley kernel those of the first two rows are 0: they enter as constraints.
    draws
        (M,) int64, how often a mask was drawn; 0 for an enumerated mask, which has no sampling error.
    groups
        (M,) int64, the pair that a mask was drawn in (a coalition and its complement). Standard errors take pairs, not
        masks, as independent.
    exact
        Whether all coalitions are there, so that nothing was left to chance.
    """

    masks: BoolArray
    weights: Array
    draws: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]
    exact: bool


def all_masks(n_players: int) -> BoolArray:
    """Return all 2**n coalitions: the full one, the empty one, then the others in binary order."""
    if not 0 < n_players <= 20:
        raise ValueError(f"all coalitions of {n_players} players; expected 1 to 20")
    codes = np.arange(1, 2**n_players - 1)
    middle = (codes[:, None] >> np.arange(n_players)) & 1
    ends = np.array([[True] * n_players, [False] * n_players])
    return np.concatenate([ends, middle.astype(bool)])


def shapley_coalitions(n_players: int, budget: int, rng: np.random.Generator) -> Coalitions:
    """Coalitions weighted by the Shapley kernel (Lundberg & Lee 2017), sampled in pairs (Covert & Lee 2021).

    Coalition sizes whose every member the budget can hold are enumerated from the outside in (sizes 1 and n - 1, then 2
    and n - 2, ...); the rest of the kernel's mass is sampled: a size by its kernel mass, a coalition of that size, and
    its complement. A coalition that is drawn again gets more weight and costs nothing, so the budget is the number of
    distinct ones.

    Parameters
    ----------
    n_players
        Players, >= 1.
    budget
        Evaluations of the model, the full and the empty coalition included. Where `is_exact` all 2**n are evaluated,
        which up to `EXACT_PLAYERS` players may be more.
    rng
        Source of the draws.
    """
    _check_budget(n_players, budget)
    sizes = np.arange(1, n_players)
    if is_exact(n_players, budget):
        masks = all_masks(n_players)
        counts = masks.sum(axis=1)
        kernel = np.array([0.0, *(1 / (comb(n_players, int(s)) * s * (n_players - s)) for s in sizes), 0.0])
        return Coalitions(masks, kernel[counts], np.zeros(len(masks), np.int64), np.arange(len(masks)), True)
    mass = 1 / (sizes * (n_players - sizes))
    mass /= mass.sum()
    rows: list[BoolArray] = []
    weights: list[float] = []
    left, remaining, level = budget - 2, 1.0, 0
    while level < (n_players - 1) // 2:
        size = level + 1
        subsets = 2 * comb(n_players, size)
        pair_mass = 2 * mass[level]
        if left * pair_mass / remaining < subsets:
            break
        for mask in _combinations(n_players, size):
            rows.extend((mask, ~mask))
            weights.extend((pair_mass / subsets,) * 2)
        left, remaining, level = left - subsets, remaining - pair_mass, level + 1
    groups = [k // 2 for k in range(len(rows))]
    sampled, counts, pairs = _sample_pairs(n_players, left, mass, level, rng)
    share = remaining / counts.sum() if len(counts) else 0.0
    ends = np.array([[True] * n_players, [False] * n_players])
    first = len(rows) // 2
    return Coalitions(
        np.concatenate([ends, np.array(rows, dtype=bool).reshape(-1, n_players), sampled]),
        np.concatenate([[0.0, 0.0], weights, counts * share]),
        np.concatenate([np.zeros(2 + len(rows), np.int64), counts]),
        np.concatenate([[-1, -1], groups, pairs + first]).astype(np.int64),
        False,
    )


def uniform_coalitions(n_players: int, budget: int, rng: np.random.Generator) -> Coalitions:
    """Coalitions for a local linear fit (LIME): how many players are off is uniform, which ones is uniform.

    Each number of players that are off, from none to all, has the same weight. The masks of that number share it: all
    of them, or those that were drawn, by how often they were. So with a growing budget samples approach all coalitions.
    Coalitions are drawn in pairs with their complements, as the Shapley samples are. The weights add up to the number
    of masks.

    Parameters
    ----------
    n_players, budget, rng
        As in `shapley_coalitions`.
    """
    _check_budget(n_players, budget)
    if is_exact(n_players, budget):
        masks = all_masks(n_players)
        of_size = np.array([1 / comb(n_players, size) for size in range(n_players + 1)])
        weights = of_size[masks.sum(axis=1)] * len(masks) / (n_players + 1)
        return Coalitions(masks, weights, np.zeros(len(masks), np.int64), np.arange(len(masks)), True)
    sizes = np.ones(n_players - 1)
    sampled, counts, pairs = _sample_pairs(n_players, budget - 2, sizes / sizes.sum(), 0, rng)
    weights = np.concatenate([[1.0, 1.0], counts * (n_players - 1) / counts.sum()]) * budget / (n_players + 1)
    ends = np.array([[True] * n_players, [False] * n_players])
    groups = np.concatenate([[-1, -1], pairs]).astype(np.int64)
    draws = np.concatenate([[0, 0], counts])
    return Coalitions(np.concatenate([ends, sampled]), weights, draws, groups, False)


def _check_budget(n_players: int, budget: int) -> None:
    if n_players < 1:
        raise ValueError(f"{n_players} players; expected >= 1")
    if budget < 4:
        raise ValueError(f"budget of {budget} evaluations; expected >= 4")


def _combinations(n_players: int, size: int) -> BoolArray:
    from itertools import combinations

    chosen = np.array(list(combinations(range(n_players), size)))
    masks = np.zeros((len(chosen), n_players), dtype=bool)
    np.put_along_axis(masks, chosen, True, axis=1)
    return masks


def _sample_pairs(
    n_players: int, wanted: int, mass: Array, level: int, rng: np.random.Generator
) -> tuple[BoolArray, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Draw exactly `wanted` distinct masks in pairs, of sizes not yet enumerated; return masks, counts, pair numbers.

    With an odd number the last pair lacks its complement.
    """
    sizes = np.arange(1 + level, n_players - level)
    chance = mass[sizes - 1] / mass[sizes - 1].sum() if len(sizes) else mass[:0]
    found: dict[bytes, int] = {}
    rows: list[BoolArray] = []
    counts: list[int] = []
    pairs: list[int] = []
    pair = 0
    while len(rows) < wanted and len(sizes):
        drawn = rng.choice(sizes, size=(wanted - len(rows) + 1) // 2, p=chance)
        order = rng.random((len(drawn), n_players)).argsort(axis=1).argsort(axis=1)
        masks = order < drawn[:, None]
        both = np.stack([masks, ~masks], axis=1)
        packed = np.packbits(both, axis=2)
        for one, keys in zip(both, packed, strict=True):
            for mask, bits in zip(one, keys, strict=True):
                key = bits.tobytes()
                if key in found:
                    counts[found[key]] += 1
                elif len(rows) < wanted:
                    found[key] = len(rows)
                    rows.append(mask)
                    counts.append(1)
                    pairs.append(pair)
            pair += 1
    masks = np.array(rows, dtype=bool).reshape(-1, n_players)
    return masks, np.array(counts, dtype=np.int64), np.array(pairs, dtype=np.int64)
