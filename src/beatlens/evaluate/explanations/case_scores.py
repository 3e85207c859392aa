"""Scores of one case's explanations beside their nulls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from beatlens.core.seeds import derive_seed
from beatlens.evaluate.explanations.cohort import case_parts
from beatlens.evaluate.explanations.decoys import case_decoys, decoy_scores
from beatlens.evaluate.explanations.model_scores import model_scores
from beatlens.evaluate.explanations.table import CaseScores, Score
from beatlens.evaluate.explanations.truths import PLANTED, Labels, NullMaps, case_truths, localisation_scores
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.explain.explainer import PreparedCase
from beatlens.explain.result.attribution import Attribution

Array = npt.NDArray[np.float64]
logger = logging.getLogger(__name__)


def rhythm_scores(attributions: Mapping[str, Attribution], n_cells: int) -> Iterator[Score]:
    """Give the rhythm's share of the mass, and the share that it would have if all players counted alike."""
    for method, attribution in attributions.items():
        if attribution.rhythm_share is not None:
            yield Score(method, "rhythm_share", "", attribution.rhythm_share, "uniform", 1 / (n_cells + 1))


def score_case(
    prepared: PreparedCase,
    attributions: Mapping[str, Attribution],
    *,
    labels: Labels,
    wrong: Callable[[], Array] | None,
    settings: EvaluateSettings,
    seed: int,
) -> CaseScores:
    """Score every method on one case.

    Parameters
    ----------
    prepared
        The case, as it was explained.
    attributions
        Method -> attribution of this case.
    labels
        What is known of the record. There are scores against a truth only where one follows from this.
    wrong
        Returns the values of an explanation of another class, for a null; None for none.
    settings
        Section ``evaluate``.
    seed
        The run's seed; the case is mixed in.
    """
    case, engine, edges = prepared.case, prepared.engine, prepared.edges
    instance = engine.instance
    for method, attribution in attributions.items():
        expected = (instance.record.leads, (len(instance.record.leads), instance.stop - instance.start))
        if (attribution.leads, attribution.values.shape) != expected:
            raise ValueError(
                f"{method}/{case.case}: leads {attribution.leads}, values {attribution.values.shape}; "
                f"expected {expected}"
            )
    own_seed = derive_seed(seed, "evaluate", case.corpus, case.record, case.beat_id)
    scores = list(rhythm_scores(attributions, len(instance.record.leads) * (len(edges) - 1)))
    truths, lengths = case_truths(case, instance, labels), np.diff(edges)
    maps = NullMaps.of(engine, lengths, wrong() if wrong and truths else None, settings.random_draws, own_seed)
    beat = case.target == "beat"
    scores += model_scores(prepared, attributions, maps, settings=settings, seed=own_seed, greedy=beat)
    for name, truth in truths.items():
        scores += localisation_scores(attributions, name, truth, maps, lengths)
    decoys = case_decoys(prepared, labels) if PLANTED in truths else None
    if decoys:
        scores += decoy_scores(prepared, attributions, truths[PLANTED], decoys, maps, seed=own_seed)
    parts = case_parts(case, attributions, instance, edges) if beat else None
    record = f"{case.corpus}/{case.record}"
    return CaseScores(case.case, record, prepared.patient, case.case_class, tuple(scores), parts)
