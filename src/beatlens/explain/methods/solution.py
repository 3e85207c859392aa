"""What a coalition method returns for its players, with an estimate of its error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Solution:
    """Values of the players.

    Attributes
    ----------
    values
        (n_players,) float64, in the target's units.
    standard_error
        (n_players,) float64: the sampling error; 0 where all coalitions were evaluated, NaN where there are too few
        evaluations to tell.
    full, empty
        The target with all players on and with all off.
    n_evaluations
        Coalitions evaluated, the full and the empty one included.
    """

    values: Array
    standard_error: Array
    full: float
    empty: float
    n_evaluations: int

    @property
    def completeness_error(self) -> float:
        """What the values lack of full minus empty."""
        return float(self.full - self.empty - self.values.sum())


def check_targets(values: npt.ArrayLike, n_masks: int, method: str) -> Array:
    """Return target values as float64, or raise where their number is wrong or one is not finite."""
    result = np.asarray(values, dtype=np.float64)
    if result.shape != (n_masks,):
        raise ValueError(f"{method}: target values of shape {result.shape}; expected ({n_masks},)")
    if not np.isfinite(result).all():
        raise ValueError(f"{method}: {int((~np.isfinite(result)).sum())} target values are not finite")
    return result


def clustered_error(
    project: Array,
    *,
    design: Array,
    weights: Array,
    residuals: Array,
    draws: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
) -> Array:
    """Return standard errors of weighted least squares by the sandwich estimator, pairs of masks as clusters.

    sqrt(diag(P (sum_g c_g (u_g / c_g - m)(u_g / c_g - m)') P') * G / (G - K)), u_g = sum over the pair of w x e, c_g
    its draws, m the mean of u over all draws (Liang & Zeger 1986). Enumerated masks are part of any sample. They enter
    the fit and P, and add nothing to the error. So the u of drawn masks don't add up to 0, and their spread is taken
    around their mean.

    Parameters
    ----------
    project
        (n, K), what makes the n wanted values of the K scores: rows of the inverse of the (penalised) normal matrix,
        or sums of them.
    design, weights, residuals
        (M, K), (M,), (M,).
    draws, groups
        (M,), (M,) of `beatlens.explain.methods.sampling.Coalitions`.

    Returns
    -------
    (n,) float64, NaN where there are no more drawn pairs than coefficients.
    """
    drawn = draws > 0
    names, index = np.unique(groups[drawn], return_inverse=True)
    spare = len(names) - design.shape[1]
    if spare <= 0:
        return np.full(len(project), np.nan)
    scores, count = np.zeros((len(names), design.shape[1])), np.zeros(len(names))
    np.add.at(scores, index, (design * (weights * residuals)[:, None])[drawn])
    np.maximum.at(count, index, draws[drawn])
    centred = scores - count[:, None] * scores.sum(axis=0) / count.sum()
    error: Array = np.sqrt(len(names) / spare * ((centred @ project.T) ** 2 / count[:, None]).sum(axis=0))
    return error
