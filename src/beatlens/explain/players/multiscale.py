"""Three scales in one explanation: whole beats, whole beats in their leads, and the strongest short segments.

Small cells of single leads show detail but break up what belongs together. Half a ventricular beat inside half a sinus
beat is neither, and parts of one deflection may get opposite signs. So no player is short in time and confined to one
lead.

Whole beats show which beat counts, whole beats in single leads show which lead, and short segments of all leads show
when. The mean of the three keeps the sum of the values. On made records it follows the model about as well as cells do,
and the planted truth better.

A player holds more than what the model heeds. So its value goes to its samples in proportion to their evidence, as far
as that has the value's sign: how much the target changes by each cell (a segment in one lead) alone, measured by
switching it (`cell_evidence`), and inside the cell how far the baseline changes each sample. A sample that stays as it
is when the player is switched off can't have caused anything, and a change that the model doesn't heed hasn't either.
The value of the pooled rest of the segments has no place and is reported as unassigned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beatlens.explain.methods.solution import Solution
from beatlens.explain.players.coalition import REST, Players

Array = npt.NDArray[np.float64]

_SUM = (
    "the sum of the samples, the rhythm and the unassigned value (the rest that was pooled as one player) is the sum "
    "of the players"
)
BY_CHANGE = f"a player's value is spread over its samples in proportion to how far the baseline changes them; {_SUM}"
BY_EVIDENCE = (
    "a player's value is spread over its cells in proportion to what each does to the target by itself, and inside a "
    f"cell in proportion to how far the baseline changes the samples, a tenth by the latter alone; {_SUM}"
)
"""How players' values went to samples, in words: without and with the evidence of cells."""
CHANGE_SHARE = 0.1
"""Share of a value that goes by the change alone: a single cell's effect misses what counts only together with others.
"""


def cell_evidence(cells: Players, values: Array, change: Array) -> Array:
    """Return how far each sample speaks for the target, to be spread by: (n_leads, n_samples), signed.

    A cell alone is too little for a network to know, so half of its effect is the mean of its segment over the leads.
    Evidence is the square of the effect, with its sign. So the many cells with a small one, most of it by chance, don't
    take from the few with a large one.

    Parameters
    ----------
    cells
        Segments in single leads.
    values
        (n_players,) what each does by itself (`beatlens.explain.methods.refine.screen`).
    change
        (n_leads, n_samples) as for `spread_by_change`.
    """
    of_cell = np.where(cells.cell_player >= 0, values[cells.cell_player], 0.0)
    lengths = np.diff(cells.edges)
    total = np.add.reduceat(change, np.cumsum(lengths) - lengths, axis=1)
    effect = of_cell + of_cell.mean(axis=0)
    density = np.divide(effect * np.abs(effect), total, out=np.zeros_like(of_cell), where=total > 0)
    return np.repeat(density, lengths, axis=1) * change


def spread_by_change(players: Players, values: Array, change: Array, evidence: Array | None = None) -> Array:
    """Spread each player's value over its samples in proportion to evidence of its sign, and a little to the change.

    Where there is no such evidence, or none is given, in proportion to the change; evenly where nothing changes.

    Parameters
    ----------
    players
        With cells over the case window.
    values
        (n_players,) values. Those of the rhythm and of the pooled rest have no place and are left out.
    change
        (n_leads, n_samples) how far each sample is from what it becomes when its player alone is off, >= 0.
    evidence
        (n_leads, n_samples) of `cell_evidence`.

    Returns
    -------
    (n_leads, n_samples)
    """
    owner = np.repeat(players.cell_player, np.diff(players.edges), axis=1)
    if owner.shape != change.shape:
        raise ValueError(f"change of shape {change.shape}; expected {owner.shape}")
    placed = np.array([name != REST for name in players.names])
    has_place = (owner >= 0) & np.append(placed, False)[owner]
    shares = _Shares(owner, has_place, len(players))
    share = shares.of(change, shares.of(np.ones_like(change), np.zeros_like(change)))
    if evidence is not None:
        heeded = shares.of(np.maximum(np.sign(values)[owner] * evidence, 0.0), share)
        share = (1 - CHANGE_SHARE) * heeded + CHANGE_SHARE * share
    return np.where(has_place, values[owner] * share, 0.0)


@dataclass(frozen=True)
class _Shares:
    """Which of `n` players each sample belongs to, and whether it has a place in it."""

    owner: npt.NDArray[np.int64]
    has_place: npt.NDArray[np.bool_]
    n: int

    def of(self, weight: Array, otherwise: Array) -> Array:
        """Return weights as shares of their player's sum; those of `otherwise` for a player without any."""
        total = np.bincount(self.owner[self.has_place], weights=weight[self.has_place], minlength=self.n)
        some = (total > 0)[self.owner] & self.has_place
        return np.where(some, weight / np.where(total > 0, total, 1.0)[self.owner], otherwise)


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
