"""What the records that a model learnt from look like, and which records are unlike them.

A network gives a class to anything. So no beat is accepted of a record that is unlike all that the network learnt from:
no lead that it knows, too low a rate, amplitudes far off, upside down, or shapes far from every prototype. A remark
says which. The limits rest on training patients alone: on the scales of their leads, and on what cross-fitting says of
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.core.remarks import Remark
from beatlens.inputs.prototype_bank import combine
from beatlens.shards.patients import patient_key
from beatlens.signals.conditioning import highest_cut
from beatlens.signals.settings.signal import SignalSettings

if TYPE_CHECKING:
    import pandas as pd

    from beatlens.inputs.network_inputs import InputSpec, RecordInputs

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

QUANTILES = (0.01, 0.99)
FACTOR = 2.0
"""An amplitude is far off where it lies `FACTOR` times beyond these quantiles of the training patients."""
MOST = 0.5
"""Share of a record's beats above which they count as most of them."""
MUCH, LIKE = 0.5, 0.7
"""A beat is upside down if, turned over, its similarity to prototypes of the usual class is at least `LIKE`, and higher
by `MUCH` than as it is. Of MIT-BIH's pieces of 10 s none counts as upside down: in DS1 (3,957 pieces) the largest share
of such beats is .18, in the paced records .23. Turned over, 2,545 pieces of DS1 count as such, and 16 of its 22 records
as a whole.
"""
COMPARED_BEATS = 301
"""Beats, evenly spread over a record, that are examined."""


@dataclass(frozen=True)
class Familiar:
    """What training records look like.

    Attributes
    ----------
    scale_mv
        Usual scale in mV of each lead that any training record has: the median over patients.
    amplitude
        Smallest and largest amplitude that aren't far off, in units of the usual one (`amplitude`).
    far_share
        Where a larger share of beats is far from prototypes, the record's shapes are unlike those of training.
    """

    scale_mv: Mapping[str, float]
    amplitude: tuple[float, float]
    far_share: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "amplitude", tuple(self.amplitude))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Familiar:
        """Build from what `to_json` gave."""
        return cls(**value)

    def known(self, leads: Sequence[str]) -> list[int]:
        """Return the places of the leads that some training record has."""
        return [place for place, lead in enumerate(leads) if lead in self.scale_mv]


def amplitude(leads: Sequence[str], scale: Sequence[float], usual: Mapping[str, float]) -> float:
    """Return the sum of a record's lead scales over that of the usual ones. A wrong gain multiplies it.

    A single lead may be tiny where it is at right angles to the heart's axis. The sum isn't.
    """
    return float(sum(scale) / sum(usual[lead] for lead in leads))


def fit_familiar(
    records: pd.DataFrame,
    scales: pd.DataFrame,
    leads: Sequence[str],
    far: BoolArray,
    patients: npt.NDArray[np.str_],
) -> Familiar:
    """Say what training records look like.

    Parameters
    ----------
    records
        The table ``records.tsv``.
    scales
        Of all records: corpus, record, leads, lead_scale.
    leads
        Those of the model.
    far, patients
        (n,) whether a beat of a patient left out is far from prototypes, and the patient.

    Raises
    ------
    ValueError
        Where no training record has one of the leads.
    """
    train = records.loc[records["split"] == "train", ["corpus", "record", "patient"]]
    scaled = train.merge(scales[["corpus", "record", "leads", "lead_scale"]], on=["corpus", "record"], validate="1:1")
    found: dict[str, dict[str, list[float]]] = {lead: {} for lead in leads}
    listed = []
    for row in scaled.itertuples(index=False):
        values = dict(zip(row.leads.split(";"), map(float, row.lead_scale.split(";")), strict=True))
        listed.append({lead: value for lead, value in values.items() if lead in found})
        for lead, value in listed[-1].items():
            found[lead].setdefault(patient_key(row.corpus, row.patient), []).append(value)
    usual = {
        lead: float(np.median([np.median(values) for values in by_patient.values()]))
        for lead, by_patient in found.items()
        if by_patient
    }
    if not usual:
        raise ValueError(f"no training record has one of the leads {list(leads)}; expected some")
    ratios = [amplitude(list(values), list(values.values()), usual) for values in listed if values]
    low, high = np.quantile(ratios, QUANTILES)
    shares = [far[patients == patient].mean() for patient in np.unique(patients)]
    return Familiar(usual, (float(low) / FACTOR, float(high) * FACTOR), float(max([MOST, *shares])))


