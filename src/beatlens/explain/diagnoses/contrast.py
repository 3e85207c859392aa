"""What a diagnosis is contrasted with: a beat as records without it have it.

Where a stretch is filled by a straight line, the network sees what no record has, such as a beat without a QRS complex,
and the explanation is of that. A usual beat of other records is something that the network has seen. What is filled
with it then counts as far as the record differs from them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

MIN_RECORDS = 10
"""Fewer records make no usual beat."""


def usual_beat(typical: FloatArray, patients: Sequence[str], has: npt.NDArray[np.bool_], patient: str) -> FloatArray:
    """Return the median (L, T) of typical beats of records of other patients that don't have a diagnosis.

    Parameters
    ----------
    typical
        (n, L, T) mV, a typical beat a record; NaN in leads that a record lacks.
    patients
        (n,) of the records.
    has
        (n,) whether the record has the diagnosis, or may have it.
    patient
        Of the record that is explained.

    Raises
    ------
    ValueError
        Where a lead has fewer than `MIN_RECORDS`.
    """
    others = ~has & (np.asarray(patients, dtype=object) != patient)
    count = np.isfinite(typical[others][:, :, 0]).sum(axis=0)
    if (count < MIN_RECORDS).any():
        raise ValueError(
            f"{count.min()} records of other patients are without the diagnosis in some lead; expected at least "
            f"{MIN_RECORDS} to contrast with: set diagnosis_explanations.baseline to another, such as interpolation"
        )
    return np.asarray(np.nanmedian(typical[others], axis=0), dtype=np.float32)
