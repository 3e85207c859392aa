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
from beatlens.explain.explainer import Explainer, PreparedCase, explain_case
from beatlens.explain.result.archive import load_case
from beatlens.explain.settings import KernelShapSettings
from beatlens.inputs.record_view import RecordViews

if TYPE_CHECKING:
    import pandas as pd

NULL_SAMPLES = 400
"""Most masks for a set of players in the explanation of another class. A null needs no small error."""


def score_cases(
    cases: pd.DataFrame,
    explainer: Explainer,
    methods: Mapping[str, Path],
    *,
    settings: EvaluateSettings,
    regions: Sequence[Region],
) -> Iterator[CaseScores]:
    """Score every case, in the order of the case table.

    Parameters
    ----------
    cases
        The case table.
    explainer
        What they were explained with.
    methods
        Method -> directory of ``<case>.npz``.
    settings
        Section ``evaluate``.
    regions
        Diagnostic regions (`beatlens.evaluate.explanations.regions.read_regions`).
    """

    def scored(case: Case) -> CaseScores:
        prepared = explainer.prepare(case)
        loaded = {name: load_case(folder, case.case) for name, folder in methods.items()}
        applied = {name: attribution for name, attribution in loaded.items() if not attribution.meta.absent}
        if not applied:
            return CaseScores(case.case, f"{case.corpus}/{case.record}", prepared.patient, case.case_class, ())
        return score_case(
            prepared,
            applied,
            labels=record_labels(prepared, explainer.views, regions),
            wrong=partial(wrong_class, prepared),
            settings=settings,
            seed=explainer.seed,
        )

    return record_by_record(cases, scored)


def record_labels(prepared: PreparedCase, views: RecordViews, regions: Sequence[Region]) -> Labels:
    """Return what is known of a case's record."""
    case = prepared.case
    shard = views.shard_of(case.corpus, case.record)
    truth = shard.truth
    spans = truth[(truth["corpus"] == case.corpus) & (truth["record"] == case.record)]
    codes = str(shard.row(case.corpus, case.record).dx).split(";")
    return Labels(prepared.view.beats, spans, regions, codes)


def wrong_class(prepared: PreparedCase) -> npt.NDArray[np.float64]:
    """Explain, with the same engine and by KernelSHAP, the class that the model holds for the next likely.

    Returns
    -------
    (n_leads, n_samples) values
    """
    engine, target, edges, settings = prepared.engine, prepared.target, prepared.edges, prepared.settings
    cells = np.ones((1, len(engine.instance.record.leads), len(edges) - 1), dtype=bool)
    logits, _ = engine.outputs(cells, np.ones(1, dtype=bool), edges)
    strength = logits[0].max(axis=0)
    strength[target.class_index] = -np.inf
    other = replace(target, class_index=int(strength.argmax()))
    cheap = replace(settings, kernelshap=KernelShapSettings(min(settings.kernelshap.samples, NULL_SAMPLES)))
    values = explain_case(replace(prepared, target=other, settings=cheap), "kernelshap").values
    return values.astype(np.float64)