def unlike(
    inputs: RecordInputs, spec: InputSpec, familiar: Familiar | None, far: BoolArray, signal: Mapping[str, Any]
) -> list[Remark]:
    """Return the remarks on a record that is unlike what a model learnt from, none where it isn't.

    Parameters
    ----------
    inputs
        Of the record.
    spec
        How they were made.
    familiar
        What training records look like; None where the bundle doesn't say.
    far
        (n,) whether each beat is far from prototypes.
    signal
        Section ``signal`` of the model.
    """
    if familiar is None or not len(inputs):
        return []
    found: dict[str, str] = {}
    settings = SignalSettings.read(signal)
    record = inputs.record
    cut, high_cut = highest_cut(record.fs_file, settings.fs), settings.band_hz[1]
    if cut < high_cut:
        found["rate"] = f"{record.fs_file:g} Hz hold nothing above {cut:g} Hz; the model knows up to {high_cut:g} Hz"
    known = familiar.known(record.leads)
    if not known:
        found["leads"] = f"{', '.join(record.leads)}; the model learnt from {', '.join(familiar.scale_mv)}"
    else:
        names, scale = [record.leads[k] for k in known], [float(record.lead_scale[k]) for k in known]
        ratio, (low, high) = amplitude(names, scale, familiar.scale_mv), familiar.amplitude
        if not low <= ratio <= high:
            found["amplitude"] = (
                f"{ratio:.2g} times the usual one of {', '.join(names)}; the model knows {low:.2g} to {high:.2g} times"
            )
    share = float(turned(inputs, spec).mean())
    if share > MOST:
        found["inverted"] = f"{100 * share:.0f} % of the beats are like usual ones once they are turned over"
    share = float(far.mean())
    if share > familiar.far_share:
        found["shapes"] = f"{100 * share:.0f} % of the beats are far from every prototype"
    return [Remark(record.corpus, record.record, f"unlike:{name}", detail) for name, detail in found.items()]


def turned(inputs: RecordInputs, spec: InputSpec) -> BoolArray:
    """Tell which of a record's beats are upside down, (m,) of up to `COMPARED_BEATS`.

    Turned over, such a beat resembles prototypes of the usual class (the first) by at least `LIKE`, by `MUCH` more than
    as it is, and more than it resembles any prototype as it is. The same must hold for most of its leads, each by
    itself, since an unusual axis of the heart turns single leads over. Prototypes of the beat's patient are left out.
    """
    from beatlens.inputs.network_inputs import record_products

    rows = np.unique(np.linspace(0, len(inputs) - 1, min(COMPARED_BEATS, len(inputs))).astype(np.int64))
    dots, norm2, present, bank = record_products(inputs.waves[rows], inputs.record.leads, spec.bank)
    usual = (bank.labels == spec.classes[0]) & (bank.patients != inputs.record.patient)

    def nearest(sign: int, of: BoolArray, leads: BoolArray) -> FloatArray:
        """Return the similarity of each beat, turned over or not, to the nearest of some prototypes."""
        result: FloatArray = combine(sign * dots, norm2, leads, bank, inputs.record.patient)[:, of].max(axis=1)
        return result

    if not usual.any():
        return np.zeros(len(rows), dtype=bool)
    over = nearest(-1, usual, present)
    result = (over > LIKE) & (over > nearest(1, usual, present) + MUCH)
    result &= over > nearest(1, np.ones(len(bank), dtype=bool), present)
    seen = np.flatnonzero(bank.present[usual].any(axis=0))
    votes = np.zeros(len(rows), dtype=np.int64)
    for lead in seen:
        alone = np.zeros_like(present)
        alone[:, lead] = True
        votes += nearest(-1, usual, alone) > nearest(1, usual, alone)
    turned_over: BoolArray = result & (2 * votes > len(seen))
    return turned_over
