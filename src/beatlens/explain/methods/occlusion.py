"""Occlusion: what the target loses when one player alone is off (Zeiler & Fergus 2014)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from beatlens.explain.methods.solution import Solution, check_targets


def occlusion_masks(n_players: int) -> npt.NDArray[np.bool_]:
    """Return the full mask, the empty one, and each with one player off: (n_players + 2, n_players)."""
    if n_players < 1:
        raise ValueError(f"occlusion of {n_players} players; expected >= 1")
    ends = np.array([[True] * n_players, [False] * n_players])
    return np.concatenate([ends, ~np.eye(n_players, dtype=bool)])


def solve_occlusion(targets: npt.ArrayLike, n_players: int) -> Solution:
    """Return full minus without each player. The values need not add up: the completeness error says by how much.

    Parameters
    ----------
    targets
        (n_players + 2,) the target under each of `occlusion_masks`.
    n_players
        Players.
    """
    y = check_targets(targets, n_players + 2, "occlusion")
    return Solution(y[0] - y[2:], np.zeros(n_players), float(y[0]), float(y[1]), len(y))
