"""Explain one case: scene, engine, method, and the attribution with everything one needs to judge it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.core.seeds import derive_seed
from beatlens.explain.case.baselines import CONTRAST, INTERPOLATION
from beatlens.explain.case.choice import Case, record_by_record
from beatlens.explain.case.contrast import find_contrast
from beatlens.explain.case.scene import Scene, make_scene
from beatlens.explain.case.target import Target
from beatlens.explain.case.windows import target_rows
from beatlens.explain.engine.perturbation import PerturbationEngine
from beatlens.explain.methods.registry import explain
from beatlens.explain.players.waves import scene_edges
from beatlens.explain.result.attribution import Attribution, rhythm_share
from beatlens.explain.settings import ExplainSettings
from beatlens.inputs.record_view import RecordViews
from beatlens.prediction.bundle import Bundle
from beatlens.shards.shard import Shard

if TYPE_CHECKING:
    import pandas as pd

    from beatlens.models.hybrid import HybridNet

logger = logging.getLogger(__name__)


def case_engine(
    case: Case,
    views: RecordViews,
    bundle: Bundle,
    network: HybridNet,
    settings: ExplainSettings,
    device: str = "cpu",
) -> tuple[PerturbationEngine, Target]:
    """Build the engine and the target of a case.

    The baseline ``contrast_beat`` needs a beat of another class (`beatlens.explain.case.contrast`); where there is
    none, the engine has the baseline ``interpolation`` (`PerturbationEngine.baseline` says which one it has).

    Parameters
    ----------
    case
        The case.
    views
        The run's records.
    bundle, network
        The trained model; the network on `device`.
    settings
        Section ``explain``.
    device
        ``cpu`` or ``cuda``.
    """
    if case.case_class not in bundle.classes:
        raise ValueError(f"case {case.case}: class {case.case_class!r}; expected one of {bundle.classes}")
    view = views.of(case.corpus, case.record)
    rows = target_rows(case, view.record.beats)
    scene = replace(make_scene(view.record, rows, bundle.spec.beats), look_alikes=view.look_alikes)
    baseline = settings.baseline
    if baseline == CONTRAST:
        row = int(np.flatnonzero(view.record.beats["beat_id"].to_numpy() == case.beat_id)[0])
        contrast = find_contrast(views, view, row, case.case_class, bundle.bank)
        if contrast:
            scene = replace(scene, contrast=contrast.wave, contrast_name=f"{contrast.label} ({contrast.source})")
        else:
            baseline = INTERPOLATION
    target = Target(case.target, bundle.classes.index(case.case_class), settings.target)
    engine = PerturbationEngine(
        scene,
        network,
        bank=bundle.bank,
        calibration=bundle.calibration,
        baseline=baseline,
        device=device,
        lead_off=settings.lead_off,
    )
    return engine, target


def case_edges(scene: Scene, settings: ExplainSettings) -> npt.NDArray[np.int64]:
    """Return the segment edges of a case, which follow its R peaks."""
    return scene_edges(scene, settings.segment_s)


def explain_case(
    case: Case, engine: PerturbationEngine, target: Target, method: str, settings: ExplainSettings, seed: int
) -> Attribution:
    """Explain one case with one method.

    Parameters
    ----------
    case
        The case.
    engine, target
        Of `case_engine`.
    method
        One of `beatlens.explain.methods.registry.TABLE`.
    settings
        Section ``explain``.
    seed
        The run's seed; record, beat, method and player set are mixed in.
    """
    scene = engine.scene
    own_seed = derive_seed(seed, case.corpus, case.record, case.beat_id, case.target)
    found = explain(engine, target, method, settings, own_seed)
    values = found.values.astype(np.float32)
    meta = {
        "case": case.case,
        "corpus": case.corpus,
        "record": case.record,
        "beat_id": case.beat_id,
        "target": case.target,
        "class": case.case_class,
        "method": method,
        "units": found.units,
        "spread": found.spread,
        "players": {**found.players, "segment_s": settings.segment_s},
        "baseline": engine.baseline,
        "contrast": scene.contrast_name,
        "lead_off": engine.lead_off,
        "seed": own_seed,
        "n_evaluations": found.n_evaluations,
        "standard_error": found.standard_error,
        "completeness_error": found.completeness_error,
        "full": found.full,
        "empty": found.empty,
        "rhythm": found.rhythm,
        "rhythm_share": rhythm_share(values, found.rhythm, found.more.get("unassigned", 0.0)),
        **found.more,
    }
    return Attribution(values, scene.leads, scene.geometry.fs, scene.start_s, meta)


def explain_shard(
    cases: pd.DataFrame,
    shard: Shard,
    views: RecordViews,
    bundle: Bundle,
    method: str,
    settings: ExplainSettings,
    seed: int,
    device: str = "cpu",
) -> Iterator[Attribution]:
    """Explain the cases whose records a shard holds, in the order of the case table.

    Parameters
    ----------
    cases
        The case table of all shards.
    shard
        One of the shards of `views`.
    views, bundle, method, settings, seed, device
        As for `case_engine` and `explain_case`.
    """
    network = bundle.network(device)

    def explained(case: Case) -> Attribution:
        engine, target = case_engine(case, views, bundle, network, settings, device)
        result = explain_case(case, engine, target, method, settings, seed)
        scene = engine.scene
        logger.info(
            "%s: baseline %s %s, %d evaluations, %d encodings",
            case.case,
            engine.baseline,
            scene.contrast_name,
            engine.n_evaluations,
            engine.n_encoded,
        )
        return result

    here = [key in shard for key in zip(cases["corpus"], cases["record"], strict=True)]
    yield from record_by_record(cases[np.array(here, dtype=bool)], explained)
