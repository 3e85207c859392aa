"""KernelSHAP: Shapley values as a weighted least squares fit with constraints (Lundberg & Lee 2017)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from beatlens.explain.methods.sampling import Coalitions
from beatlens.explain.methods.solution import Solution, check_targets, clustered_error


def solve_kernelshap(coalitions: Coalitions, targets: npt.ArrayLike) -> Solution:
    """Fit Shapley values to coalitions of `beatlens.explain.methods.sampling.shapley_coalitions`.

    The empty coalition fixes the intercept; efficiency (values add up to full minus empty) is kept by eliminating
    the last player. With all coalitions the values are the Shapley values; with samples the standard error is that
    of the draws, pairs as clusters (the eliminated player's by the same sandwich, as minus the sum of the others').

    Parameters
    ----------
    coalitions
        Masks and weights; the first two masks are full and empty.
    targets
        (M,) the target under each mask.

    Returns
    -------
    Solution
    """
    masks, weights = coalitions.masks, coalitions.weights
    y = check_targets(targets, len(masks), "kernelshap")
    n_players = masks.shape[1]
    full, empty = float(y[0]), float(y[1])
    if n_players == 1:
        return Solution(np.array([full - empty]), np.zeros(1), full, empty, len(masks))
    inner = weights > 0
    bits = masks[inner].astype(np.float64)
    design = bits[:, :-1] - bits[:, -1:]
    outcome = y[inner] - empty - bits[:, -1] * (full - empty)
    scaled = weights[inner] / weights[inner].mean()
    normal = design.T @ (design * scaled[:, None])
    inverse = np.linalg.pinv(normal, hermitian=True)
    head = inverse @ (design.T @ (scaled * outcome))
    values = np.append(head, full - empty - head.sum())
    if coalitions.exact:
        return Solution(values, np.zeros(n_players), full, empty, len(masks))
    project = np.concatenate([inverse, -inverse.sum(axis=0, keepdims=True)])
    residuals = outcome - design @ head
    error = clustered_error(
        project,
        design=design,
        weights=scaled,
        residuals=residuals,
        draws=coalitions.draws[inner],
        groups=coalitions.groups[inner],
    )
    return Solution(values, error, full, empty, len(masks))
