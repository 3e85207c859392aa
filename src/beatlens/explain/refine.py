"""From events to leads: segments over all leads first, then the leads inside the strongest segments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beatlens.explain.kernelshap import solve_kernelshap
from beatlens.explain.lime import solve_lime
from beatlens.explain.players import Players, refined_players, segment_players
from beatlens.explain.sampling import shapley_coalitions, uniform_coalitions
from beatlens.explain.settings import ExplainSettings
from beatlens.explain.solution import Solution
from beatlens.seeds import derive_seed

Value = Callable[[npt.NDArray[np.bool_], Players], npt.NDArray[np.float64]]
"""The target under (M, n_players) masks of players."""


@dataclass(frozen=True)
class Refined:
    """Values of the refined players, and of the segments that they were chosen by.

    Attributes
    ----------
    players, solution
        Cells (lead x segment) of the strongest segments, the pooled rest, the rhythm.
    events, event_solution
        Segments over all leads and the rhythm.
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
        ``lime`` or ``kernelshap``.
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
    if method != "kernelshap":
        raise ValueError(f"explain.methods: {method!r}; expected 'lime' or 'kernelshap'")
    coalitions = shapley_coalitions(len(players), settings.kernelshap.samples, rng)
    return solve_kernelshap(coalitions, value(coalitions.masks, players))


def explain_refined(
    value: Value,
    leads: tuple[str, ...],
    edges: npt.NDArray[np.int64],
    method: str,
    settings: ExplainSettings,
    seed: int,
) -> Refined:
    """Explain segments over all leads, then the leads of the strongest ones with the rest pooled as one player.

    The strongest segments are those of largest absolute value; equal ones in time order. Nothing but their values
    enters the choice. With one lead the second stage parts the strongest segments from the pooled rest.

    Parameters
    ----------
    value
        Target under masks.
    leads
        Lead names.
    edges
        (n_segments + 1,) samples of the record.
    method, settings, seed
        As for `solve`.
    """
    events = segment_players(leads, edges, settings.rhythm)
    event_solution = solve(value, events, method, settings, seed)
    strength = np.abs(event_solution.values[: len(edges) - 1])
    strongest = np.argsort(-strength, kind="stable")[: settings.top_segments]
    players = refined_players(leads, edges, strongest.tolist(), settings.rhythm)
    return Refined(players, solve(value, players, method, settings, seed), events, event_solution)
