"""What a class is contrasted with: the patient's usual beat of another class, by the model's predictions.

A record without such a beat is compared with the patient's other records, as a reader compares with an earlier ECG.

An explanation answers "why this class rather than another?". A hole is filled with what a beat of the other class looks
like there, so the model sees only signals of a kind that it knows. The choice rests on predictions, never on labels,
and gives no hint where in the beat to look.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beatlens.inputs.prepared_record import PreparedRecord
from beatlens.inputs.prototype_bank import PrototypeBank
from beatlens.inputs.record_view import RecordView, RecordViews

FloatArray = npt.NDArray[np.float32]

MIN_BEATS = 3
"""Beats of another class that a record needs for a reliable median."""


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
    views: RecordViews, view: RecordView, row: int, explained: str, bank: PrototypeBank
) -> Contrast | None:
    """Choose what a case is contrasted with.

    The first class is the reference. The first of these that there is gets chosen; None where there is none:

    ====  ============================================================  ==============================================
    turn  to explain another class                                      to explain the reference
    ====  ============================================================  ==============================================
    1     accepted reference beats of the record, at least `MIN_BEATS`  accepted beats of the record's most frequent
                                                                        other class
    2     those of the patient's other records                          prototypes, in other patients, of the class
                                                                        that is next likely at the target
    3     reference prototypes of other patients, in all its leads
    4     accepted beats of the record's most frequent other class
    ====  ============================================================  ==============================================

    Of two equally frequent classes the first by name is taken.

    Parameters
    ----------
    views
        The run's records, for the patient's others.
    view
        The case's record.
    row
        The target among its beats.
    explained
        The class that is explained.
    bank
        Prototypes.
    """
    usable = ~view.review & (view.pred != explained)
    in_leads, classes = bank.for_leads(view.record.leads), bank.classes
    reference = classes[0]
    if explained != reference:
        if view.accepted(reference).sum() >= MIN_BEATS:
            return Contrast(reference, "record", view.median_beat(reference))
        if (wave := views.median_elsewhere(view, reference, MIN_BEATS)) is not None:
            return Contrast(reference, "patient", wave)
        if found := _prototypes(view.record, in_leads, reference):
            return found
    names, counts = np.unique(view.pred[usable].astype(str), return_counts=True)
    if len(names) and counts.max() >= MIN_BEATS:
        label = str(names[counts.argmax()])
        return Contrast(label, "record", view.median_beat(label))
    others = [name for name in classes if name != explained]
    if not others or explained != reference:
        return None
    likely = max(others, key=lambda name: view.probability[row, classes.index(name)])
    return _prototypes(view.record, in_leads, likely)


def _prototypes(record: PreparedRecord, bank: PrototypeBank, label: str) -> Contrast | None:
    """Return the median of other patients' prototypes of a class, or None where a lead has none."""
    rows = (bank.labels == label) & (bank.patients != record.patient)
    if not bank.present[rows].any(axis=0).all():
        return None
    waves = [np.median(bank.waves[rows & bank.present[:, lead], lead], axis=0) for lead in range(len(record.leads))]
    return Contrast(label, "prototypes", (np.stack(waves) * record.lead_scale[:, None]).astype(np.float32))
