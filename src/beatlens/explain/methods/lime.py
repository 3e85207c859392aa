"""LIME: a local linear surrogate over the players (Ribeiro, Singh & Guestrin 2016)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from beatlens.explain.methods.sampling import Coalitions
from beatlens.explain.methods.solution import Array, Solution, check_targets, clustered_error


def lime_weights(masks: npt.NDArray[np.bool_], kernel_width: float) -> Array:
    """Weights sqrt(exp(-d^2 / width^2)), d the cosine distance of a mask to the full one (1 for the empty mask).

    Parameters
    ----------
    masks
        (M, n_players) bool.
    kernel_width
        Width of the kernel, > 0.

    Returns
    -------
    (M,) float64
    """
    if not kernel_width > 0:
        raise ValueError(f"lime: kernel width {kernel_width}; expected > 0")
    distance = 1 - np.sqrt(masks.mean(axis=1))
    weights: Array = np.sqrt(np.exp(-((distance / kernel_width) ** 2)))
    return weights


def solve_lime(coalitions: Coalitions, targets: npt.ArrayLike, *, kernel_width: float, ridge: float) -> Solution:
    """Fit a weighted ridge regression with a free intercept; a player's value is its coefficient.

    Minimises sum_i w_i (y_i - b - z_i x)^2 + ridge |x|^2, w the kernel times the weights of the coalitions. The
    completeness error is what the coefficients lack of full minus empty: a local surrogate need not add up. The
    standard error is the sandwich of the penalised fit over the draws, pairs as clusters.

    Parameters
    ----------
    coalitions
        Masks and weights; the first two masks are full and empty.
    targets
        (M,) the target under each mask.
    kernel_width, ridge
        Settings of the kernel and the penalty (>= 0).

    Returns
    -------
    Solution
    """
    if ridge < 0:
        raise ValueError(f"lime: ridge {ridge}; expected >= 0")
    masks = coalitions.masks
    y = check_targets(targets, len(masks), "lime")
    weights = lime_weights(masks, kernel_width) * coalitions.weights
    bits = masks.astype(np.float64)
    mean_bits, mean_y = weights @ bits / weights.sum(), float(weights @ y / weights.sum())
    design = bits - mean_bits
    normal = design.T @ (design * weights[:, None])
    inverse = np.linalg.pinv(normal + ridge * np.eye(len(normal)), hermitian=True)
    values = inverse @ (design.T @ (weights * (y - mean_y)))
    if coalitions.exact:
        error = np.zeros(len(values))
    else:
        residuals = y - mean_y - design @ values
        error = clustered_error(
            inverse,
            design=design,
            weights=weights,
            residuals=residuals,
            draws=coalitions.draws,
            groups=coalitions.groups,
        )
    return Solution(values, error, float(y[0]), float(y[1]), len(masks))
