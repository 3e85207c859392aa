"""What a class is contrasted with: the same patient's usual beat of another class, as far as the model can tell.

A record without such a beat is compared with the patient's other records, as a reader compares with the last ECG.

An explanation answers "why this class rather than another?". Filling a hole with what a beat of the other class looks
like there asks the question without leaving the signals that the model knows. Predictions decide, labels don't, and
nothing says where in the beat to look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.explain.baselines import median_beat
from beatlens.explain.scene import Scene
from beatlens.inference import predict_record, prepare_record
from beatlens.prototypes.similarity import PrototypeBank
from beatlens.shards import Shard, cut_beats

if TYPE_CHECKING:
    from beatlens.bundle import Bundle
    from beatlens.models.hybrid import HybridNet

FloatArray = npt.NDArray[np.float32]

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
        ``record``: the median of the record's own beats that are predicted so; ``patient``: that of the patient's other
        records; ``prototypes``: that of the bank's prototypes, in the amplitude of each lead of the record.
    wave
        (L, T) float32 mV.
    """

    label: str
    source: str
    wave: FloatArray


def find_contrast(
    scene: Scene,
    explained: str,
    pred: npt.NDArray[np.object_],
    review: npt.NDArray[np.bool_],
    probability: npt.NDArray[np.float64],
    classes: Sequence[str],
    bank: PrototypeBank,
    elsewhere: Callable[[str], FloatArray],
) -> Contrast | None:
    """Choose what a case is contrasted with.

    A class is contrasted with the first one, the reference: with the record's own accepted beats of it, if there are
    `MIN_BEATS`, else with those of the patient's other records, else with its prototypes of other patients, or where a
    lead of the record has none with the record's accepted beats of the most frequent other class (the first by name
    where two are). The reference itself is contrasted with the latter, else with prototypes of the class that the model
    holds for the next likely at the target. None where there is nothing of all this.

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
    elsewhere
        Returns (n, L, T) mV, the accepted beats of a class in the patient's other records (`beats_elsewhere`).
    """
    usable = ~review & (pred != explained)
    own = bank.for_leads(scene.leads)
    reference = str(classes[0])
    if explained != reference:
        if (usable & (pred == reference)).sum() >= MIN_BEATS:
            return Contrast(reference, "record", median_beat(scene, usable & (pred == reference)))
        if len(waves := elsewhere(reference)) >= MIN_BEATS:
            return Contrast(reference, "patient", np.median(waves, axis=0).astype(np.float32))
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


def beats_elsewhere(
    scene: Scene, label: str, shards: Sequence[Shard], bundle: Bundle, network: HybridNet, device: str
) -> FloatArray:
    """Return the accepted beats of a class in the patient's other records that have the leads of a scene.

    Parameters
    ----------
    scene
        The case.
    label
        The class.
    shards
        Where other records of the patient may lie; in which order is all one to a median.
    bundle, network, device
        The model, whose predictions say which beats have the class.

    Returns
    -------
    (n, L, T) float32 mV
    """
    found = [np.empty((0, len(scene.leads), scene.geometry.length), dtype=np.float32)]
    for shard in shards:
        for row in shard.records.itertuples():
            record = str(row.record)
            if f"{row.corpus}/{row.patient}" != scene.patient or (row.corpus, record) == (scene.corpus, scene.record):
                continue
            beats, leads = shard.beats_of(scene.corpus, record), shard.leads(scene.corpus, record)
            if beats.empty or not set(scene.leads) <= set(leads):
                continue
            table, _ = predict_record(prepare_record(shard, beats, bundle.spec), "", bundle, network, device)
            chosen = ((table["pred"] == label) & ~table["review"].astype(bool)).to_numpy()
            signal = shard.signal(scene.corpus, record)[[leads.index(lead) for lead in scene.leads]]
            found.append(cut_beats(signal, beats["r_index"].to_numpy(dtype=np.int64)[chosen], scene.geometry))
    return np.concatenate(found)


def _prototypes(scene: Scene, own: PrototypeBank, label: str) -> Contrast | None:
    """Return the median of other patients' prototypes of a class, or None where a lead has none."""
    rows = (own.labels == label) & (own.patients != scene.patient)
    if not own.present[rows].any(axis=0).all():
        return None
    waves = [np.median(own.waves[rows & own.present[:, lead], lead], axis=0) for lead in range(len(scene.leads))]
    return Contrast(label, "prototypes", (np.stack(waves) * scene.lead_scale[:, None]).astype(np.float32))
