"""Similarity of beats to prototypes, in a form in which one lead can change without computing the others again.

similarity(beat, prototype) = sum of dot products / sqrt(sum of the beat's squared norms * sum of the prototype's), each
sum over the leads that both have. Dot products and squared norms are kept per lead and summed before the division:
cosines of single leads are never averaged. Where a norm is 0, the similarity is 0.

distance(beat, prototype) = sqrt(squared norm of their difference / sum of their squared norms), from the same sums: 0
for the same beat, 1 for a flat line. A similarity compares shapes alone. The distance compares sizes too: a beat of
another size is far from all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PrototypeBank:
    """Prototypes that beats are compared with.

    Attributes
    ----------
    waves
        (P, L, T) float32, in units of each lead's scale; 0 in leads that a prototype lacks.
    present
        (P, L) bool.
    leads
        L lead names.
    classes
        K class ids: the order of the class features.
    labels
        (P,) class id of each prototype.
    patients
        (P,) ``corpus/patient`` of each prototype.
    beat_ids
        (P,) the real beat that each prototype is.
    top_similar
        Similarities that the top mean of a class averages.
    """

    waves: FloatArray
    present: BoolArray
    leads: tuple[str, ...]
    classes: tuple[str, ...]
    labels: npt.NDArray[np.str_]
    patients: npt.NDArray[np.str_]
    beat_ids: npt.NDArray[np.str_]
    top_similar: int

    def __post_init__(self) -> None:
        n, n_leads = self.waves.shape[:2]
        if self.present.shape != (n, n_leads) or len(self.leads) != n_leads:
            raise ValueError(
                f"prototypes: waves {self.waves.shape}, present {self.present.shape}, {len(self.leads)} leads; "
                "expected (P, L, T), (P, L) and L"
            )
        unknown = sorted(set(self.labels.tolist()) - set(self.classes))
        if unknown:
            raise ValueError(f"prototypes of classes {unknown}; expected only {list(self.classes)}")

    def __len__(self) -> int:
        """Return the number of prototypes, P."""
        return len(self.waves)

    @property
    def n_features(self) -> int:
        """Similarity features of a beat, S: maximum and top mean of each class."""
        return 2 * len(self.classes)

    @cached_property
    def norm2(self) -> FloatArray:
        """(P, L) squared norms."""
        squares: FloatArray = np.einsum("plt,plt->pl", self.waves, self.waves) * self.present
        return squares

    def for_leads(self, leads: Sequence[str]) -> PrototypeBank:
        """Return the bank reduced to some of its leads, in the order given."""
        index = [self.leads.index(lead) for lead in leads]
        waves = np.ascontiguousarray(self.waves[:, index])
        return replace(self, waves=waves, present=self.present[:, index], leads=tuple(leads))

    def subset(self, rows: BoolArray) -> PrototypeBank:
        """Return the bank with some (P,) of its prototypes."""
        return replace(
            self,
            waves=self.waves[rows],
            present=self.present[rows],
            labels=self.labels[rows],
            patients=self.patients[rows],
            beat_ids=self.beat_ids[rows],
        )

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return arrays for an npz file."""
        return {
            "waves": self.waves,
            "present": self.present,
            "leads": np.array(self.leads, dtype=np.str_),
            "classes": np.array(self.classes, dtype=np.str_),
            "labels": self.labels,
            "patients": self.patients,
            "beat_ids": self.beat_ids,
            "top_similar": np.array(self.top_similar),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, npt.NDArray[Any]]) -> PrototypeBank:
        """Build from what `to_arrays` gave; further arrays are ignored."""
        return cls(
            waves=arrays["waves"].astype(np.float32),
            present=arrays["present"].astype(bool),
            leads=tuple(arrays["leads"].tolist()),
            classes=tuple(arrays["classes"].tolist()),
            labels=arrays["labels"].astype(np.str_),
            patients=arrays["patients"].astype(np.str_),
            beat_ids=arrays["beat_ids"].astype(np.str_),
            top_similar=int(arrays["top_similar"]),
        )


def lead_products(waves: FloatArray, lead: int, bank: PrototypeBank) -> tuple[FloatArray, FloatArray]:
    """Return what one lead adds to the similarities of beats.

    Parameters
    ----------
    waves
        (m, T) one lead of m beats, in units of the lead's scale.
    lead
        The lead's index in ``bank.leads``.
    bank
        Prototypes.

    Returns
    -------
    dots (m, P), norm2 (m,)
    """
    dots = waves @ (bank.waves[:, lead] * bank.present[:, lead, None]).T
    return dots, np.einsum("mt,mt->m", waves, waves)


