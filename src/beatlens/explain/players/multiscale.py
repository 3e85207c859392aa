"""Three scales in one explanation: whole beats, whole beats in their leads, and the strongest short segments.

Small cells of single leads show detail but break up what belongs together. Half a ventricular beat inside half a sinus
beat is neither, and parts of one deflection may get opposite signs. So no player is short in time and confined to one
lead.

Whole beats show which beat counts, whole beats in single leads show which lead, and short segments of all leads show
when. The mean of the three keeps the sum of the values. On made records it follows the model about as well as cells do,
and the planted truth better.

A player's value is spread over its samples in proportion to how far the baseline changes each. A sample that stays as
it is when the player is switched off can't have caused anything. The value of the pooled rest of the segments has no
place and is reported as unassigned.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from beatlens.explain.methods.solution import Solution
from beatlens.explain.players.coalition import REST, Players

Array = npt.NDArray[np.float64]

SPREAD = (
    "a player's value is spread over its samples in proportion to how far the baseline changes them; the sum of the "
    "samples, the rhythm and the unassigned value (the rest that was pooled as one player) is the sum of the players"
)


def spread_by_change(players: Players, values: Array, change: Array) -> Array:
    """Spread each player's value over its samples in proportion to the change; evenly where nothing changes.

    Parameters
    ----------
    players
        With cells over the case window.
    values
        (n_players,) values. Those of the rhythm and of the pooled rest have no place and are left out.
    change
        (n_leads, n_samples) how far each sample is from what it becomes when its player alone is off, >= 0.

    Returns
    -------
    (n_leads, n_samples)
    """
    owner = np.repeat(players.cell_player, np.diff(players.edges), axis=1)
    if owner.shape != change.shape:
        raise ValueError(f"change of shape {change.shape}; expected {owner.shape}")
    placed = np.array([name != REST for name in players.names])
    has_place = (owner >= 0) & np.append(placed, False)[owner]
    n = len(players)
    weight = np.where(has_place, change, 0.0)
    total = np.bincount(owner[has_place], weights=weight[has_place], minlength=n)
    samples = np.bincount(owner[has_place], minlength=n)
    even = total <= 0
    density = np.divide(values, np.where(even, samples, total), out=np.zeros(n), where=samples > 0)
    return np.where(has_place, density[owner] * np.where(even[owner], 1.0, weight), 0.0)


def unassigned(players: Players, values: Array) -> float:
    """Return the value of the pooled rest, 0 where there is none."""
    return float(values[players.names.index(REST)]) if REST in players.names else 0.0


def join(scales: Sequence[tuple[Players, Solution]]) -> tuple[list[str], Solution]:
    """Take the mean of several scales: the names of all players, and their values divided by the number of scales.

    The sum of the values is the mean of the scales' sums, so that completeness is kept.
    """
    n = len(scales)
    if n == 1:
        return list(scales[0][0].names), scales[0][1]
    names = [f"{players.kind}: {name}" for players, _ in scales for name in players.names]
    return names, Solution(
        np.concatenate([solution.values for _, solution in scales]) / n,
        np.concatenate([solution.standard_error for _, solution in scales]) / n,
        sum(solution.full for _, solution in scales) / n,  # the same up to rounding
        sum(solution.empty for _, solution in scales) / n,
        sum(solution.n_evaluations for _, solution in scales),
    )
