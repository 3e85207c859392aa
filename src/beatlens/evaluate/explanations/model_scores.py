"""Scores of one case's explanations against the model itself, each beside maps that know nothing of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt

from beatlens.core.seeds import derive_seed
from beatlens.evaluate.explanations.faithfulness import (
    Areas,
    CellValue,
    cell_sums,
    deletion_insertion,
    greedy_areas,
    random_area,
    ranked_cells,
)
from beatlens.evaluate.explanations.sensitivity import (
    SUBSETS,
    infidelity,
    random_subsets,
    sensitivity_n,
    shown_cells,
    span_losses,
)
from beatlens.evaluate.explanations.table import Score
from beatlens.evaluate.explanations.truths import NullMaps
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.explain.case.baselines import INTERPOLATION
from beatlens.explain.case.target import Target
from beatlens.explain.engine.perturbation import PerturbationEngine
from beatlens.explain.explainer import PreparedCase
from beatlens.explain.result.attribution import Attribution

Array = npt.NDArray[np.float64]


class Asked(Protocol):
    """A target's values under cells (M, n_leads, n_segments) that are on; the rhythm stays on."""

    def __call__(self, cells_on: npt.NDArray[np.bool_], *, target: Target) -> Array:
        """Return the (M,) values."""


OTHER_FILLS = (INTERPOLATION, "zero")
"""Fills that deletion and insertion are repeated with, beside the explanation's own baseline."""


def model_scores(
    prepared: PreparedCase,
    attributions: Mapping[str, Attribution],
    nulls: NullMaps,
    *,
    settings: EvaluateSettings,
    seed: int,
    greedy: bool,
) -> Iterator[Score]:
    """Change cells of the signal as the explanations say, and watch the target.

    ``deletion_auc``, ``insertion_auc``: areas under the curves of the target's probability, beside the mean area of
    random orders. They are taken with the explanation's baseline and with `OTHER_FILLS` (named in the truth).

    ``deletion``, ``insertion``: where the area lies between that of random orders (0) and that of a greedy search (1),
    beside the orders of the null maps. Greedy isn't optimal, so more than 1 is possible. These use the units of the
    explanation: where look-alikes hold a probability near 1, its curve is flat and a ratio of areas says nothing.

    ``span_deletion``: what the probability loses without the cells that the explanation shows, beside random cells of
    equal duration.

    ``sensitivity_n``, ``infidelity``: whether sums of values equal what the target loses
    (`beatlens.evaluate.explanations.sensitivity`), in the units of the explanation.

    Parameters
    ----------
    prepared
        The case, as it was explained.
    attributions
        Method -> attribution.
    nulls
        Maps that know nothing of the model.
    settings
        Section ``evaluate``.
    seed
        Of the case.
    greedy
        Whether to make a greedy search and to try the other fills. Both are too costly for windows of many cells.
        Without them there is no ``deletion`` and no ``insertion``.
    """
    engine, target, edges = prepared.engine, prepared.target, prepared.edges
    lengths = np.diff(edges)
    cells = {method: cell_sums(attribution.values, lengths) for method, attribution in attributions.items()}
    blind = {name: cell_sums(maps[0], lengths) for name, maps in nulls.maps.items() if name not in {"empty", "random"}}
    asked = _asked_once(engine, edges)
    value, in_units = _probability(asked, target), partial(asked, target=target)
    yield from area_scores(cells, value, settings, seed, "model")
    if greedy:
        yield from _between(cells, blind, in_units, settings, seed)
    for fill in OTHER_FILLS if greedy else ():
        if fill != engine.baseline:
            other = _probability(_asked_once(engine.of(baseline=fill), edges), target)
            yield from area_scores(cells, other, settings, seed, f"model, {fill.replace('_', ' ')}")
    yield from span_scores(cells, lengths, value, settings, seed)
    yield from subset_scores(cells, blind, in_units, seed)


