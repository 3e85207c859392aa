"""Does an explanation lie where the truth lies? Scores of values over leads x samples; ties count as by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.explain.result.views import SPAN_SHARE

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

METRICS = (
    "auprc", "aup", "aur", "pointing_game", "precision_at_5", "relevance_rank", "relevance_mass", "span_f1", "lead_auc",
    "time_auc", "joint_auc", "token_count",
)  # fmt: skip
TOP_CELLS = 5
"""Cells of ``precision_at_5``."""
MASS_SHARE = 0.9
"""Share of the positive mass that the cells of ``token_count`` hold."""


@dataclass(frozen=True)
class Grid:
    """Where an attribution has its samples: leads, rate in Hz, time of the first sample in the record, and how many."""

    leads: tuple[str, ...]
    fs: float
    start_s: float
    n_samples: int

    @property
    def shape(self) -> tuple[int, int]:
        """(n_leads, n_samples)."""
        return len(self.leads), self.n_samples

    def sample(self, time_s: float) -> int:
        """Return the sample nearest to a time in the record; it may lie off the grid."""
        return round((time_s - self.start_s) * self.fs)


@dataclass(frozen=True)
class Truth:
    """Where the explanation should lie.

    Attributes
    ----------
    inside
        (n_leads, n_samples) bool, samples that make the class.
    counted
        (n_leads, n_samples) bool. Samples of other beats of the same class aren't counted, since evidence there is
        neither right nor wrong for the target beat.
    """

    inside: BoolArray
    counted: BoolArray

    def within(self, samples: BoolArray) -> Truth | None:
        """Return the truth of some (n_samples,) samples alone, or None where none of it lies there."""
        inside = self.inside & samples
        return Truth(inside, self.counted & samples) if inside.any() else None


def planted_truth(spans: pd.DataFrame, r_sample: int, label: str, grid: Grid) -> Truth:
    """Put the planted spans of one record on the grid of an attribution.

    Parameters
    ----------
    spans
        Rows of the truth table of this record.
    r_sample
        The target beat's annotated R, at the record file's rate.
    label
        The target beat's class.
    grid
        Of the attribution.
    """
    inside, other = np.zeros((2, *grid.shape), dtype=bool)
    for span in spans[(spans["label"] == label) & spans["lead"].isin(grid.leads)].itertuples():
        first, last = grid.sample(span.start_s), grid.sample(span.end_s)
        mask = inside if span.r_sample == r_sample else other
        mask[grid.leads.index(span.lead), max(0, first) : max(0, last)] = True
    return Truth(inside, ~other | inside)


def beat_truth(
    r_samples: npt.NDArray[np.int64], chosen: BoolArray, reach: tuple[int, int], shape: tuple[int, int]
) -> Truth | None:
    """Return the spans of chosen beats, in all leads: the truth of a window target.

    Parameters
    ----------
    r_samples
        (n,) ascending R peaks, samples from the start of the attribution.
    chosen
        (n,) the beats that have the class.
    reach
        Samples before and after R that a beat takes; no further than half way to its neighbours.
    shape
        (n_leads, n_samples) of the attribution.

    Returns
    -------
    The truth, or None where no chosen beat lies on the grid.
    """
    half = (r_samples[1:] + r_samples[:-1]) // 2
    low = np.maximum(r_samples - reach[0], np.concatenate([[-reach[0]], half])).clip(0, shape[1])
    high = np.minimum(r_samples + reach[1], np.concatenate([half, [shape[1]]])).clip(0, shape[1])
    inside = np.zeros(shape, dtype=bool)
    for beat in np.flatnonzero(chosen):
        inside[:, low[beat] : high[beat]] = True
    return Truth(inside, np.ones_like(inside)) if inside.any() else None


def localisation(values: npt.ArrayLike, truth: Truth, lengths: npt.NDArray[np.int64]) -> dict[str, float]:
    """Score values against a truth.

    Parameters
    ----------
    values
        (n_leads, n_samples) signed; what speaks for the class is positive.
    truth
        On the same grid, with at least one sample inside.
    lengths
        (n_segments,) samples of the segments that make, with the leads, the cells.

    Returns
    -------
    `METRICS`. Over all samples x leads: ``auprc`` average precision; ``aup`` and ``aur`` mean precision and mean recall
    over all thresholds from 0 to the largest value (Crabbe & van der Schaar 2021); ``pointing_game`` chance that a
    largest value lies inside; ``relevance_rank`` share of the n largest values that lies inside, n the size of the
    truth (Arras et al. 2022), at which precision, recall and F1 are one; ``relevance_mass`` share of the positive mass
    inside; ``span_f1`` F1 of the samples in the spans that a payload shows; ``joint_auc`` inside against outside.
    By lead: ``lead_auc`` of the leads' positive sums, leads with truth against those without (NaN where there is only
    one kind); ``time_auc`` inside against outside, mean over the leads with truth. By cell: ``precision_at_5`` share of
    truth in the cells of largest sum; ``token_count`` fewest cells that hold `MASS_SHARE` of the positive mass, which
    says how short the explanation is and not whether it is right.
    """
    signed = np.asarray(values, dtype=np.float64)
    if signed.shape != truth.inside.shape:
        raise ValueError(f"values of shape {signed.shape} for a truth of shape {truth.inside.shape}")
    if not truth.inside.any():
        raise ValueError("truth without a sample; expected at least one")
    if lengths.sum() != signed.shape[1]:
        raise ValueError(f"segments of {lengths.sum()} samples for values of shape {signed.shape}")
    positive = np.where(truth.counted, np.maximum(signed, 0.0), 0.0)
    flat, inside = signed[truth.counted], truth.inside[truth.counted]
    precision, recall = threshold_areas(flat, inside)
    right = truth.inside.any(axis=1)
    mass = positive.sum()
    within = [auc(signed[k][truth.counted[k]], truth.inside[k][truth.counted[k]]) for k in np.flatnonzero(right)]
    finite = [value for value in within if np.isfinite(value)]
    return {
        "auprc": average_precision(flat, inside),
        "aup": precision,
        "aur": recall,
        "pointing_game": share_inside(flat, inside, 1),
        "precision_at_5": _precision_of_cells(signed, truth, lengths),
        "relevance_rank": share_inside(flat, inside, int(inside.sum())),
        "relevance_mass": float(positive[truth.inside].sum() / mass) if mass > 0 else 0.0,
        "span_f1": span_f1(flat, inside, float(signed.max())),
        "lead_auc": auc(positive.sum(axis=1), right),
        "time_auc": float(np.mean(finite)) if finite else float("nan"),
        "joint_auc": auc(flat, inside),
        "token_count": _cells_of_mass(positive, lengths),
    }


def share_inside(scores: Array, weights: npt.ArrayLike, count: int) -> float:
    """Return the mean weight (whether it lies inside) of the `count` largest scores, equal ones by chance."""
    inside = np.asarray(weights, dtype=np.float64)
    count = min(count, len(scores))
    least = np.partition(scores, len(scores) - count)[len(scores) - count]
    above, equal = scores > least, scores == least
    return float((inside[above].sum() + (count - above.sum()) * inside[equal].mean()) / count)


def threshold_areas(scores: npt.ArrayLike, truth: npt.ArrayLike) -> tuple[float, float]:
    """Return the means of precision and of recall of ``score >= t`` over thresholds t from 0 to the largest score.

    Both 0 where no score is positive.
    """
    values, inside = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=bool)
    order = np.argsort(values, kind="stable")
    ascending = values[order]
    first = np.searchsorted(ascending, 0.0, side="right")
    if first == len(values):
        return 0.0, 0.0
    hits = inside[order][::-1].cumsum()[::-1]  # of this score and all larger ones
    levels, places = np.unique(ascending[first:], return_index=True)
    places += first
    step = np.diff(levels, prepend=0.0) / levels[-1]
    precision, recall = hits[places] / (len(values) - places), hits[places] / inside.sum()
    return float(step @ precision), float(step @ recall)


def span_f1(scores: Array, inside: BoolArray, largest: float) -> float:
    """Return the F1 of the samples of at least `SPAN_SHARE` of the map's `largest` value; 0 where none is positive."""
    shown = (scores > 0) & (scores >= SPAN_SHARE * largest)
    return float(2 * (shown & inside).sum() / (shown.sum() + inside.sum()))


