"""Explain one case: scene, engine, method, and the attribution with everything one needs to judge it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.bundle import Bundle
from beatlens.explain.anatomy import scene_edges
from beatlens.explain.attribution import Attribution, rhythm_share
from beatlens.explain.baselines import CONTRAST, INTERPOLATION
from beatlens.explain.contrast import beats_elsewhere, find_contrast
from beatlens.explain.engine import PerturbationEngine
from beatlens.explain.methods import explain
from beatlens.explain.scene import Scene, make_scene
from beatlens.explain.settings import ExplainSettings
from beatlens.explain.target import Target
from beatlens.explain.windows import target_beats
from beatlens.inference import predict_record, prepare_record
from beatlens.seeds import derive_seed
from beatlens.shards import Shard

if TYPE_CHECKING:
    import pandas as pd

    from beatlens.models.hybrid import HybridNet

logger = logging.getLogger(__name__)


def case_engine(
    case: Any,
    shard: Shard,
    beats: pd.DataFrame,
    bundle: Bundle,
    network: HybridNet,
    settings: ExplainSettings,
    device: str = "cpu",
    shards: Sequence[Shard] = (),
) -> tuple[PerturbationEngine, Target]:
    """Build the engine and the target of a case.

    The baseline ``contrast_beat`` needs a beat of another class (`beatlens.explain.contrast`); where there is none, the
    engine has the baseline ``interpolation`` (`PerturbationEngine.baseline` says which one it has).

    Parameters
    ----------
    case
        Row of the case table, as a named tuple with the fields corpus, record, beat_id and target; the predicted
        class is `case_class`.
    shard
        Holds the record.
    beats
        The shard's table of detected beats.
    bundle, network
        The trained model; the network on `device`.
    settings
        Section ``explain``.
    device
        ``cpu`` or ``cuda``.
    shards
        All shards of the run, where other records of the patient may lie.
    """
    own = beats[(beats["corpus"] == case.corpus) & (beats["record"] == case.record)].reset_index(drop=True)
    if own.empty:
        raise ValueError(f"{shard.path}: no beats of {case.corpus}/{case.record}; expected those of case {case.case}")
    if case.case_class not in bundle.classes:
        raise ValueError(f"case {case.case}: class {case.case_class!r}; expected one of {bundle.classes}")
    targets, baseline, contrast = target_beats(case, own), settings.baseline, None
    scene = make_scene(shard, own, targets, bundle.spec)
    table, found = predict_record(prepare_record(shard, own, bundle.spec), "", bundle, network, device)
    scene = replace(scene, look_alikes=found.look_alikes)
    if baseline == CONTRAST:
        at_target = table.loc[table["beat_id"] == case.beat_id, [f"p_{name}" for name in bundle.classes]]
        contrast = find_contrast(
            scene,
            case.case_class,
            table["pred"].to_numpy(),
            table["review"].to_numpy(dtype=bool),
            at_target.to_numpy(dtype=np.float64)[0],
            bundle.classes,
            bundle.bank,
            lambda label: beats_elsewhere(scene, label, shards, bundle, network, device),
        )
        baseline = CONTRAST if contrast else INTERPOLATION
    if contrast:
        scene = replace(scene, contrast=contrast.wave, contrast_name=f"{contrast.label} ({contrast.source})")
    target = Target(case.target, bundle.classes.index(case.case_class), settings.target)
    engine = PerturbationEngine(scene, network, bundle.bank, bundle.calibration, baseline, device, settings.lead_off)
    return engine, target


def case_edges(scene: Scene, settings: ExplainSettings) -> npt.NDArray[np.int64]:
    """Return the segment edges of a case, which follow its R peaks."""
    return scene_edges(scene, settings.segment_s)


def explain_case(
    case: Any, engine: PerturbationEngine, target: Target, method: str, settings: ExplainSettings, seed: int
) -> Attribution:
    """Explain one case with one method.

    Parameters
    ----------
    case
        Row of the case table (see `case_engine`).
    engine, target
        Of `case_engine`.
    method
        One of `beatlens.explain.methods.TABLE`.
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
    bundle: Bundle,
    method: str,
    settings: ExplainSettings,
    seed: int,
    device: str = "cpu",
    shards: Sequence[Shard] = (),
) -> Iterator[Attribution]:
    """Explain the cases whose records a shard holds, in the order of the case table.

    Parameters
    ----------
    cases
        The case table of all shards.
    shard, bundle, method, settings, seed, device, shards
        As for `case_engine` and `explain_case`.
    """
    network = bundle.network(device)
    beats = shard.beats("detected")
    for case in case_rows(cases):
        if (case.corpus, case.record) in shard:
            engine, target = case_engine(case, shard, beats, bundle, network, settings, device, shards)
            yield explain_case(case, engine, target, method, settings, seed)
            logger.info(
                "%s: baseline %s %s, %d evaluations, %d encodings",
                case.case,
                engine.baseline,
                engine.scene.contrast_name,
                engine.n_evaluations,
                engine.n_encoded,
            )


def case_rows(cases: pd.DataFrame) -> Iterator[Any]:
    """Yield rows of the case table as named tuples; the column ``class`` is the field ``case_class``."""
    yield from cases.rename(columns={"class": "case_class"}).itertuples(index=False)
