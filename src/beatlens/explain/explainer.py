"""Build a case once, and explain it: instance, engine, method, and the attribution with all one needs to judge it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.core.seeds import derive_seed
from beatlens.explain.case.baselines import CONTRAST, INTERPOLATION
from beatlens.explain.case.choice import Case, record_by_record
from beatlens.explain.case.contrast import find_contrast
from beatlens.explain.case.instance import Instance, make_instance
from beatlens.explain.case.target import Target
from beatlens.explain.case.windows import target_rows
from beatlens.explain.engine.perturbation import PerturbationEngine
from beatlens.explain.methods.explained import attribution_of
from beatlens.explain.methods.registry import explain
from beatlens.explain.players.waves import instance_edges
from beatlens.explain.result.attribution import Attribution
from beatlens.explain.settings import ExplainSettings
from beatlens.inputs.record_view import RecordView, RecordViews
from beatlens.prediction.bundle import Bundle
from beatlens.shards.shard import Shard

if TYPE_CHECKING:
    import pandas as pd

    from beatlens.models.network import BeatNetwork

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedCase:
    """A case with all that its explanations and their scores need, built once (`Explainer.prepare`).

    Attributes
    ----------
    case
        The case.
    view
        Its record.
    engine, target
        What is perturbed, and what is explained. The engine's `baseline` is ``interpolation`` where
        ``contrast_beat`` was asked for and there is no beat of another class.
    edges
        Segment edges, which follow the R peaks of the case.
    settings
        Section ``explain``.
    seed
        Of the case: the run's with record, beat and kind of target mixed in.
    """

    case: Case
    view: RecordView
    engine: PerturbationEngine
    target: Target
    edges: npt.NDArray[np.int64]
    settings: ExplainSettings
    seed: int

    @property
    def instance(self) -> Instance:
        """The engine's."""
        return self.engine.instance

    @property
    def patient(self) -> str:
        """``corpus/patient``."""
        return self.view.record.patient


@dataclass(frozen=True)
class Explainer:
    """What all cases of a job are explained with.

    Attributes
    ----------
    views
        The run's records.
    bundle, network
        The trained model; the network on `device`.
    settings
        Section ``explain``.
    seed
        The run's.
    device
        ``cpu`` or ``cuda``.
    """

    views: RecordViews
    bundle: Bundle
    network: BeatNetwork
    settings: ExplainSettings
    seed: int
    device: str = "cpu"

    def prepare(self, case: Case) -> PreparedCase:
        """Build a case: its neighbourhood in the record, what it is contrasted with, its engine.

        The baseline ``contrast_beat`` needs a beat of another class (`beatlens.explain.case.contrast`); where there is
        none, the engine has the baseline ``interpolation``.
        """
        bundle, settings = self.bundle, self.settings
        if case.case_class not in bundle.classes:
            raise ValueError(f"case {case.case}: class {case.case_class!r}; expected one of {bundle.classes}")
        view = self.views.of(case.corpus, case.record)
        rows = target_rows(case, view.beats)
        instance = replace(make_instance(view.record, rows, bundle.spec.beats), look_alikes=view.look_alikes)
        baseline: str = settings.baseline
        if baseline == CONTRAST:
            row = int(np.flatnonzero(view.beats["beat_id"].to_numpy() == case.beat_id)[0])
            contrast = find_contrast(self.views, view, row, case.case_class, bundle.bank)
            if contrast:
                instance = replace(
                    instance, contrast=contrast.wave, contrast_name=f"{contrast.label} ({contrast.source})"
                )
            else:
                baseline = INTERPOLATION
        engine = PerturbationEngine(
            instance,
            self.network,
            bank=bundle.bank,
            calibration=bundle.calibration,
            baseline=baseline,
            device=self.device,
            lead_off=settings.lead_off,
        )
        return PreparedCase(
            case=case,
            view=view,
            engine=engine,
            target=Target(case.target, bundle.classes.index(case.case_class), settings.target),
            edges=case_edges(instance, settings),
            settings=settings,
            seed=derive_seed(self.seed, case.corpus, case.record, case.beat_id, case.target),
        )


def case_edges(instance: Instance, settings: ExplainSettings) -> npt.NDArray[np.int64]:
    """Return the segment edges of a case, which follow its R peaks."""
    return instance_edges(instance, settings.segment_s)


def explain_case(prepared: PreparedCase, method: str) -> Attribution:
    """Explain one case with one method, one of `beatlens.explain.methods.registry.TABLE`."""
    case, engine, instance, settings = prepared.case, prepared.engine, prepared.instance, prepared.settings
    found = explain(engine, prepared.target, method, settings, prepared.seed)
    return attribution_of(
        found,
        engine,
        case,
        method=method,
        segment_s=settings.segment_s,
        seed=prepared.seed,
        contrast=instance.contrast_name,
    )


def explain_shard(cases: pd.DataFrame, shard: Shard, explainer: Explainer, method: str) -> Iterator[Attribution]:
    """Explain the cases whose records a shard holds, in the order of the case table.

    Parameters
    ----------
    cases
        The case table of all shards.
    shard
        One of the shards of the explainer's records.
    explainer
        What they are explained with.
    method
        As for `explain_case`.
    """

    def explained(case: Case) -> Attribution:
        prepared = explainer.prepare(case)
        result = explain_case(prepared, method)
        engine = prepared.engine
        logger.info(
            "%s: baseline %s %s, %d evaluations, %d encodings",
            case.case,
            engine.baseline,
            prepared.instance.contrast_name,
            engine.n_evaluations,
            engine.n_encoded,
        )
        if result.meta.absent:
            logger.warning("%s: %s doesn't apply: %s", case.case, method, result.meta.absent)
        return result

    here = [key in shard for key in zip(cases["corpus"], cases["record"], strict=True)]
    yield from record_by_record(cases[np.array(here, dtype=bool)], explained)
