"""What is planted in a made beat as a reader measures it: where QRS begins and ends, and whether there is a P wave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from beatlens.corpora.synthetic.morphology import Table, dipole
from beatlens.corpora.synthetic.rhythm import Beat
from beatlens.corpora.synthetic.write import Made

SHARE = 0.05
"""A QRS complex begins where it exceeds that share of its peak, over the record's leads, and ends where it is that
near to its ST segment."""
STEP_S, EXTENT_S, ST_S = 0.0005, (-0.2, 0.3), 0.05


def planted_qrs(made: Made, beat: Beat) -> tuple[float, float]:
    """Return onset and end in seconds from the beat's R peak, of the noise-free waves in the record's leads.

    Decoys aren't in it. The end is looked for up to `ST_S` after the J point, where the ST segment is level.
    """
    shape = made.heart.shape(beat.kind, beat.focus)
    times = np.arange(*EXTENT_S, STEP_S)
    nothing = shape.t * np.array([1, 1, 0, 0, 0])  # T waves of no amplitude, which say where the ST segment ends

    def seen(qrs: Table, st: Table) -> Table:
        waves = replace(shape, p=np.empty((0, 5)), qrs=qrs, st=st, t=nothing)
        return np.asarray(made.matrix @ dipole(waves.table(beat.rr_s, beat.variation), times))

    complex_mv, st_mv = seen(shape.qrs, np.zeros(3)), seen(shape.qrs * np.array([1, 1, 0, 0, 0]), shape.st)
    level = st_mv[:, np.searchsorted(times, shape.j_s + ST_S)]
    size = np.linalg.norm(complex_mv, axis=0)
    to_st = np.linalg.norm(complex_mv + st_mv - level[:, None], axis=0)
    limit = SHARE * size.max()
    onset = times[np.flatnonzero(size > limit)[0]]
    end = times[np.flatnonzero((to_st > limit) & (times < shape.j_s + ST_S))[-1]]
    return float(onset - shape.r_offset_s), float(end - shape.r_offset_s)


def has_p(made: Made, beat: Beat) -> bool:
    """Tell whether a P wave is planted before a beat: none in fibrillation, before ventricular beats, or if hidden."""
    return bool(beat.with_p and len(made.heart.shape(beat.kind, beat.focus).p))
