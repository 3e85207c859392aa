"""Scores of one case's explanations beside their nulls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from beatlens.evaluate.cohort import case_parts
from beatlens.evaluate.explanation_table import CaseScores, Score
from beatlens.evaluate.faithfulness import cell_sums, deletion_insertion, greedy_areas, random_area, ranked_cells
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.evaluate.truths import Labels, NullMaps, case_truths, localisation_scores
from beatlens.explain.attribution import Attribution
from beatlens.explain.engine import PerturbationEngine
from beatlens.explain.target import Target
from beatlens.seeds import derive_seed

Array = npt.NDArray[np.float64]
logger = logging.getLogger(__name__)


def rhythm_scores(attributions: Mapping[str, Attribution], n_cells: int) -> Iterator[Score]:
    """Give the rhythm's share of the mass beside the share it has where all players are alike."""
    for method, attribution in attributions.items():
        if attribution.rhythm_share is not None:
            yield Score(method, "rhythm_share", "", attribution.rhythm_share, "uniform", 1 / (n_cells + 1))


def faithfulness_scores(
    attributions: Mapping[str, Attribution],
    engine: PerturbationEngine,
    target: Target,
    edges: npt.NDArray[np.int64],
    settings: EvaluateSettings,
    seed: int,
) -> Iterator[Score]:
    """Delete and insert the cells of one case in the order of each attribution, in random order and greedily.

    Curves are of the target's probability, whatever units the attributions have.
    ``deletion_auc`` and ``insertion_auc`` stand beside the mean area of random orders. ``deletion`` and ``insertion``
    are how far from random (0) to greedy (1) the area comes; greedy is no bound, so that more than 1 is possible.
    """
    shape = (len(engine.scene.leads), len(edges) - 1)
    target = replace(target, units="probability")

    def value(cells_on: npt.NDArray[np.bool_]) -> Array:
        return engine.cell_values(cells_on, np.ones(len(cells_on), dtype=bool), edges, target)

    rng = np.random.default_rng(derive_seed(seed, "random_orders"))
    chance = random_area(value, shape, settings.deletion_steps, settings.random_draws, rng)
    greedy = greedy_areas(value, shape, settings.deletion_steps)
    for method, attribution in attributions.items():
        order = ranked_cells(
            cell_sums(attribution.values, np.diff(edges)), np.random.default_rng(derive_seed(seed, "ties"))
        )
        own = deletion_insertion(value, order, shape, settings.deletion_steps)
        yield Score(method, "deletion_auc", "model", own.deletion, "random", chance)
        yield Score(method, "insertion_auc", "model", own.insertion, "random", chance)
        yield Score(method, "deletion", "model", chance - own.deletion, "random", 0.0, chance - greedy.deletion)
        yield Score(method, "insertion", "model", own.insertion - chance, "random", 0.0, greedy.insertion - chance)


def score_case(
    case: Any,
    attributions: Mapping[str, Attribution],
    engine: PerturbationEngine,
    target: Target,
    edges: npt.NDArray[np.int64],
    labels: Labels,
    wrong: Callable[[], Array] | None,
    settings: EvaluateSettings,
    seed: int,
) -> CaseScores:
    """Score every method on one case.

    Parameters
    ----------
    case
        Row of the case table (`beatlens.explain.explainer.case_rows`).
    attributions
        Method -> attribution of this case.
    engine, target, edges
        As the case was explained with.
    labels
        What is known of the record; only where a truth follows from it are there scores against it.
    wrong
        Returns the values of an explanation of another class, for a null; None for none.
    settings
        Section ``evaluate``.
    seed
        The run's seed; the case is mixed in.
    """
    scene = engine.scene
    for method, attribution in attributions.items():
        expected = (scene.leads, (len(scene.leads), scene.stop - scene.start))
        if (attribution.leads, attribution.values.shape) != expected:
            raise ValueError(
                f"{method}/{case.case}: leads {attribution.leads}, values {attribution.values.shape}; "
                f"expected {expected}"
            )
    own_seed = derive_seed(seed, "evaluate", case.corpus, case.record, case.beat_id)
    scores = list(rhythm_scores(attributions, len(scene.leads) * (len(edges) - 1)))
    if case.target == "beat":  # over a window's many cells and targets the greedy search is too dear
        scores += faithfulness_scores(attributions, engine, target, edges, settings, own_seed)
    truths = case_truths(case, scene, labels)
    if truths:
        maps = NullMaps.of(engine, np.diff(edges), wrong() if wrong else None, settings.random_draws, own_seed)
        for name, truth in truths.items():
            scores += localisation_scores(attributions, name, truth, maps)
    patient = f"{case.corpus}/{case.patient}"
    parts = case_parts(case, attributions, scene, edges) if case.target == "beat" else None
    return CaseScores(case.case, f"{case.corpus}/{case.record}", patient, case.case_class, tuple(scores), parts)