def _precision_of_cells(values: Array, truth: Truth, lengths: npt.NDArray[np.int64]) -> float:
    starts = np.cumsum(lengths) - lengths
    sums, inside, counted = (
        np.add.reduceat(part, starts, axis=1).ravel()
        for part in (np.where(truth.counted, values, 0.0), truth.inside.astype(np.float64), truth.counted.astype(float))
    )
    seen = counted > 0
    return share_inside(sums[seen], inside[seen] / counted[seen], TOP_CELLS)


def _cells_of_mass(positive: Array, lengths: npt.NDArray[np.int64]) -> float:
    cells = np.sort(np.add.reduceat(positive, np.cumsum(lengths) - lengths, axis=1).ravel())[::-1]
    mass = np.cumsum(cells)
    return float(np.searchsorted(mass, MASS_SHARE * mass[-1]) + 1) if mass[-1] > 0 else 0.0


def average_precision(scores: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Return the area under the precision-recall curve as a step function; equal scores enter together.

    NaN without a positive.
    """
    order, inside = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=bool)
    if not inside.any():
        return float("nan")
    rank = np.argsort(-order, kind="stable")
    ordered, hits = order[rank], np.cumsum(inside[rank])
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    precision, recall = hits[last] / (last + 1), hits[last] / hits[-1]
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def auc(scores: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Return the area under the ROC curve, equal scores counting one half; NaN where one kind is missing."""
    values, inside = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=bool)
    n_inside, n_outside = int(inside.sum()), int((~inside).sum())
    if not (n_inside and n_outside):
        return float("nan")
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - (counts - 1) / 2
    return float((rank[index][inside].sum() - n_inside * (n_inside + 1) / 2) / (n_inside * n_outside))