def combine(
    dots: FloatArray,
    norm2: FloatArray,
    present: BoolArray,
    bank: PrototypeBank,
    exclude_patient: str | npt.NDArray[np.str_] | None = None,
) -> FloatArray:
    """Sum over the leads that beat and prototype share, then divide.

    Parameters
    ----------
    dots, norm2
        (n, L, P) and (n, L) of `lead_products`, leads in the order of ``bank.leads``.
    present
        (n, L) leads that a beat has.
    bank
        Prototypes.
    exclude_patient
        ``corpus/patient`` of the beats, one for all or (n,). A prototype of the beat's patient gets -inf.

    Returns
    -------
    (n, P) similarities in [-1, 1]
    """
    top, energy, prototype_energy = _sums(dots, norm2, present, bank)
    product = energy * prototype_energy
    with np.errstate(divide="ignore", invalid="ignore"):
        similarity = np.where(product > 0, top / np.sqrt(product), 0.0).astype(np.float32)
    similarity = np.clip(similarity, -1.0, 1.0)
    if exclude_patient is not None:
        similarity = np.where(_own(exclude_patient, bank), np.float32(-np.inf), similarity)
    return similarity


def nearest_distance(
    dots: FloatArray,
    norm2: FloatArray,
    present: BoolArray,
    bank: PrototypeBank,
    exclude_patient: str | npt.NDArray[np.str_] | None = None,
) -> FloatArray:
    """Return the distance of each beat to its nearest prototype, (n,) in 0 to sqrt(2), infinite where there is none.

    Parameters as for `combine`.
    """
    top, energy, prototype_energy = _sums(dots, norm2, present, bank)
    usable = prototype_energy > 0
    if exclude_patient is not None:
        usable = usable & ~_own(exclude_patient, bank)
    squared = np.maximum(energy + prototype_energy - 2 * top, 0.0)
    ratio = np.divide(squared, energy + prototype_energy, out=np.full_like(squared, np.inf), where=usable)
    distance: FloatArray = np.sqrt(ratio.min(axis=1, initial=np.inf)).astype(np.float32)
    return distance


def _sums(
    dots: FloatArray, norm2: FloatArray, present: BoolArray, bank: PrototypeBank
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Return dot products and squared norms of beats and prototypes over the leads that both have, (n, P) each."""
    mask = present.astype(np.float32)
    shared = bank.present.astype(np.float32)
    return np.einsum("nlp,nl->np", dots, mask), (norm2 * mask) @ shared.T, mask @ bank.norm2.T


def _own(patient: str | npt.NDArray[np.str_], bank: PrototypeBank) -> BoolArray:
    """Return (n, P) or (1, P): whether a prototype is of the beats' own ``corpus/patient``."""
    return np.asarray(np.asarray(patient).reshape(-1, 1) == bank.patients[None, :])


def class_features(similarities: FloatArray, bank: PrototypeBank, allowed: BoolArray | None = None) -> FloatArray:
    """Return the prototype features of beats: for each class the maximum, then for each class the mean of the top k.

    Parameters
    ----------
    similarities
        (n, P) of `combine`; a prototype with -inf is left out, as by a False in `allowed`.
    bank
        Prototypes.
    allowed
        (n, P), prototypes that a beat may see; all where None.

    Returns
    -------
    (n, 2 K) float32, 0 where a class has no prototype that is allowed
    """
    n_classes = len(bank.classes)
    usable = np.isfinite(similarities) if allowed is None else np.isfinite(similarities) & allowed
    masked = np.where(usable, similarities, np.float32(-np.inf))
    result = np.zeros((len(similarities), 2 * n_classes), dtype=np.float32)
    for k, name in enumerate(bank.classes):
        columns = np.flatnonzero(bank.labels == name)
        if not len(columns):
            continue
        block = -np.partition(-masked[:, columns], min(bank.top_similar, len(columns)) - 1, axis=1)
        top = -np.sort(-block[:, : bank.top_similar], axis=1)
        finite = np.isfinite(top)
        count = finite.sum(1)
        result[:, k] = np.where(count > 0, top[:, 0], 0.0)
        result[:, n_classes + k] = np.where(finite, top, 0.0).sum(1) / np.maximum(count, 1)
    return result
