"""The explanation methods: each takes an engine and a target, and gives values with an estimate of their error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from beatlens.explain.case.baselines import fill_of_players
from beatlens.explain.case.target import Target
from beatlens.explain.engine.differentiable import SignalModel
from beatlens.explain.engine.perturbation import PerturbationEngine
from beatlens.explain.methods.activation_maps import ActivationMap, gradcam, gradcam_plus_plus, hirescam
from beatlens.explain.methods.attention import SPREAD_OF_TOKENS, attention_map
from beatlens.explain.methods.explained import Explained, Masked, Wanted
from beatlens.explain.methods.gradients import Gradients, class_activation, path_gradients
from beatlens.explain.methods.occlusion import occlusion_masks, solve_occlusion
from beatlens.explain.methods.refine import screen, solve, strongest_players
from beatlens.explain.methods.solution import Solution
from beatlens.explain.methods.timeshap import explain_timeshap
from beatlens.explain.players.coalition import Players, cell_players, lead_players, split_leads
from beatlens.explain.players.multiscale import (
    BY_CHANGE,
    BY_EVIDENCE,
    cell_evidence,
    join,
    spread_by_change,
    unassigned,
)
from beatlens.explain.players.waves import event_players
from beatlens.explain.result.metadata import EarlierStages, PlayerValues
from beatlens.explain.settings import EVENT_SETS, ExplainSettings

Array = npt.NDArray[np.float64]


Method = Callable[[PerturbationEngine, Target, ExplainSettings, int], Explained]


def _sampled(
    engine: PerturbationEngine, target: Target, settings: ExplainSettings, seed: int, *, method: str
) -> Explained:
    """LIME and KernelSHAP: whole beats, whole beats in their leads, and the strongest events (leads, cells: alone)."""
    value, spent, earlier, evidence = partial(_value, engine, target), 0, EarlierStages(), None
    if settings.players in EVENT_SETS:
        events = event_players(engine.instance, settings.players, settings.segment_s, settings.rhythm)
        screening = screen(value, events)
        earlier = EarlierStages(described(events, screening.values))
        cells = split_leads(events, range(len(events) - (events.rhythm is not None)))
        alone = screen(value, cells)
        spent = screening.n_evaluations + alone.n_evaluations
        evidence = cell_evidence(cells, alone.values, change_of_players(engine, cells))
        beats = event_players(engine.instance, "beats", settings.segment_s, settings.rhythm)
        in_leads = split_leads(beats, range(len(beats) - (beats.rhythm is not None)))
        sets = [beats, in_leads, strongest_players(events, screening.values, settings.top_segments)]
    else:
        sets = [_direct_players(engine, settings)]
    scales = [(players, solve(value, players, method, settings, seed)) for players in sets]
    return from_players(engine, scales, target, spent, earlier, evidence)


def _timeshap(engine: PerturbationEngine, target: Target, settings: ExplainSettings, seed: int) -> Explained:
    kind = settings.players if settings.players in EVENT_SETS else "segments"
    return timeshap(engine, target, settings, seed, kind=kind)


def timeshap(engine: Masked[Wanted], target: Wanted, settings: ExplainSettings, seed: int, *, kind: str) -> Explained:
    """TimeSHAP with the events of a set of `EVENT_SETS`."""
    value = partial(_value, engine, target)
    found = explain_timeshap(
        value,
        lambda players: solve(value, players, "timeshap", settings, seed),
        event_players(engine.instance, kind, settings.segment_s, settings.rhythm),
        tolerance=settings.timeshap.tolerance,
        top_events=settings.timeshap.top_segments,
        top_leads=settings.timeshap.top_leads,
    )
    earlier = EarlierStages(
        described(found.events[0], found.events[1].values),
        described(found.leads[0], found.leads[1].values),
        found.kept,
    )
    spent = found.n_evaluations - found.cells[1].n_evaluations
    return from_players(engine, [found.cells], target, spent, earlier)


def occlusion(engine: Masked[Wanted], target: Wanted, settings: ExplainSettings, seed: int) -> Explained:
    """Each player of each lead alone; nothing is drawn, so the seed has no part in it."""
    if settings.players in EVENT_SETS:
        events = event_players(engine.instance, settings.players, settings.segment_s, settings.rhythm)
        players = split_leads(events, range(len(events) - (events.rhythm is not None)))
    else:
        players = _direct_players(engine, settings)
    solution = solve_occlusion(_value(engine, target, occlusion_masks(len(players)), players), len(players))
    return from_players(engine, [(players, solution)], target, 0, EarlierStages())


def _path(
    engine: PerturbationEngine, target: Target, settings: ExplainSettings, seed: int, *, at_end: bool
) -> Explained:
    steps = settings.integrated_gradients.steps
    found = path_gradients(
        signal_model(engine, target), engine.baseline, steps=steps, rhythm=settings.rhythm, at_end=at_end
    )
    return along_path(found, target.units, at_end=at_end)


def along_path(found: Gradients, units: str, *, at_end: bool) -> Explained:
    """Return the gradients along a path; integrated ones that lack too much of full minus empty don't apply."""
    explained = _from_gradients(found, units)
    if at_end or not found.lacking:  # gradient x input doesn't mean to add up
        return explained
    return replace(explained, values=np.zeros_like(found.values), rhythm=None, absent=found.lacking)


