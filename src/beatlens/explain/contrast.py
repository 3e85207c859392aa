"""What a class is contrasted with: the same patient's usual beat of another class, as far as the model can tell.

An explanation answers "why this class rather than another?". Filling a hole with what a beat of the other class looks
like there asks the question without leaving the signals that the model knows. Predictions decide, labels don't, and
nothing says where in the beat to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beatlens.explain.baselines import median_beat
from beatlens.explain.scene import Scene
from beatlens.prototypes.similarity import PrototypeBank

MIN_BEATS = 3
"""Beats of one other class that a record needs, so that their median is one."""


@dataclass(frozen=True)
class Contrast:
    """A beat of another class.

    Attributes
    ----------
    label
        Its class.
    source
        ``record``: the median of the record's own beats that are predicted so; ``prototypes``: that of the bank's
        prototypes, in the amplitude of each lead of the record.
    wave
        (L, T) float32 mV.
    """

    label: str
    source: str
    wave: npt.NDArray[np.float32]


def find_contrast(
    scene: Scene,
    explained: str,
    pred: npt.NDArray[np.object_],
    review: npt.NDArray[np.bool_],
    probability: npt.NDArray[np.float64],
    classes: Sequence[str],
    bank: PrototypeBank,
) -> Contrast | None:
    """Choose what a case is contrasted with.

    A class is contrasted with the first one, the reference: with the record's own accepted beats of it, if there are
    `MIN_BEATS`, else with its prototypes of other patients, or where a lead of the record has none with the record's
    accepted beats of the most frequent other class (the first by name where two are). The reference itself is
    contrasted with the latter, else with prototypes of the class that the model holds for the next likely at the
    target. None where there is nothing of all this.

    Parameters
    ----------
    scene
        The case.
    explained
        The class that is explained.
    pred, review
        (n,) predicted class of each beat of the record, and whether it went to review.
    probability
        (K,) at the target.
    classes
        Class ids, in the order of `probability`.
    bank
        Prototypes.
    """
    usable = ~review & (pred != explained)
    own = bank.for_leads(scene.leads)
    reference = str(classes[0])
    if explained != reference:
        if (usable & (pred == reference)).sum() >= MIN_BEATS:
            return Contrast(reference, "record", median_beat(scene, usable & (pred == reference)))
        if found := _prototypes(scene, own, reference):
            return found
    names, counts = np.unique(pred[usable].astype(str), return_counts=True)
    if len(names) and counts.max() >= MIN_BEATS:
        label = str(names[counts.argmax()])
        return Contrast(label, "record", median_beat(scene, usable & (pred == label)))
    others = [name for name in classes if name != explained]
    if not others:
        return None
    if explained != reference:
        return None
    return _prototypes(scene, own, max(others, key=lambda name: probability[list(classes).index(name)]))


def _prototypes(scene: Scene, own: PrototypeBank, label: str) -> Contrast | None:
    """Return the median of other patients' prototypes of a class, or None where a lead has none."""
    rows = (own.labels == label) & (own.patients != scene.patient)
    if not own.present[rows].any(axis=0).all():
        return None
    waves = [np.median(own.waves[rows & own.present[:, lead], lead], axis=0) for lead in range(len(scene.leads))]
    return Contrast(label, "prototypes", (np.stack(waves) * scene.lead_scale[:, None]).astype(np.float32))
