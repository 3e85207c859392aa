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

    First the record: of its accepted beats of other classes those of the class that is most frequent (the first by
    name where two are), if there are `MIN_BEATS`. Else the prototypes of other patients: those of the first class, the
    reference, or where that is explained those of the class that the model holds for the next likely at the target.
    None where a lead of the record has no such prototype.

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
    names, counts = np.unique(pred[usable].astype(str), return_counts=True)
    if len(names) and counts.max() >= MIN_BEATS:
        label = str(names[counts.argmax()])
        return Contrast(label, "record", median_beat(scene, usable & (pred == label)))
    others = [name for name in classes if name != explained]
    if not others:
        return None
    likely = max(others, key=lambda name: probability[list(classes).index(name)])
    label = likely if explained == classes[0] else classes[0]
    own = bank.for_leads(scene.leads)
    rows = (own.labels == label) & (own.patients != scene.patient)
    if not own.present[rows].any(axis=0).all():
        return None
    waves = [np.median(own.waves[rows & own.present[:, lead], lead], axis=0) for lead in range(len(scene.leads))]
    return Contrast(label, "prototypes", (np.stack(waves) * scene.lead_scale[:, None]).astype(np.float32))