def _activation(
    engine: PerturbationEngine,
    target: Target,
    settings: ExplainSettings,
    seed: int,
    *,
    guided: bool = False,
    kind: ActivationMap = gradcam,
) -> Explained:
    found = class_activation(signal_model(engine, target), engine.baseline, guided=guided, kind=kind)
    return _from_gradients(found, "relative")


def _attention(
    engine: PerturbationEngine, target: Target, settings: ExplainSettings, seed: int, *, kind: str
) -> Explained:
    """Attention of the network; nothing is drawn, so the seed has no part in it."""
    found = attention_map(
        signal_model(engine, target), kind, streams=settings.attention.streams, baseline=engine.baseline
    )
    return Explained(
        values=found.values,
        units="relative",
        rhythm=None,
        full=found.full,
        empty=found.empty,
        completeness_error=None,
        n_evaluations=found.n_evaluations,
        players=PlayerValues("tokens"),
        spread=SPREAD_OF_TOKENS,
    )


TABLE: Mapping[str, Method] = {
    "lime": partial(_sampled, method="lime"),
    "kernelshap": partial(_sampled, method="kernelshap"),
    "timeshap": _timeshap,
    "occlusion": occlusion,
    "integrated_gradients": partial(_path, at_end=False),
    "gradient_input": partial(_path, at_end=True),
    "gradcam": _activation,
    "gradcam_plus_plus": partial(_activation, kind=gradcam_plus_plus),
    "hirescam": partial(_activation, kind=hirescam),
    "guided_gradcam": partial(_activation, guided=True),
    "attention": partial(_attention, kind="attention"),
    "attention_rollout": partial(_attention, kind="attention_rollout"),
    "attention_relevance": partial(_attention, kind="attention_relevance"),
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


def described(players: Players, values: Array) -> PlayerValues:
    """Return players with their values, as metadata."""
    return PlayerValues(players.kind, tuple(players.names), tuple(values.tolist()))


def _value(engine: Masked[Wanted], target: Wanted, masks: npt.NDArray[np.bool_], players: Players) -> Array:
    return engine.values(masks, players, target)


def signal_model(engine: PerturbationEngine, target: Target) -> SignalModel:
    """Return a case's target as a differentiable function of its signal."""
    return SignalModel(
        engine.instance,
        engine.network,
        bank=engine.bank,
        calibration=engine.calibration,
        target=target,
        device=engine.device,
    )


def _direct_players(engine: Masked[Wanted], settings: ExplainSettings) -> Players:
    edges = event_players(engine.instance, "segments", settings.segment_s, settings.rhythm).edges
    make = lead_players if settings.players == "leads" else cell_players
    return make(engine.instance.record.leads, edges, settings.rhythm)


def change_of_players(engine: Masked[Wanted], players: Players) -> Array:
    """Return how far each sample is from what it becomes when its player alone is off."""
    fill = fill_of_players(engine.instance, engine.baseline, players.cell_player, players.edges)
    return np.asarray(np.abs(engine.instance.window.astype(np.float64) - fill))


def from_players(
    engine: Masked[Wanted],
    scales: Sequence[tuple[Players, Solution]],
    target: Wanted,
    spent: int,
    earlier: EarlierStages,
    evidence: Array | None = None,
) -> Explained:
    """Join the scales; `spent` evaluations went into choosing players and into their cells' `evidence`."""
    spread = [
        spread_by_change(players, solution.values, change_of_players(engine, players), evidence)
        for players, solution in scales
    ]
    n = len(scales)
    names, joined = join(scales)
    rhythms = [solution.values[players.rhythm] for players, solution in scales if players.rhythm is not None]
    error = joined.standard_error
    return Explained(
        values=np.mean(spread, axis=0),
        units=target.units,
        rhythm=float(sum(rhythms)) / n if rhythms else None,
        full=joined.full,
        empty=joined.empty,
        completeness_error=joined.completeness_error,
        n_evaluations=spent + joined.n_evaluations,
        players=PlayerValues(
            "+".join(players.kind for players, _ in scales), tuple(names), tuple(joined.values.tolist())
        ),
        standard_error=error.tolist() if np.isfinite(error).all() else None,
        unassigned=sum(unassigned(players, solution.values) / n for players, solution in scales),
        earlier=earlier,
        spread=BY_CHANGE if evidence is None else BY_EVIDENCE,
    )


def _from_gradients(found: Gradients, units: str) -> Explained:
    return Explained(
        values=found.values,
        units=units,
        rhythm=found.rhythm,
        full=found.full,
        empty=found.empty,
        completeness_error=found.completeness_error,
        n_evaluations=found.n_evaluations,
        players=PlayerValues("samples"),
    )
