"""TimeSHAP: which stretch, which events, which leads, which cells (Bento et al. 2021), pruned from both ends.

The original prunes the past only. Here both ends of the window are pruned, since a beat's class also depends on what
comes after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beatlens.explain.methods.solution import Solution
from beatlens.explain.players.coalition import REST, Players, pooled_players, split_leads

Array = npt.NDArray[np.float64]
Value = Callable[[npt.NDArray[np.bool_], Players], Array]
Solve = Callable[[Players], Solution]
PRUNED = "pruned"


@dataclass(frozen=True)
class TimeShap:
    """What TimeSHAP finds at its levels.

    Attributes
    ----------
    kept
        First event that is kept and one past the last.
    n_pruning
        Evaluations that pruning took.
    events, leads, cells
        Players and values of each level: events of the kept stretch; leads within it; leads of the strongest events. At
        each level everything else is pooled as one player. The rhythm is a player where the events include it.
    """

    kept: tuple[int, int]
    n_pruning: int
    events: tuple[Players, Solution]
    leads: tuple[Players, Solution]
    cells: tuple[Players, Solution]

    @property
    def n_evaluations(self) -> int:
        """Evaluations of the model at all levels."""
        return self.n_pruning + sum(level[1].n_evaluations for level in (self.events, self.leads, self.cells))


def explain_timeshap(
    value: Value, solve: Solve, events: Players, *, tolerance: float, top_events: int, top_leads: int
) -> TimeShap:
    """Explain a target level by level.

    Parameters
    ----------
    value
        Target under (M, n_players) masks of players.
    solve
        Shapley values of players.
    events
        Players over all leads, in time order.
    tolerance
        An end is pruned as long as its Shapley value against all else is at most this share of full minus empty.
    top_events, top_leads
        How many of the strongest events and leads make cells.
    """
    n_events = len(events) - (events.rhythm is not None)
    first, last, n_pruning = prune(value, events, tolerance)
    outside = [*range(first), *range(last, n_events)]
    names = list(events.names[first:last])
    level = pooled_players(
        events,
        [*([k] for k in range(first, last)), *([outside] if outside else [])],
        [*names, *([PRUNED] if outside else [])],
        "timeshap_events",
    )
    solved = solve(level)
    by_lead = _lead_players(events, range(first, last), bool(outside))
    leads_solved = solve(by_lead)
    strongest = np.argsort(-np.abs(solved.values[: last - first]), kind="stable")[:top_events] + first
    n_leads = len(events.leads)
    chosen = np.sort(np.argsort(-np.abs(leads_solved.values[:n_leads]), kind="stable")[:top_leads])
    by_cell = _cell_players(events, sorted(strongest.tolist()), chosen.tolist())
    return TimeShap((first, last), n_pruning, (level, solved), (by_lead, leads_solved), (by_cell, solve(by_cell)))


def prune(value: Value, events: Players, tolerance: float) -> tuple[int, int, int]:
    """Find the stretch of events that matters: its first event, one past its last, and the evaluations this took.

    A stretch at an end is one player, all else (with the rhythm) the other. The longest stretch is pruned for which its
    Shapley value and those of all shorter ones are within the tolerance. At least one event is left.
    """
    n_events = len(events) - (events.rhythm is not None)
    before = np.tri(n_events - 1, len(events), 0, dtype=bool)  # row k: events 0 .. k
    after = before[:, ::-1] if events.rhythm is None else np.roll(before[:, ::-1], -1, axis=1)
    ends = np.array([[True] * len(events), [False] * len(events)])
    masks = np.concatenate([ends, before, ~before, after, ~after])
    y = value(masks, events)
    full, empty = float(y[0]), float(y[1])
    alone_before, rest_before, alone_after, rest_after = np.split(y[2:], 4)
    limit = tolerance * abs(full - empty)

    def harmless(alone: Array, rest: Array) -> int:
        shapley = 0.5 * ((alone - empty) + (full - rest))
        return int(np.argmax(np.append(np.abs(shapley) > limit, True)))

    first = harmless(alone_before, rest_before)
    last = max(n_events - harmless(alone_after, rest_after), first + 1)
    return first, last, len(masks)


def _lead_players(events: Players, kept: range, pruned: bool) -> Players:
    """Each lead of the kept stretch is a player; what was pruned is one."""
    split = split_leads(events, list(kept))
    size, n_leads = len(kept), len(events.leads)
    pools = [list(range(lead * size, (lead + 1) * size)) for lead in range(n_leads)]
    rest = [[n_leads * size]] if pruned else []
    return pooled_players(split, pools + rest, [*events.leads, *([PRUNED] if pruned else [])], "timeshap_leads")


def _cell_players(events: Players, strongest: list[int], leads: list[int]) -> Players:
    """Each chosen lead of each chosen event is a player; all else is one."""
    split = split_leads(events, strongest)
    size = len(strongest)
    cells = [lead * size + k for lead in leads for k in range(size)]
    n_cells = len(split) - (split.rhythm is not None)
    rest = [k for k in range(n_cells) if k not in set(cells)]
    names = [split.names[k] for k in cells]
    pools = [[k] for k in cells] + ([rest] if rest else [])
    return pooled_players(split, pools, [*names, *([REST] if rest else [])], "timeshap_cells")
