"""Does the model follow the explanation? Deletion and insertion over all (lead, segment) cells.

Petsiuk, Das & Saenko 2018, over cells of the signal; no cell is left out, whatever the explanation says of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
CellValue = Callable[[BoolArray], Array]
"""The target under cells (M, n_leads, n_segments) that are on; the rhythm stays on."""


@dataclass(frozen=True)
class Areas:
    """Area under the deletion curve (lower is better) and under the insertion curve (higher is better)."""

    deletion: float
    insertion: float


def cell_sums(values: npt.NDArray[np.floating[Any]], lengths: IntArray) -> Array:
    """Sum (n_leads, n_samples) values over segments of the given lengths: (n_leads, n_segments)."""
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    return np.asarray(np.add.reduceat(values.astype(np.float64), starts, axis=1))


def ranked_cells(sums: Array, rng: np.random.Generator) -> IntArray:
    """Return all cells, flat, from the largest sum to the smallest; equal sums in random order."""
    shuffled = rng.permutation(sums.size)
    return np.asarray(shuffled[np.argsort(-sums.ravel()[shuffled], kind="stable")])


def step_counts(n_cells: int, steps: int) -> IntArray:
    """Return how many cells are changed at each of ``steps + 1`` points, from 0 to all."""
    return np.unique(np.rint(np.linspace(0, n_cells, min(steps, n_cells) + 1)).astype(np.int64))


def prefix_masks(order: IntArray, counts: IntArray, shape: tuple[int, int]) -> BoolArray:
    """Return (len(counts), n_leads, n_segments): True at the first ``counts[k]`` cells of the order."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return np.asarray((place[None, :] < counts[:, None]).reshape(len(counts), *shape))


def area(counts: IntArray, curve: Array) -> float:
    """Return the mean height of a curve over the share of cells changed (trapezoids)."""
    return float(np.trapezoid(curve, counts / counts[-1]))


def deletion_insertion(value: CellValue, order: IntArray, shape: tuple[int, int], steps: int) -> Areas:
    """Delete cells in an order from the full signal, and insert them in that order into the empty one."""
    counts = step_counts(len(order), steps)
    changed = prefix_masks(order, counts, shape)
    curves = value(np.concatenate([~changed, changed]))
    return Areas(area(counts, curves[: len(counts)]), area(counts, curves[len(counts) :]))


def random_area(value: CellValue, shape: tuple[int, int], steps: int, draws: int, rng: np.random.Generator) -> float:
    """Return the mean area over random orders.

    Insertion in one order is deletion in the reverse order, read backwards. So both curves have the same mean area.
    """
    n_cells = shape[0] * shape[1]
    counts = step_counts(n_cells, steps)
    masks = [~prefix_masks(rng.permutation(n_cells), counts, shape)[1:-1] for _ in range(draws)]
    ends = value(np.stack([np.ones(shape, dtype=bool), np.zeros(shape, dtype=bool)]))
    if len(counts) == 2:
        return area(counts, ends)
    inner = value(np.concatenate(masks)).reshape(draws, len(counts) - 2).mean(axis=0)
    return area(counts, np.concatenate([ends[:1], inner, ends[1:]]))


def greedy_areas(value: CellValue, shape: tuple[int, int], steps: int) -> Areas:
    """Return the areas that a greedy search reaches, which asks the model at every step.

    At each step all cells left are tried one by one, and as many as the step holds are changed: those that lower the
    target most (deletion) or raise it most (insertion).
    """
    return Areas(_greedy(value, shape, steps, start=True), _greedy(value, shape, steps, start=False))


def _greedy(value: CellValue, shape: tuple[int, int], steps: int, *, start: bool) -> float:
    n_cells = shape[0] * shape[1]
    counts = step_counts(n_cells, steps)
    now = np.full(n_cells, start)
    left = np.arange(n_cells)
    curve = [float(value(now.reshape(1, *shape))[0])]
    for size in np.diff(counts):
        if size == len(left):
            chosen = left
        else:
            tried = np.tile(now, (len(left), 1))
            tried[np.arange(len(left)), left] = not start
            outcome = value(tried.reshape(-1, *shape))
            chosen = left[np.argsort(outcome if start else -outcome, kind="stable")[:size]]
        now[chosen] = not start
        left = np.setdiff1d(left, chosen)
        curve.append(float(value(now.reshape(1, *shape))[0]))
    return area(counts, np.array(curve))
