"""Walk over the cases of a run and score the explanations of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.evaluate.explanations.case_scores import score_case
from beatlens.evaluate.explanations.regions import Region
from beatlens.evaluate.explanations.table import CaseScores
from beatlens.evaluate.explanations.truths import Labels
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.explain.case.choice import Case, record_by_record
from beatlens.explain.case.target import Target
from beatlens.explain.engine.perturbation import PerturbationEngine
from beatlens.explain.explainer import case_edges, case_engine, explain_case
from beatlens.explain.result.archive import load_case
from beatlens.explain.settings import ExplainSettings, KernelShapSettings
from beatlens.inputs.record_view import RecordViews
from beatlens.prediction.bundle import Bundle

if TYPE_CHECKING:
    import pandas as pd

NULL_SAMPLES = 400
"""Most masks for a set of players in the explanation of another class. A null needs no small error."""


def score_cases(
    cases: pd.DataFrame,
    views: RecordViews,
    bundle: Bundle,
    methods: Mapping[str, Path],
    evaluate: EvaluateSettings,
    explain: ExplainSettings,
    regions: Sequence[Region],
    seed: int,
    device: str = "cpu",
) -> Iterator[CaseScores]:
    """Score every case, in the order of the case table.

    Parameters
    ----------
    cases
        The case table.
    views
        The run's records.
    bundle
        The trained model.
    methods
        Method -> directory of ``<case>.npz``.
    evaluate, explain
        Sections of the configuration.
    regions
        Diagnostic regions (`beatlens.evaluate.explanations.regions.read_regions`).
    seed
        The run's seed.
    device
        ``cpu`` or ``cuda``.
    """
    network = bundle.network(device)

    def scored(case: Case) -> CaseScores:
        engine, target = case_engine(case, views, bundle, network, explain, device)
        attributions = {name: load_case(folder, case.case) for name, folder in methods.items()}
        edges = case_edges(engine.scene, explain)
        wrong = partial(wrong_class, case, engine, target, explain, seed)
        labels = record_labels(case, views, regions)
        return score_case(case, attributions, engine, target, edges, labels, wrong, evaluate, seed)

    return record_by_record(cases, scored)


def record_labels(case: Case, views: RecordViews, regions: Sequence[Region]) -> Labels:
    """Return what is known of a case's record."""
    shard = views.shard_of(case.corpus, case.record)
    truth = shard.truth
    spans = truth[(truth["corpus"] == case.corpus) & (truth["record"] == case.record)]
    codes = str(shard.row(case.corpus, case.record).dx).split(";")
    return Labels(views.of(case.corpus, case.record).record.beats, spans, regions, codes)


def wrong_class(
    case: Case, engine: PerturbationEngine, target: Target, settings: ExplainSettings, seed: int
) -> npt.NDArray[np.float64]:
    """Explain, with the same engine and by KernelSHAP, the class that the model holds for the next likely.

    Parameters
    ----------
    case, engine, target
        As the case was explained with.
    settings
        Section ``explain``.
    seed
        The run's seed.

    Returns
    -------
    (n_leads, n_samples) values
    """
    scene = engine.scene
    edges = case_edges(scene, settings)
    cells = np.ones((1, len(scene.leads), len(edges) - 1), dtype=bool)
    logits, _ = engine.outputs(cells, np.ones(1, dtype=bool), edges)
    strength = logits[0].max(axis=0)
    strength[target.class_index] = -np.inf
    other = Target(target.kind, int(strength.argmax()), target.units)
    cheap = replace(settings, kernelshap=KernelShapSettings(min(settings.kernelshap.samples, NULL_SAMPLES)))
    values = explain_case(case, engine, other, "kernelshap", cheap, seed).values
    return values.astype(np.float64)
