"""Fitting one set of players, and choosing which events become players: all are screened, and the strongest stay."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from beatlens.core.seeds import derive_seed
from beatlens.explain.methods.kernelshap import solve_kernelshap
from beatlens.explain.methods.lime import solve_lime
from beatlens.explain.methods.sampling import shapley_coalitions, uniform_coalitions
from beatlens.explain.methods.solution import Solution, check_targets
from beatlens.explain.players.coalition import REST, Players, pooled_players
from beatlens.explain.settings import ExplainSettings

Value = Callable[[npt.NDArray[np.bool_], Players], npt.NDArray[np.float64]]
"""The target under (M, n_players) masks of players."""


def solve(value: Value, players: Players, method: str, settings: ExplainSettings, seed: int) -> Solution:
    """Explain one set of players with one method.

    Parameters
    ----------
    value
        Target under masks.
    players
        What is switched on and off.
    method
        ``lime``, ``kernelshap`` or ``timeshap``, which is KernelSHAP with a budget of its own.
    settings
        Section ``explain``.
    seed
        Of the case and method; the name of the player set is mixed in.
    """
    rng = np.random.default_rng(derive_seed(seed, method, players.kind))
    if method == "lime":
        coalitions = uniform_coalitions(len(players), settings.lime.samples, rng)
        targets = value(coalitions.masks, players)
        return solve_lime(coalitions, targets, kernel_width=settings.lime.kernel_width, ridge=settings.lime.ridge)
    budgets = {"kernelshap": settings.kernelshap.samples, "timeshap": settings.timeshap.samples}
    if method not in budgets:
        raise ValueError(f"explain.methods: {method!r}; expected 'lime' or one of {tuple(budgets)}")
    coalitions = shapley_coalitions(len(players), budgets[method], rng)
    return solve_kernelshap(coalitions, value(coalitions.masks, players))


def screen(value: Value, events: Players) -> Solution:
    """Return each event's mean contribution as the last to join all others and as the first to join none.

    These are the two ends of the Shapley value's mean over coalitions. The one shows what is needed, the other what
    suffices. Nothing is drawn, so the same events are chosen whatever the seed and the method.

    Parameters
    ----------
    value
        Target under masks.
    events
        Players.
    """
    n = len(events)
    ends = np.array([[True] * n, [False] * n])
    alone = np.eye(n, dtype=bool)
    y = check_targets(value(np.concatenate([ends, ~alone, alone]), events), 2 * n + 2, "screening")
    full, empty = float(y[0]), float(y[1])
    values = 0.5 * ((full - y[2 : n + 2]) + (y[n + 2 :] - empty))
    return Solution(values, np.zeros(n), full, empty, len(y))


def strongest_players(events: Players, values: npt.NDArray[np.float64], count: int) -> Players:
    """Return the strongest events as players of their own, and all others together as one (``"rest"``).

    Parameters
    ----------
    events
        Players.
    values
        (n_players,) of the events (`screen`). The strongest are those of largest magnitude; of equal ones, the earlier.
    count
        Events that stay players, not counting the rhythm.
    """
    n_events = len(events) - (events.rhythm is not None)
    places = np.sort(np.argsort(-np.abs(values[:n_events]), kind="stable")[:count]).tolist()
    rest = [k for k in range(n_events) if k not in places]
    pools, names = [[k] for k in places], [events.names[k] for k in places]
    if rest:
        pools, names = [*pools, rest], [*names, REST]
    return pooled_players(events, pools, names, "strongest")
