"""The explanation methods, each from an engine and a target to values with the error that it knows of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from beatlens.explain.anatomy import EVENT_SETS, event_players
from beatlens.explain.differentiable import SignalModel
from beatlens.explain.engine import PerturbationEngine
from beatlens.explain.gradients import Gradients, class_activation, path_gradients
from beatlens.explain.occlusion import occlusion_masks, solve_occlusion
from beatlens.explain.players import Players, cell_players, lead_players, split_leads
from beatlens.explain.refine import explain_refined, solve
from beatlens.explain.settings import ExplainSettings
from beatlens.explain.solution import Solution
from beatlens.explain.target import Target
from beatlens.explain.timeshap import explain_timeshap

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Explained:
    """What a method finds.

    Attributes
    ----------
    values
        (L, window) float64.
    units
        The target's, or ``relative``.
    rhythm
        Value of the rhythm, None where it was no player.
    full, empty, completeness_error, n_evaluations
        As in `beatlens.explain.solution.Solution`.
    players
        Kind, names and values of the players; no names where each sample is its own.
    standard_error
        Of each player, or None where the method has none or there were too few evaluations.
    more
        Further metadata, such as the players of earlier stages.
    """

    values: Array
    units: str
    rhythm: float | None
    full: float
    empty: float
    completeness_error: float
    n_evaluations: int
    players: Mapping[str, Any]
    standard_error: list[float] | None
    more: Mapping[str, Any] = field(default_factory=dict)


Method = Callable[[PerturbationEngine, Target, ExplainSettings, int], Explained]


def _sampled(
    engine: PerturbationEngine, target: Target, settings: ExplainSettings, seed: int, *, method: str
) -> Explained:
    """LIME and KernelSHAP: events, then leads in the strongest events; leads and cells in one stage."""
    value = partial(_value, engine, target)
    if settings.players in EVENT_SETS:
        events = event_players(engine.scene, settings.players, settings.segment_s, settings.rhythm)
        refined = explain_refined(value, events, method, settings, seed)
        more = {"events": described(refined.events, refined.event_solution.values)}
        return _from_players(refined.players, refined.solution, target, refined.n_evaluations, more)
    players = _direct_players(engine, settings)
    solution = solve(value, players, method, settings, seed)
    return _from_players(players, solution, target, solution.n_evaluations, {})


def _timeshap(engine: PerturbationEngine, target: Target, settings: ExplainSettings, seed: int) -> Explained:
    kind = settings.players if settings.players in EVENT_SETS else "segments"
    value = partial(_value, engine, target)
    found = explain_timeshap(
        value,
        lambda players: solve(value, players, "timeshap", settings, seed),
        event_players(engine.scene, kind, settings.segment_s, settings.rhythm),
        tolerance=settings.timeshap.tolerance,
        top_events=settings.top_segments,
        top_leads=settings.timeshap.top_leads,
    )
    more = {
        "events": described(found.events[0], found.events[1].values),
        "leads": described(found.leads[0], found.leads[1].values),
        "kept": list(found.kept),
    }
    return _from_players(*found.cells, target, found.n_evaluations, more)


def _occlusion(engine: PerturbationEngine, target: Target, settings: ExplainSettings, seed: int) -> Explained:
    """Each player of each lead alone; nothing is drawn, so the seed has no part in it."""
    if settings.players in EVENT_SETS:
        events = event_players(engine.scene, settings.players, settings.segment_s, settings.rhythm)
        players = split_leads(events, range(len(events) - (events.rhythm is not None)))
    else:
        players = _direct_players(engine, settings)
    solution = solve_occlusion(_value(engine, target, occlusion_masks(len(players)), players), len(players))
    return _from_players(players, solution, target, solution.n_evaluations, {})


def _path(
    engine: PerturbationEngine, target: Target, settings: ExplainSettings, seed: int, *, at_end: bool
) -> Explained:
    steps = settings.integrated_gradients.steps
    found = path_gradients(_model(engine, target), engine.baseline, steps=steps, rhythm=settings.rhythm, at_end=at_end)
    return _from_gradients(found, target.units)


def _activation(
    engine: PerturbationEngine, target: Target, settings: ExplainSettings, seed: int, *, guided: bool
) -> Explained:
    return _from_gradients(class_activation(_model(engine, target), engine.baseline, guided=guided), "relative")


TABLE: Mapping[str, Method] = {
    "lime": partial(_sampled, method="lime"),
    "kernelshap": partial(_sampled, method="kernelshap"),
    "timeshap": _timeshap,
    "occlusion": _occlusion,
    "integrated_gradients": partial(_path, at_end=False),
    "gradient_input": partial(_path, at_end=True),
    "gradcam": partial(_activation, guided=False),
    "guided_gradcam": partial(_activation, guided=True),
}


def explain(engine: PerturbationEngine, target: Target, method: str, settings: ExplainSettings, seed: int) -> Explained:
    """Explain a target by one of the methods of `TABLE`.

    Parameters
    ----------
    engine, target
        The case.
    method
        Name of the method.
    settings
        Section ``explain``.
    seed
        Of the case; the method and the name of each player set are mixed in.
    """
    if method not in TABLE:
        raise ValueError(f"explain.methods: {method!r}; expected one of {tuple(TABLE)}")
    return TABLE[method](engine, target, settings, seed)


def described(players: Players, values: Array) -> dict[str, Any]:
    """Return players with their values, as metadata."""
    return {"kind": players.kind, "names": list(players.names), "values": values.tolist()}


def _value(engine: PerturbationEngine, target: Target, masks: npt.NDArray[np.bool_], players: Players) -> Array:
    return engine.values(masks, players, target)


def _model(engine: PerturbationEngine, target: Target) -> SignalModel:
    return SignalModel(engine.scene, engine.network, engine.bank, engine.calibration, target, engine.device)


def _direct_players(engine: PerturbationEngine, settings: ExplainSettings) -> Players:
    edges = event_players(engine.scene, "segments", settings.segment_s, settings.rhythm).edges
    make = lead_players if settings.players == "leads" else cell_players
    return make(engine.scene.leads, edges, settings.rhythm)


def _from_players(
    players: Players, solution: Solution, target: Target, n_evaluations: int, more: Mapping[str, Any]
) -> Explained:
    error = solution.standard_error
    return Explained(
        players.spread(solution.values),
        target.units,
        None if players.rhythm is None else float(solution.values[players.rhythm]),
        solution.full,
        solution.empty,
        solution.completeness_error,
        n_evaluations,
        described(players, solution.values),
        error.tolist() if np.isfinite(error).all() else None,
        more,
    )


def _from_gradients(found: Gradients, units: str) -> Explained:
    return Explained(
        found.values,
        units,
        found.rhythm,
        found.full,
        found.empty,
        found.completeness_error,
        found.n_evaluations,
        {"kind": "samples", "names": [], "values": []},
        None,
    )
