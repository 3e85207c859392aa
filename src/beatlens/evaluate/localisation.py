"""Does an explanation lie where the truth lies? Scores of values over leads x samples; ties count as by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

METRICS = ("auprc", "pointing_game", "relevance_mass", "lead_auc", "time_auc", "joint_auc")


@dataclass(frozen=True)
class Truth:
    """Where the explanation should lie.

    Attributes
    ----------
    inside
        (n_leads, n_samples) bool, samples that make the class.
    counted
        (n_leads, n_samples) bool. Samples of other beats of the same class are left out: evidence there is neither
        right nor wrong for a beat target.
    """

    inside: BoolArray
    counted: BoolArray

    def within(self, samples: BoolArray) -> Truth | None:
        """Return the truth of some (n_samples,) samples alone, or None where none of it lies there."""
        inside = self.inside & samples
        return Truth(inside, self.counted & samples) if inside.any() else None


def planted_truth(
    spans: pd.DataFrame,
    r_sample: int,
    label: str,
    leads: tuple[str, ...],
    fs: float,
    start_s: float,
    n_samples: int,
) -> Truth:
    """Put the planted spans of one record on the grid of an attribution.

    Parameters
    ----------
    spans
        Rows of the truth table of this record.
    r_sample
        The target beat's annotated R, at the record file's rate.
    label
        The target beat's class.
    leads, fs, start_s, n_samples
        Grid of the attribution.
    """
    inside, other = np.zeros((2, len(leads), n_samples), dtype=bool)
    for span in spans[(spans["label"] == label) & spans["lead"].isin(leads)].itertuples():
        first, last = (round((time - start_s) * fs) for time in (span.start_s, span.end_s))
        mask = inside if span.r_sample == r_sample else other
        mask[leads.index(span.lead), max(0, first) : max(0, last)] = True
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


def localisation(values: npt.ArrayLike, truth: Truth) -> dict[str, float]:
    """Score values against a truth.

    Parameters
    ----------
    values
        (n_leads, n_samples) signed; what speaks for the class is positive.
    truth
        On the same grid, with at least one sample inside.

    Returns
    -------
    `METRICS`: ``auprc`` average precision over all samples x leads; ``pointing_game`` chance that a largest value lies
    inside; ``relevance_mass`` share of the positive mass inside; ``lead_auc`` of the leads' positive sums, leads with
    truth against those without (NaN where there is only one kind); ``time_auc`` inside against outside, mean over the
    leads with truth; ``joint_auc`` inside against outside over all samples x leads.
    """
    signed = np.asarray(values, dtype=np.float64)
    if signed.shape != truth.inside.shape:
        raise ValueError(f"values of shape {signed.shape} for a truth of shape {truth.inside.shape}")
    if not truth.inside.any():
        raise ValueError("truth without a sample; expected at least one")
    positive = np.where(truth.counted, np.maximum(signed, 0.0), 0.0)
    flat, inside = signed[truth.counted], truth.inside[truth.counted]
    right = truth.inside.any(axis=1)
    mass = positive.sum()
    within = [auc(signed[k][truth.counted[k]], truth.inside[k][truth.counted[k]]) for k in np.flatnonzero(right)]
    finite = [value for value in within if np.isfinite(value)]
    return {
        "auprc": average_precision(flat, inside),
        "pointing_game": float(inside[flat == flat.max()].mean()),
        "relevance_mass": float(positive[truth.inside].sum() / mass) if mass > 0 else 0.0,
        "lead_auc": auc(positive.sum(axis=1), right),
        "time_auc": float(np.mean(finite)) if finite else float("nan"),
        "joint_auc": auc(flat, inside),
    }


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
