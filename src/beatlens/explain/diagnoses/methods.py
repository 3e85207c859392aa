"""The methods that explain diagnoses: those of `beatlens.explain.methods` that suit a whole record.

A diagnosis shows in many beats alike, so that no single segment counts for much. LIME and KernelSHAP have two scales
here: whole beats, which say which beats count, and each wave of all beats in each lead, which say what counts. The mean
of the two keeps the sum of the values. A player's value goes to its samples in proportion to how far the baseline
changes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt

from beatlens.explain.diagnoses.engine import RecordEngine
from beatlens.explain.diagnoses.players import waves_in_leads
from beatlens.explain.diagnoses.target import DiagnosisTarget
from beatlens.explain.methods.explained import Explained
from beatlens.explain.methods.refine import solve
from beatlens.explain.methods.registry import from_players, occlusion
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


TABLE: Mapping[str, Method] = {
    "lime": partial(_sampled, method="lime"),
    "kernelshap": partial(_sampled, method="kernelshap"),
    "occlusion": occlusion,
}
