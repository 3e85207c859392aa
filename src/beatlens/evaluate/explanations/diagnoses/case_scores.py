"""Scores of one explained diagnosis beside their nulls: where it lies, and whether the model follows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.core.seeds import derive_seed
from beatlens.evaluate.explanations.case_scores import rhythm_scores
from beatlens.evaluate.explanations.diagnoses.cohort import DiagnosisParts, wave_shares
from beatlens.evaluate.explanations.diagnoses.truths import RecordLabels, diagnosis_truths, truth_of
from beatlens.evaluate.explanations.faithfulness import CellValue, cell_sums
from beatlens.evaluate.explanations.localisation import Grid
from beatlens.evaluate.explanations.model_scores import area_scores, span_scores, subset_scores
from beatlens.evaluate.explanations.nulls import fixed_nulls, random_maps
from beatlens.evaluate.explanations.regions import Region
from beatlens.evaluate.explanations.table import CaseScores, Score
from beatlens.evaluate.explanations.truths import NullMaps, localisation_scores
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.explain.case.baselines import fill_signal
from beatlens.explain.diagnoses.cases import case_rows
from beatlens.explain.diagnoses.explainer import DiagnosisExplainer, PreparedDiagnosis
from beatlens.explain.diagnoses.target import DiagnosisTarget
from beatlens.explain.result.archive import load_case
from beatlens.explain.result.attribution import Attribution

if TYPE_CHECKING:
    import pandas as pd

IntArray = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]

NULLS = ("empty", "uniform", "signal", "r_peak", "change")
"""Maps that know nothing of the model (`beatlens.evaluate.explanations.nulls.fixed_nulls`), beside random ones."""


def score_diagnoses(
    cases: pd.DataFrame,
    explainer: DiagnosisExplainer,
    methods: Mapping[str, Path],
    *,
    settings: EvaluateSettings,
    regions: Sequence[Region],
    codes: Mapping[str, frozenset[str]],
) -> Iterator[tuple[CaseScores, DiagnosisParts]]:
    """Score every case, in the order of the case table, and sum up what it uses.

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
    codes
        Of each diagnosis: its id and its codes (`beatlens.explain.diagnoses.cases.codes_of`).
    """
    for case in case_rows(cases):
        prepared = explainer.prepare(case)
        attributions = {name: load_case(folder, case.case) for name, folder in methods.items()}
        spans = truth_of(explainer.shard_of(case), case.corpus, case.record)
        labels = RecordLabels(case.diagnosis, codes[case.diagnosis], spans, regions)
        yield score_diagnosis(prepared, attributions, labels, settings=settings, seed=explainer.seed)


def score_diagnosis(
    prepared: PreparedDiagnosis,
    attributions: Mapping[str, Attribution],
    labels: RecordLabels,
    *,
    settings: EvaluateSettings,
    seed: int,
) -> tuple[CaseScores, DiagnosisParts]:
    """Score every method that applies to a case, and sum up the fused explanation (or the only one) by wave and lead.

    A truth says where the diagnosis shows, so it serves only explanations of records that have it.

    Parameters
    ----------
    prepared
        The case, as it was explained.
    attributions
        Method -> attribution of this case.
    labels
        What is known of the record.
    settings
        Section ``evaluate``.
    seed
        The run's seed; the case is mixed in.
    """
    case, instance, edges = prepared.case, prepared.instance, prepared.edges
    leads, lengths = instance.record.leads, np.diff(edges)
    grid = Grid(leads, instance.record.geometry.fs, 0.0, instance.stop)
    for method, attribution in attributions.items():
        if (attribution.leads, attribution.values.shape) != (leads, grid.shape):
            raise ValueError(
                f"{method}/{case.case}: leads {attribution.leads}, values {attribution.values.shape}; "
                f"expected {leads}, {grid.shape}"
            )
    case_seed = derive_seed(seed, "evaluate", case.corpus, case.record, case.diagnosis)
    applied = {name: attribution for name, attribution in attributions.items() if not attribution.meta.absent}
    scores: list[Score] = []
    if applied:
        nulls = record_nulls(prepared, lengths, settings.random_draws, case_seed)
        scores += rhythm_scores(applied, len(leads) * len(lengths))
        scores += _model_scores(prepared, applied, nulls, settings=settings, seed=case_seed)
        truths = diagnosis_truths(labels, grid, instance.r_index) if case.outcome == "correct" else {}
        for name, truth in truths.items():
            scores += localisation_scores(applied, name, truth, nulls, lengths)
    shown = attributions["fused"] if "fused" in attributions else next(iter(attributions.values()))
    parts = DiagnosisParts(prepared.patient, case.diagnosis, case.outcome, wave_shares(shown, instance))
    record = f"{case.corpus}/{case.record}"
    return CaseScores(case.case, record, prepared.patient, case.diagnosis, tuple(scores)), parts


def record_nulls(prepared: PreparedDiagnosis, lengths: IntArray, draws: int, seed: int) -> NullMaps:
    """Return `NULLS` and random maps of a record, with segments of the given lengths (n_segments,)."""
    instance = prepared.instance
    signal = np.array(instance.window)
    change = np.abs(signal.astype(np.float64) - fill_signal(instance, prepared.engine.baseline))
    fixed = fixed_nulls(signal, change, instance.r_index, [], instance.record.geometry.fs)
    rng = np.random.default_rng(derive_seed(seed, "random_maps"))
    random = random_maps(len(instance.record.leads), lengths, draws, rng)
    return NullMaps({**{name: [fixed[name]] for name in NULLS}, "random": random})


def _model_scores(
    prepared: PreparedDiagnosis,
    attributions: Mapping[str, Attribution],
    nulls: NullMaps,
    *,
    settings: EvaluateSettings,
    seed: int,
) -> Iterator[Score]:
    """Change cells of the record as the explanations say, and watch the diagnosis."""
    lengths = np.diff(prepared.edges)
    cells = {method: cell_sums(attribution.values, lengths) for method, attribution in attributions.items()}
    blind = {name: cell_sums(maps[0], lengths) for name, maps in nulls.maps.items() if name not in {"empty", "random"}}
    probability = _value(prepared, replace(prepared.target, units="probability"))
    yield from area_scores(cells, probability, settings, seed, "model")
    yield from span_scores(cells, lengths, probability, settings, seed)
    yield from subset_scores(cells, blind, _value(prepared, prepared.target), seed)


def _value(prepared: PreparedDiagnosis, target: DiagnosisTarget) -> CellValue:
    def value(cells_on: npt.NDArray[np.bool_]) -> Array:
        return prepared.engine.cell_values(cells_on, np.ones(len(cells_on), dtype=bool), prepared.edges, target)

    return value
