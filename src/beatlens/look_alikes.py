"""Evidence that beats of one shape share: what a network says of a beat, beside what it says of its look-alikes.

Beats of a record that have the same shape come from the same place in the heart, so what the shape says of one is what
it says of all; a network sees them one by one and errs on some. The mean of log probabilities over look-alikes errs
less (smoothing over a graph of neighbours: Zhou et al., Learning with local and global consistency, NeurIPS 2003).
Classes that share one shape and differ in rhythm (normal and supraventricular beats) are smoothed as one: which of the
two a beat is stays what the network says of it alone. No labels enter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from beatlens.shards import BeatGeometry

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

STEP_S = 0.01
"""Distance in seconds of the samples that are compared: conditioned signals hold nothing faster."""
BLOCK_BEATS = 1024


@dataclass(frozen=True)
class LookAlikeSettings:
    """Section ``look_alikes`` of the configuration.

    Attributes
    ----------
    weight
        Share of the look-alikes in a beat's evidence; 0 leaves each beat to itself.
    beats
        Most similar beats that are look-alikes,
    min_similarity
        those of them whose correlation over all leads is at least this.
    references
        Beats, evenly spread over the record, among which look-alikes are looked for.
    before_s, after_s
        Extent in seconds around R that is compared.
    rhythm_classes
        Classes of one shape, told apart by rhythm.
    """

    weight: float
    beats: int
    min_similarity: float
    references: int
    before_s: float
    after_s: float
    rhythm_classes: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "rhythm_classes", tuple(self.rhythm_classes))
        if not 0 <= self.weight <= 1 or self.beats < 1 or self.references < 1:
            raise ValueError(
                f"look_alikes: weight {self.weight}, {self.beats} beats of {self.references}; "
                "expected a share, and 1 or more of each"
            )


def shape_groups(classes: tuple[str, ...], settings: LookAlikeSettings) -> npt.NDArray[np.int64]:
    """Return the (K,) group of each class: one for all `rhythm_classes`, one for each other class."""
    names = ["" if name in settings.rhythm_classes else name for name in classes]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def shapes(waves: FloatArray, geometry: BeatGeometry, settings: LookAlikeSettings) -> FloatArray:
    """Return what of waves (n, L, T) is compared: (n, samples of all leads) without mean, of length 1."""
    before, after = (round(seconds * geometry.fs) for seconds in (settings.before_s, settings.after_s))
    low, high = max(geometry.before - before, 0), min(geometry.before + after, geometry.length)
    part = waves[:, :, low : high : max(1, round(STEP_S * geometry.fs))]
    part = (part - part.mean(axis=2, keepdims=True)).reshape(len(waves), -1)
    length = np.sqrt(np.einsum("nt,nt->n", part, part))[:, None]
    result: FloatArray = np.divide(part, length, out=np.zeros_like(part), where=length > 0)
    return result


def shape_evidence(logits: npt.NDArray[Any], group: npt.NDArray[np.int64]) -> Float64Array:
    """Return the log probability of each group of classes (..., G) for class logits (..., K)."""
    power = np.exp((logits - logits.max(axis=-1, keepdims=True)).astype(np.float64))
    mass = power @ np.eye(group.max() + 1)[group]
    total = power.sum(axis=-1, keepdims=True)
    result: Float64Array = np.log(np.maximum(mass, np.finfo(np.float64).tiny)) - np.log(total)
    return result


@dataclass(frozen=True)
class SharedEvidence:
    """What the look-alikes of beats say, and what that adds to the beats' own logits.

    Attributes
    ----------
    group
        (K,) group of each class.
    weight
        Share of the look-alikes.
    mean
        (n, G) mean log probability of each group over a beat's look-alikes; NaN where it has none.
    """

    group: npt.NDArray[np.int64]
    weight: float
    mean: Float64Array

    def shift(self, logits: npt.NDArray[Any]) -> FloatArray:
        """Return what is added to the logits (..., n, K) of the n beats: (..., n, K) float32, 0 without look-alikes."""
        change = self.weight * (self.mean - shape_evidence(logits, self.group))
        result: FloatArray = np.nan_to_num(change)[..., self.group].astype(np.float32)
        return result

    def of(self, rows: npt.NDArray[np.int64]) -> SharedEvidence:
        """Return that of some of the beats."""
        return replace(self, mean=self.mean[rows])


def shared_evidence(
    logits: FloatArray,
    waves: FloatArray,
    geometry: BeatGeometry,
    classes: tuple[str, ...],
    settings: LookAlikeSettings | None,
) -> SharedEvidence | None:
    """Return what the look-alikes of a record's beats say, each beat left out of its own.

    Parameters
    ----------
    logits
        (n, K) of the network.
    waves
        (n, L, T) in units of the leads' scales.
    geometry, classes
        Extent of a beat; class ids in the order of the logits.
    settings
        Section ``look_alikes``; None for no sharing.
    """
    if settings is None or settings.weight == 0:
        return None
    group = shape_groups(classes, settings)
    mean = np.full((len(logits), group.max() + 1), np.nan)
    if not len(logits):
        return SharedEvidence(group, settings.weight, mean)
    evidence = shape_evidence(logits, group)
    own = shapes(waves, geometry, settings)
    references = np.unique(np.linspace(0, len(own) - 1, min(settings.references, len(own))).astype(np.int64))
    count = min(settings.beats, len(references))
    for start in range(0, len(own), BLOCK_BEATS):
        part = own[start : start + BLOCK_BEATS]
        similarity = part @ own[references].T
        here = np.flatnonzero((references >= start) & (references < start + len(part)))
        similarity[references[here] - start, here] = -np.inf
        nearest = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
        alike = np.take_along_axis(similarity, nearest, axis=1) >= settings.min_similarity
        total = np.einsum("nk,nkg->ng", alike.astype(np.float64), evidence[references[nearest]])
        some = alike.any(axis=1)
        mean[start : start + len(part)][some] = total[some] / alike.sum(axis=1)[some, None]
    return SharedEvidence(group, settings.weight, mean)
