"""Look-alikes: what a network says of a beat is averaged with what it says of beats of the same shape.

Beats of a record with the same shape come from the same place in the heart, so the shape says the same of each. A
network sees the beats one by one and errs on some. The mean of log probabilities over look-alikes errs less (smoothing
over a graph of neighbours: Zhou et al., Learning with local and global consistency, NeurIPS 2003).

Classes of one shape that differ in rhythm (normal and supraventricular beats) are averaged as one group. Which of these
a beat is depends on what the network says of that beat alone. No labels are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from beatlens.inputs.settings import LookAlikeSettings
from beatlens.shards.shard import BeatGeometry

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

STEP_S = 0.01
"""Distance in seconds of the samples that are compared: conditioned signals hold no faster detail."""
BLOCK_BEATS = 1024


def shape_groups(classes: tuple[str, ...], settings: LookAlikeSettings) -> npt.NDArray[np.int64]:
    """Return the (K,) group of each class: one for all `rhythm_classes`, one for each other class."""
    names = ["" if name in settings.rhythm_classes else name for name in classes]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def shape_samples(geometry: BeatGeometry, settings: LookAlikeSettings) -> slice:
    """Return which samples of a beat are compared."""
    before, after = (round(seconds * geometry.fs) for seconds in (settings.before_s, settings.after_s))
    low, high = max(geometry.before - before, 0), min(geometry.before + after, geometry.length)
    return slice(low, high, max(1, round(STEP_S * geometry.fs)))


def shape_evidence(logits: npt.NDArray[Any], group: npt.NDArray[np.int64]) -> Float64Array:
    """Return the log probability of each group of classes (..., G) for class logits (..., K)."""
    power = np.exp((logits - logits.max(axis=-1, keepdims=True)).astype(np.float64))
    mass = power @ np.eye(group.max() + 1)[group]
    total = power.sum(axis=-1, keepdims=True)
    result: Float64Array = np.log(np.maximum(mass, np.finfo(np.float64).tiny)) - np.log(total)
    return result


@dataclass(frozen=True)
class LookAlikes:
    """The beats of a record among which look-alikes are looked for, and what a network says of each on its own.

    Attributes
    ----------
    settings
        Section ``look_alikes``.
    samples
        Which samples of a beat are compared.
    group
        (K,) group of each class.
    rows
        (n_references,) rows of the record's beats, ascending.
    shapes
        (n_references, L, samples) without mean; of length 1 over all leads.
    evidence
        (n_references, G) log probability of each group.
    """

    settings: LookAlikeSettings
    samples: slice
    group: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    shapes: FloatArray
    evidence: Float64Array

    def say(self, parts: FloatArray, rows: npt.NDArray[np.int64]) -> Float64Array:
        """Return the mean log probability of each group over the look-alikes of beats: (n, G), NaN for none.

        A beat whose similarity equals the limit within rounding may count or not, depending on the other beats of the
        call.

        Parameters
        ----------
        parts
            (n, L, samples) of the beats in units of the leads' scales; NaN in a lead that is absent, which is left out
            of the references too.
        rows
            (n,) which of the record's beats each is. No beat is its own look-alike.
        """
        mean = np.full((len(parts), self.group.max() + 1), np.nan)
        for start in range(0, len(parts) if len(self.rows) else 0, BLOCK_BEATS):
            block = slice(start, start + BLOCK_BEATS)
            nearest, alike = self._nearest(parts[block], rows[block])
            total = np.einsum("nk,nkg->ng", alike.astype(np.float64), self.evidence[nearest])
            some = alike.any(axis=1)
            mean[block][some] = total[some] / alike.sum(axis=1)[some, None]
        return mean

    def chosen(self, parts: FloatArray, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return which references are the look-alikes of beats, (n, n_references); parameters as for `say`."""
        result = np.zeros((len(parts), len(self.rows)), dtype=bool)
        if len(self.rows):
            nearest, alike = self._nearest(parts, rows)
            np.put_along_axis(result, nearest, alike, axis=1)
        return result

    def _nearest(
        self, parts: FloatArray, rows: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Return the most similar references of beats, (n, k), and whether each is similar enough."""
        count = min(self.settings.beats, len(self.rows))
        similarity = self._similarity(parts)
        place = np.searchsorted(self.rows, rows).clip(max=len(self.rows) - 1)
        here = np.flatnonzero(self.rows[place] == rows)
        similarity[here, place[here]] = -np.inf
        nearest = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
        return nearest, np.take_along_axis(similarity, nearest, axis=1) >= self.settings.min_similarity

    def shift(self, logits: npt.NDArray[Any], said: Float64Array) -> FloatArray:
        """Return what the look-alikes' evidence `said` (..., G) adds to logits (..., K): float32, 0 for none."""
        change = self.settings.weight * (said - shape_evidence(logits, self.group))
        result: FloatArray = np.nan_to_num(change)[..., self.group].astype(np.float32)
        return result

    def _similarity(self, parts: FloatArray) -> FloatArray:
        """Return the correlation of parts (n, L, samples) with each reference, (n, n_references)."""
        absent = np.isnan(parts).all(axis=2)
        unit = _unit(np.nan_to_num(parts))
        flat = self.shapes.reshape(len(self.shapes), -1)
        similarity: FloatArray = unit.reshape(len(unit), -1) @ flat.T
        if absent.any():
            left = np.sqrt(~absent @ np.einsum("rlt,rlt->lr", self.shapes, self.shapes))
            similarity = np.divide(similarity, left, out=np.zeros_like(similarity), where=left > 0)
        return similarity


def look_alikes_of(
    logits: FloatArray,
    waves: FloatArray,
    geometry: BeatGeometry,
    classes: tuple[str, ...],
    settings: LookAlikeSettings | None,
) -> LookAlikes | None:
    """Return the look-alikes of a record's beats.

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
    rows = reference_rows(len(logits), settings)
    evidence = shape_evidence(logits[rows], shape_groups(classes, settings))
    return known_look_alikes(evidence, rows, waves[rows], geometry=geometry, classes=classes, settings=settings)


def known_look_alikes(
    evidence: Float64Array,
    rows: npt.NDArray[np.int64],
    waves: FloatArray,
    *,
    geometry: BeatGeometry,
    classes: tuple[str, ...],
    settings: LookAlikeSettings,
) -> LookAlikes:
    """Return look-alikes whose evidence (n_references, G) is known: of `rows`, which have the `waves`."""
    samples = shape_samples(geometry, settings)
    return LookAlikes(settings, samples, shape_groups(classes, settings), rows, _unit(waves[:, :, samples]), evidence)


def reference_rows(n: int, settings: LookAlikeSettings) -> npt.NDArray[np.int64]:
    """Return which of a record's n beats are references, ascending."""
    return np.unique(np.linspace(0, n - 1, min(settings.references, n)).astype(np.int64))


def _unit(parts: FloatArray) -> FloatArray:
    """Return parts (n, L, samples) without each lead's mean, of length 1 over all leads."""
    centred = parts - parts.mean(axis=2, keepdims=True)
    length = np.sqrt(np.einsum("nlt,nlt->n", centred, centred))[:, None, None]
    result: FloatArray = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
    return result
