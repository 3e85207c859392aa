"""What is measured of a beat and of the usual beats of its record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from beatlens.words.measured_record import MeasuredRecord
from beatlens.words.p_wave import UNKNOWN, MeasuredP, measure_p
from beatlens.words.qrs import Qrs, measure_qrs
from beatlens.words.timing import Timing, measure_timing

UNMEASURED = Qrs(float("nan"), float("nan"), None, 0)


@dataclass(frozen=True)
class MeasuredBeat:
    """A beat in numbers.

    Attributes
    ----------
    timing
        When it came.
    qrs, usual_qrs
        Its QRS complex, and that of the nearest beat that keeps the rhythm.
    p
        What precedes it.
    """

    timing: Timing
    qrs: Qrs
    usual_qrs: Qrs
    p: MeasuredP


def measure_beat(record: MeasuredRecord, row: int) -> MeasuredBeat:
    """Measure a beat of a record."""
    timing = measure_timing(record, row)
    if record.doubted[row]:
        return MeasuredBeat(timing, UNMEASURED, UNMEASURED, UNKNOWN)
    qrs = measure_qrs(record, row)
    nearest = record.nearest(~record.ectopic & ~record.doubted & (np.arange(len(record.ectopic)) != row), row, 1)
    usual = measure_qrs(record, int(nearest[0])) if len(nearest) else UNMEASURED
    p = measure_p(record, row, qrs, timing)
    return MeasuredBeat(timing, qrs, usual, p)
