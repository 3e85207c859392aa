"""From events to leads: events over all leads are screened, then the leads inside the strongest ones explained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beatlens.explain.kernelshap import solve_kernelshap
from beatlens.explain.lime import solve_lime
from beatlens.explain.players import Players, split_leads
from beatlens.explain.sampling import shapley_coalitions, uniform_coalitions
from beatlens.explain.settings import ExplainSettings
from beatlens.explain.solution import Solution, check_targets
from beatlens.seeds import derive_seed

Value = Callable[[npt.NDArray[np.bool_], Players], npt.NDArray[np.float64]]
"""The target under (M, n_players) masks of players."""


@dataclass(frozen=True)
class Refined:
    """Values of the refined players, and of the events that they were chosen by.

    Attributes
    ----------
    players, solution
        Cells (lead x event) of the strongest events, the pooled rest, the rhythm.
    events, event_solution
        Segments, waves or beats over all leads and the rhythm.
    """

    players: Players
    solution: Solution
    events: Players
    event_solution: Solution

    @property
    def n_evaluations(self) -> int:
        """Evaluations of the model in both stages."""
        return self.solution.n_evaluations + self.event_solution.n_evaluations


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

    The two ends of the Shapley value's mean over coalitions: what is needed shows in the one, what suffices in the
    other. Nothing is drawn, so that the same events are chosen whatever the seed and the method.

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


def explain_refined(value: Value, events: Players, method: str, settings: ExplainSettings, seed: int) -> Refined:
    """Screen events over all leads, then explain the leads of the strongest ones with the rest pooled as one player.

    The strongest events are those of largest absolute value in the screening; equal ones in time order. Nothing but
    their values enters the choice. With one lead the second stage parts the strongest events from the pooled rest.

    Parameters
    ----------
    value
        Target under masks.
    events
        Players over all leads (`beatlens.explain.anatomy.event_players`).
    method, settings, seed
        As for `solve`.
    """
    event_solution = screen(value, events)
    n_events = len(events) - (events.rhythm is not None)
    strongest = np.argsort(-np.abs(event_solution.values[:n_events]), kind="stable")[: settings.top_segments]
    players = split_leads(events, strongest.tolist())
    return Refined(players, solve(value, players, method, settings, seed), events, event_solution)
