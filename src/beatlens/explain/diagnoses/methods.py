"""The methods that explain diagnoses: those of `beatlens.explain.methods` that suit a whole record.

A diagnosis shows in many beats alike, so that no single segment counts for much. LIME and KernelSHAP have two scales
here: whole beats, which say which beats count, and each wave of all beats in each lead, which say what counts. The mean
of the two keeps the sum of the values. A player's value goes to its samples in proportion to how far the baseline
changes them. The events of TimeSHAP are beats: the network pools them, as a recurrent one goes through steps. Class
activation maps and attention don't apply: there is no feature map, and what the network attends to is whole beats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt

from beatlens.explain.diagnoses.engine import RecordEngine
from beatlens.explain.diagnoses.gradients import record_gradients
from beatlens.explain.diagnoses.players import waves_in_leads
from beatlens.explain.diagnoses.target import DiagnosisTarget
from beatlens.explain.methods.explained import Explained
from beatlens.explain.methods.refine import solve
from beatlens.explain.methods.registry import along_path, from_players, occlusion, timeshap
from beatlens.explain.players.coalition import Players
from beatlens.explain.players.waves import beat_players
from beatlens.explain.result.metadata import EarlierStages
from beatlens.explain.settings import ExplainSettings

Method = Callable[[RecordEngine, DiagnosisTarget, ExplainSettings, int], Explained]


def _sampled(
    engine: RecordEngine, target: DiagnosisTarget, settings: ExplainSettings, seed: int, *, method: str
) -> Explained:
    instance = engine.instance

    def value(masks: npt.NDArray[np.bool_], players: Players) -> npt.NDArray[np.float64]:
        return engine.values(masks, players, target)

    sets = [beat_players(instance, settings.rhythm), waves_in_leads(instance, settings.rhythm)]
    scales = [(players, solve(value, players, method, settings, seed)) for players in sets]
    return from_players(engine, scales, target, 0, EarlierStages())


def _path(
    engine: RecordEngine, target: DiagnosisTarget, settings: ExplainSettings, seed: int, *, at_end: bool
) -> Explained:
    """Gradients; nothing is drawn, so the seed has no part in it."""
    steps = settings.integrated_gradients.steps
    found = record_gradients(engine, target, steps=steps, rhythm=settings.rhythm, at_end=at_end)
    return along_path(found, target.units, at_end=at_end)


TABLE: Mapping[str, Method] = {
    "lime": partial(_sampled, method="lime"),
    "kernelshap": partial(_sampled, method="kernelshap"),
    "timeshap": partial(timeshap, kind="beats"),
    "occlusion": occlusion,
    "integrated_gradients": partial(_path, at_end=False),
    "gradient_input": partial(_path, at_end=True),
}
