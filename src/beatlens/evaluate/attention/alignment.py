"""Whether two readings of attention agree, beside what chance gives: a value, its null and a p value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from beatlens.evaluate.attention.statistics import Direction
from beatlens.evaluate.explanations.agreement import mean_ranks, spearman

Array = npt.NDArray[np.float64]

CLEAR = 0.05
"""Largest p of an agreement that counts as beyond chance."""


@dataclass(frozen=True)
class Agreement:
    """A rank correlation beside its permutation null.

    Attributes
    ----------
    value
        Spearman's rank correlation, -1 to 1; NaN where one of the two is constant.
    null_mean, null_high
        Mean and 95th percentile of the same over permutations, -1 to 1.
    p
        Share of the permutations that agree as well or better, the observed one included, 0 to 1; one-sided.
    even
        The same correlation if every key had as much attention, -1 to 1: what a map has by where its tokens lie. NaN
        where that has no meaning.
    """

    value: float
    null_mean: float
    null_high: float
    p: float
    even: float = float("nan")

    @classmethod
    def from_json(cls, value: Mapping[str, float | None]) -> Agreement:
        """Build from what a report has as JSON, in which None is what isn't known."""
        return cls(*(known(value[key]) for key in ("value", "null_mean", "null_high", "p", "even")))

    @property
    def beyond_chance(self) -> bool:
        """Whether they agree more than chance gives, p at most `CLEAR`, and more than even attention does."""
        return bool(self.p <= CLEAR) and not self.value <= self.even

    def words(self, what: str) -> str:
        """Say in words whether attention agrees with `what`."""
        if not np.isfinite(self.value):
            return f"no agreement with {what} can be told: one of the two is the same everywhere"
        numbers = f"rank correlation {self.value:.2f}, chance {self.null_mean:.2f} (95 % below {self.null_high:.2f})"
        numbers += "" if np.isnan(self.even) else f", even attention {self.even:.2f}"
        verb = "agrees" if self.beyond_chance else "does not agree"
        return f"{verb} with {what}: {numbers}, p = {self.p:.3f}"


def known(value: float | None) -> float:
    """Return a number of a report, NaN for None."""
    return float("nan") if value is None else float(value)


def directions_agreement(there: Direction, back: Direction, draws: int, seed: int) -> list[Agreement]:
    """Compare each head's weights with the transpose of the same head's in the other direction, then all heads' mean.

    A head is alike another of its number by chance alone, since the two modules share no weights; so the last value,
    of the mean over heads, says whether the directions agree. In the null the tokens of one stream and of the other
    are permuted in one of the two matrices (Mantel 1967), which keeps what each matrix looks like.

    Parameters
    ----------
    there, back
        The two directions over the same tokens: (heads, a, b) and (heads, b, a).
    draws
        Permutations.
    seed
        Of the permutations.

    Returns
    -------
    list of Agreement
        One a head, where both have as many, then that of the means.

    Raises
    ------
    ValueError
        Where the tokens of the two directions differ.
    """
    if there.queries.tolist() != back.keys.tolist() or there.keys.tolist() != back.queries.tolist():
        raise ValueError(f"attention {there.name} and {back.name}: other tokens; expected the same in both directions")
    pairs = [(there.weights.mean(axis=0), back.weights.mean(axis=0).T)]
    if len(there.weights) == len(back.weights):
        pairs = [(one, other.T) for one, other in zip(there.weights, back.weights, strict=True)] + pairs
    return [_mantel(one, other, draws, seed) for one, other in pairs]


def _mantel(one: Array, other: Array, draws: int, seed: int) -> Agreement:
    value = spearman(one.ravel(), other.ravel())
    if not np.isfinite(value):
        return Agreement(value, np.nan, np.nan, np.nan)
    # Ranks don't change under a permutation, so they are taken once.
    ranks = [mean_ranks(part.ravel()).reshape(part.shape) for part in (one, other)]
    centred = [part - part.mean() for part in ranks]
    norm = np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum())
    rng = np.random.default_rng(seed)
    null = np.array(
        [
            (centred[0] * centred[1][rng.permutation(len(one))][:, rng.permutation(one.shape[1])]).sum() / norm
            for _ in range(draws)
        ]
    )
    return _beside(value, null)


def cells_agreement(attention: Array, evidence: Array, even: Array, *, draws: int, seed: int) -> Agreement:
    """Compare attention with perturbation evidence over cells (leads x segments), beside shifts in time.

    Attention has no sign, so the evidence's magnitude is compared. In the null the attention of each lead is shifted
    in a circle by a number of segments of its own and leads change places: neighbours stay neighbours, so that smooth
    maps don't agree beyond chance because they are smooth.

    Parameters
    ----------
    attention, evidence
        (leads, segments) sums over the samples of each cell.
    even
        The same of even attention: that has tokens of the target beat too, where a method gives these a part.
    draws
        Permutations.
    seed
        Of the permutations.
    """
    size, other = np.abs(attention), np.abs(evidence).ravel()
    value = spearman(size.ravel(), other)
    if not np.isfinite(value):
        return Agreement(value, np.nan, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    n_leads, n_segments = size.shape
    null = np.empty(draws)
    for draw in range(draws):
        shifts = rng.integers(n_segments, size=(n_leads, 1))
        places = (np.arange(n_segments) + shifts) % n_segments
        null[draw] = spearman(np.take_along_axis(size[rng.permutation(n_leads)], places, axis=1).ravel(), other)
    return replace(_beside(value, null), even=spearman(even.ravel(), other))


def _beside(value: float, null: Array) -> Agreement:
    p = (1 + int((null >= value - 1e-12).sum())) / (1 + len(null))
    return Agreement(value, float(null.mean()), float(np.percentile(null, 95)), float(p))
