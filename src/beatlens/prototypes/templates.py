"""Class templates: the typical wave of each class in each lead. Each training patient counts once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from beatlens.core.files import read_arrays, write_arrays
from beatlens.inputs.labelled_records import clean_beats
from beatlens.inputs.network_inputs import RecordInputs
from beatlens.shards.shard import BeatGeometry

FloatArray = npt.NDArray[np.float32]
QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class ClassTemplates:
    """The median over patients of each patient's median beat, with the quartiles of patients.

    Attributes
    ----------
    classes, leads
        K class ids and L lead names.
    quartiles
        (3, K, L, T) mV, lower quartile, median and upper quartile; NaN where no patient has a clean beat.
    patients, beats
        (K, L) that each wave rests on.
    fs, before
        Rate in Hz and samples before R.
    """

    classes: tuple[str, ...]
    leads: tuple[str, ...]
    quartiles: FloatArray
    patients: npt.NDArray[np.int64]
    beats: npt.NDArray[np.int64]
    fs: float
    before: int

    def save(self, path: str | Path) -> None:
        """Write the arrays."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "classes": np.array(self.classes, dtype=np.str_),
            "leads": np.array(self.leads, dtype=np.str_),
            "quartiles": self.quartiles,
            "patients": self.patients,
            "beats": self.beats,
            "fs": np.array(self.fs),
            "before": np.array(self.before),
        }
        write_arrays(path, arrays)

    @classmethod
    def load(cls, path: str | Path) -> ClassTemplates:
        """Read what `save` wrote."""
        arrays = read_arrays(path)
        return cls(
            tuple(arrays["classes"].tolist()),
            tuple(arrays["leads"].tolist()),
            arrays["quartiles"],
            arrays["patients"],
            arrays["beats"],
            float(arrays["fs"]),
            int(arrays["before"]),
        )


def class_templates(
    patients: Iterable[Sequence[RecordInputs]], classes: Sequence[str], leads: Sequence[str], geometry: BeatGeometry
) -> ClassTemplates:
    """Take the median over patients of each patient's median clean beat, and the quartiles.

    Parameters
    ----------
    patients
        The records of one patient after the other (`beatlens.prototypes.mining.training_patients`).
    classes, leads
        Class ids and lead names, in the order of the result.
    geometry
        Extent of a beat.
    """
    shape = (len(classes), len(leads))
    medians: list[list[list[FloatArray]]] = [[[] for _ in leads] for _ in classes]
    beats = np.zeros(shape, dtype=np.int64)
    for records in patients:
        for k, name in enumerate(classes):
            for place, lead in enumerate(leads):
                waves_of_record = [_millivolts(inputs, name, lead) for inputs in records if lead in inputs.record.leads]
                waves = np.concatenate([np.zeros((0, geometry.length), dtype=np.float32), *waves_of_record])
                if len(waves):
                    medians[k][place].append(np.median(waves, axis=0).astype(np.float32))
                    beats[k, place] += len(waves)
    quartiles = np.full((len(QUARTILES), *shape, geometry.length), np.nan, dtype=np.float32)
    for k, by_lead in enumerate(medians):
        for place, waves_of_patients in enumerate(by_lead):
            if waves_of_patients:
                quartiles[:, k, place] = np.quantile(np.stack(waves_of_patients), QUARTILES, axis=0)
    counts = np.array([[len(waves) for waves in by_lead] for by_lead in medians], dtype=np.int64)
    return ClassTemplates(
        tuple(classes), tuple(leads), quartiles, counts.reshape(shape), beats, geometry.fs, geometry.before
    )


def _millivolts(inputs: RecordInputs, name: str, lead: str) -> FloatArray:
    place = inputs.record.leads.index(lead)
    rows = np.flatnonzero(clean_beats(inputs.beats) & (inputs.beats["label"] == name).to_numpy())
    waves: FloatArray = inputs.waves[rows, place] * inputs.record.lead_scale[place]
    return waves