def span_scores(
    cells: Mapping[str, Array], lengths: npt.NDArray[np.int64], value: CellValue, settings: EvaluateSettings, seed: int
) -> Iterator[Score]:
    """Give ``span_deletion`` of (n_leads, n_segments) sums of each method, over segments of lengths (n_segments,)."""
    rng = np.random.default_rng(derive_seed(seed, "random spans"))
    losses = span_losses(
        value, [shown_cells(sums, lengths) for sums in cells.values()], lengths, settings.random_draws, rng
    )
    for method, (loss, chance) in zip(cells, losses, strict=True):
        yield Score(method, "span_deletion", "model", loss, "random", chance)


def area_scores(
    cells: Mapping[str, Array], value: CellValue, settings: EvaluateSettings, seed: int, truth: str
) -> Iterator[Score]:
    """Give ``deletion_auc`` and ``insertion_auc`` of (n_leads, n_segments) sums of each method."""
    if not cells:
        return
    chance = _chance(next(iter(cells.values())), value, settings, seed)
    for method, sums in cells.items():
        area = _area(sums, value, settings, seed)
        yield Score(method, "deletion_auc", truth, area.deletion, "random", chance)
        yield Score(method, "insertion_auc", truth, area.insertion, "random", chance)


def _between(
    cells: Mapping[str, Array], blind: Mapping[str, Array], value: CellValue, settings: EvaluateSettings, seed: int
) -> Iterator[Score]:
    if not cells:
        return
    first = next(iter(cells.values()))
    chance = _chance(first, value, settings, seed)
    best = greedy_areas(value, (first.shape[0], first.shape[1]), settings.deletion_steps)
    known = {name: _area(sums, value, settings, seed) for name, sums in blind.items()}
    for method, sums in cells.items():
        area = _area(sums, value, settings, seed)
        for name, null in {"random": Areas(chance, chance), **known}.items():
            yield Score(
                method, "deletion", "model", chance - area.deletion, name, chance - null.deletion,
                chance - best.deletion,
            )  # fmt: skip
            yield Score(
                method, "insertion", "model", area.insertion - chance, name, null.insertion - chance,
                best.insertion - chance,
            )  # fmt: skip


def _area(sums: Array, value: CellValue, settings: EvaluateSettings, seed: int) -> Areas:
    order = ranked_cells(sums, np.random.default_rng(derive_seed(seed, "ties")))
    return deletion_insertion(value, order, (sums.shape[0], sums.shape[1]), settings.deletion_steps)


def _chance(sums: Array, value: CellValue, settings: EvaluateSettings, seed: int) -> float:
    rng = np.random.default_rng(derive_seed(seed, "random_orders"))
    return random_area(value, (sums.shape[0], sums.shape[1]), settings.deletion_steps, settings.random_draws, rng)


def subset_scores(
    cells: Mapping[str, Array], blind: Mapping[str, Array], value: CellValue, seed: int
) -> Iterator[Score]:
    """Give ``sensitivity_n`` and ``infidelity`` of (n_leads, n_segments) sums of each method, beside blind maps."""
    if not cells:
        return
    shape = next(iter(cells.values())).shape
    rng = np.random.default_rng(derive_seed(seed, "subsets"))
    subsets = random_subsets(value, (shape[0], shape[1]), SUBSETS, rng)
    for metric, score in (("sensitivity_n", sensitivity_n), ("infidelity", infidelity)):
        known = {name: score(sums, subsets) for name, sums in blind.items()}
        for method, sums in cells.items():
            for name, null in known.items():
                yield Score(method, metric, "model", score(sums, subsets), name, null)


def _probability(asked: Asked, target: Target) -> CellValue:
    return partial(asked, target=replace(target, units="probability"))


def _asked_once(engine: PerturbationEngine, edges: npt.NDArray[np.int64]) -> Asked:
    """Return the target's values under cells; the network is asked once of the same cells, whatever the units."""
    known: dict[bytes, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]] = {}

    def values(cells_on: npt.NDArray[np.bool_], *, target: Target) -> Array:
        key = cells_on.tobytes()
        if key not in known:
            known[key] = engine.outputs(cells_on, np.ones(len(cells_on), dtype=bool), edges)
        return target.values(*known[key], engine.calibration)

    return values
