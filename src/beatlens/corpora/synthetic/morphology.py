"""What a beat looks like: a cardiac dipole made of Gaussian waves, seen by the leads of the body surface.

After McSharry et al., IEEE Trans. Biomed. Eng. 50 (2003) 289, and Sameni et al., EURASIP J. Adv. Signal Process.
(2007) 43407. The leads are Dower's projection of Frank's axes (Dower et al., Clin. Cardiol. 3 (1980) 87).

Axes: x to the left, y to the feet, z to the back, in millivolts. A beat is a table of waves, one row
``(time, width, x, y, z)`` each: seconds from the fiducial point (the peak of the normal R wave, a fixed time after the
onset of QRS), the Gaussian's standard deviation in seconds, and the dipole at its peak.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beatlens.core.leads import canonical_lead

Table = npt.NDArray[np.float64]

INDEPENDENT_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
LIMB = {"III": {"II": 1.0, "I": -1.0}, "aVR": {"I": -0.5, "II": -0.5}, "aVL": {"I": 1.0, "II": -0.5}}
LIMB["aVF"] = {"II": 1.0, "I": -0.5}

QRS_WINDOW_S = (-0.09, 0.14)
"""Where, seconds from the fiducial point, the R peak of a beat of any class is looked for."""

TERRITORIES = {  # ST vectors in mV
    "inferior": (-0.12, 0.30, 0.03),
    "anterior": (0.04, -0.02, -0.30),
    "lateral": (0.30, -0.06, 0.02),
}


def mixing(leads: Sequence[str]) -> Table:
    """Return the (n_leads, 8) matrix that makes leads out of `INDEPENDENT_LEADS`; limb leads obey Einthoven."""
    rows = []
    for lead in leads:
        name = canonical_lead(lead)
        parts = LIMB.get(name, {name: 1.0})
        rows.append([parts.get(source, 0.0) for source in INDEPENDENT_LEADS])
    return np.array(rows)


def _rotation(about_z: float, about_y: float) -> Table:
    """Turn in the frontal plane, then in the transverse one; radians."""
    cos_z, sin_z, cos_y, sin_y = np.cos(about_z), np.sin(about_z), np.cos(about_y), np.sin(about_y)
    frontal = np.array([[cos_z, -sin_z, 0.0], [sin_z, cos_z, 0.0], [0.0, 0.0, 1.0]])
    transverse = np.array([[cos_y, 0.0, sin_y], [0.0, 1.0, 0.0], [-sin_y, 0.0, cos_y]])
    return np.asarray(transverse @ frontal)


def _turned(table: Table, rotation: Table, gain: float = 1.0) -> Table:
    return np.column_stack([table[:, :2], gain * table[:, 2:] @ rotation.T])


def _jittered(rng: np.random.Generator, waves: Sequence[Sequence[float]], stretch: float, spread: float) -> Table:
    """Make one patient's version of waves: times and widths stretched, amplitudes changed by a relative `spread`."""
    table = np.array(waves, dtype=float)
    table[:, :2] *= stretch
    table[:, 1] *= 1 + 0.06 * rng.standard_normal(len(table)).clip(-2, 2)
    table[:, 2:] *= 1 + spread * rng.standard_normal((len(table), 3)).clip(-2, 2)
    return table


@dataclass(frozen=True)
class Variation:
    """How one beat differs from its patient's typical one: gains, turns (radians), PR shift (s), width factor."""

    gain: float = 1.0
    turn_z: float = 0.0
    turn_y: float = 0.0
    p_gain: float = 1.0
    pr_shift_s: float = 0.0
    width: float = 1.0
    t_gain: float = 1.0
    st_gain: float = 1.0


@dataclass(frozen=True)
class Shape:
    """Waves of one class of beat: P (may be empty), QRS, ST vector with its J point in s, T (at RR 1 s)."""

    p: Table
    qrs: Table
    st: Table
    j_s: float
    t: Table

    @property
    def r_offset_s(self) -> float:
        """Seconds from the fiducial point to the R peak: where the QRS dipole is longest."""
        times = np.arange(*QRS_WINDOW_S, 0.001)
        length = np.linalg.norm(dipole(self.qrs, times), axis=0)
        return float(times[int(np.argmax(length))])

    def table(self, rr_s: float, variation: Variation, with_p: bool = True) -> Table:
        """Return the waves of one beat; the T wave follows the square root of the RR interval `rr_s`."""
        rate = float(np.sqrt(np.clip(rr_s, 0.4, 1.5)))
        t = self.t.copy()
        t[:, :2] *= rate
        t[:, 2:] *= variation.t_gain
        qrs = self.qrs.copy()
        qrs[:, :2] *= variation.width
        parts = [qrs, _plateau(self.j_s, float(t[-1, 0]), self.st * variation.st_gain), t]
        if with_p and len(self.p):
            p = self.p.copy()
            p[:, 0] += variation.pr_shift_s + 0.06 * (1 - rate)
            p[:, 2:] *= variation.p_gain
            parts.append(p)
        return _turned(np.concatenate(parts), _rotation(variation.turn_z, variation.turn_y), variation.gain)


def _plateau(begin_s: float, end_s: float, vector: Table, step_s: float = 0.024) -> Table:
    """Make a level stretch out of narrow Gaussians (ripple below .1 %), falling off over its last third."""
    times = np.arange(begin_s + step_s / 2, max(end_s, begin_s + 3 * step_s), step_s)
    fall = np.clip((times[-1] + step_s - times) / (times[-1] + step_s - begin_s) * 3, 0, 1)
    width = step_s / 1.5
    level = step_s / (width * np.sqrt(2 * np.pi)) * np.sin(fall * np.pi / 2) ** 2
    return np.column_stack([times, np.full_like(times, width), level[:, None] * vector])


def dipole(table: Table, times_s: Table) -> Table:
    """Return the dipole (3, n) in mV that a table of waves makes at times from the fiducial point."""
    waves = np.exp(-0.5 * ((times_s - table[:, :1]) / table[:, 1:2]) ** 2)
    return np.asarray(table[:, 2:].T @ waves)


@dataclass(frozen=True)
class Heart:
    """One patient: a shape per class (PVCs: one per focus), the leads' view of it, and the fibrillation vector.

    Attributes
    ----------
    shapes
        Class -> shapes.
    matrix
        (8, 3): `INDEPENDENT_LEADS` from the dipole.
    """

    shapes: dict[str, tuple[Shape, ...]]
    matrix: Table

    def shape(self, kind: str, focus: int) -> Shape:
        """Return the shape of a class, of one of its foci."""
        foci = self.shapes[kind]
        return foci[focus % len(foci)]


def draw_heart(rng: np.random.Generator, leads: Sequence[str]) -> Heart:
    """Draw a patient.

    Parameters
    ----------
    rng
        The patient's own generator.
    leads
        Leads of the patient's records: ST elevation takes a territory that they look at.
    """
    stretch = rng.uniform(0.88, 1.14)
    gain = rng.uniform(0.7, 1.4)
    axis = _rotation(rng.uniform(-0.45, 0.40), rng.uniform(-0.25, 0.30))
    p_axis = _rotation(rng.uniform(-0.3, 0.3), rng.uniform(-0.2, 0.2))
    t_axis = axis @ _rotation(rng.uniform(-0.25, 0.25), rng.uniform(-0.25, 0.25))

    pr = rng.uniform(-0.02, 0.02)
    p_waves = [[-0.160 + pr, 0.020, 0.04, 0.08, -0.04], [-0.132 + pr, 0.020, 0.07, 0.055, 0.04]]
    p = _turned(_jittered(rng, p_waves, 1.0, 0.15), p_axis, rng.uniform(0.8, 1.4))
    no_p = np.empty((0, 5))

    septal = [-0.027, 0.0085, -0.16, -0.06, -0.20]
    main = [[-0.006, 0.0110, 0.60, 0.42, 0.02], [0.008, 0.0110, 0.50, 0.45, 0.42]]
    basal = [0.031, 0.0105, -0.16, -0.14, 0.36]
    qrs = _jittered(rng, [septal, *main, basal], stretch, 0.18)
    t_wave = _jittered(rng, [[0.235, 0.052, 0.11, 0.09, -0.07], [0.287, 0.033, 0.15, 0.13, -0.10]], 1.0, 0.10)
    t_wave[:, :2] *= rng.uniform(0.94, 1.08)
    t_wave[:, 2:] *= rng.uniform(0.55, 1.35) / gain**0.5
    no_st = np.zeros(3)
    slight_st = np.array([0.02, 0.02, -0.02]) * rng.uniform(-1.2, 1.6)
    t_n = _turned(t_wave, t_axis, gain)
    normal = Shape(p, _turned(qrs, axis, gain), slight_st, 0.055 * stretch, t_n)

    shapes: dict[str, tuple[Shape, ...]] = {"N": (normal,)}
    shapes["S"] = tuple(Shape(table, normal.qrs, normal.st, normal.j_s, normal.t) for table in _ectopic_p(rng, p, no_p))
    late = rng.uniform(0.85, 1.25)
    terminal = [
        [0.056, 0.0145, -0.22 * late, 0.03, -0.26 * late],
        [0.078, 0.0180, -0.34 * late, 0.02, -0.42 * late],
    ]
    rbbb = np.concatenate([qrs, _jittered(rng, terminal, stretch, 0.12)])
    t_rbbb = t_wave.copy()
    t_rbbb[:, 0] += 0.02
    t_rbbb[:, 4] += rng.uniform(0.12, 0.20)
    shapes["RBBB"] = (Shape(p, _turned(rbbb, axis, gain), no_st, 0.11, _turned(t_rbbb, axis, gain)),)
    shapes["LBBB"] = (_left_block(rng, p, axis, gain, stretch),)
    shapes["STE"] = (_elevated(rng, normal, leads),)
    foci = 1 if rng.random() < 0.7 else 2
    shapes["V"] = tuple(_ventricular(rng, normal, no_p) for _ in range(foci))
    matrix = DOWER * (1 + 0.05 * rng.standard_normal(DOWER.shape)) * rng.uniform(0.88, 1.12, (len(DOWER), 1))
    return Heart(shapes, matrix)


def _ectopic_p(rng: np.random.Generator, p: Table, no_p: Table) -> list[Table]:
    """P waves of premature atrial beats: from the low atrium (turned over), the left atrium, or hidden altogether."""
    low = p.copy()
    low[:, 2:] *= np.array([0.6, -1.0, 1.0]) * rng.uniform(0.8, 1.2)
    low[:, 0] += rng.uniform(0.015, 0.035)
    left = p.copy()
    left[:, 2:] *= np.array([-0.8, 0.9, -1.0]) * rng.uniform(0.9, 1.4)
    left[:, 1] *= 0.85
    hidden = rng.random() < 0.3
    return [no_p] if hidden else [low if rng.random() < 0.6 else left]


def _left_block(rng: np.random.Generator, p: Table, axis: Table, gain: float, stretch: float) -> Shape:
    """Left bundle branch block: no septal Q, broad notched R to the left and back, ST and T against it."""
    notch = rng.uniform(0.8, 1.1)
    waves = [
        [-0.010, 0.0105, 0.50, 0.28, 0.04],
        [0.012, 0.0115, 0.46 / notch, 0.24, 0.30],
        [0.036, 0.0120, 0.34, 0.14, 0.38],
        [0.060, 0.0130, 0.58 * notch, 0.20, 0.52],
        [0.083, 0.0125, 0.16, -0.04, 0.18],
    ]
    table = _jittered(rng, waves, stretch, 0.10)
    strength = gain * rng.uniform(0.95, 1.2)
    opposite = -np.array([0.30, 0.08, 0.34]) * rng.uniform(0.55, 0.90)
    t = np.array([[0.285, 0.058, *(0.6 * opposite)], [0.335, 0.043, *(0.6 * opposite)]])
    return Shape(p, _turned(table, axis, strength), gain * axis @ (0.28 * opposite), 0.105, _turned(t, axis, strength))


def _elevated(rng: np.random.Generator, normal: Shape, leads: Sequence[str]) -> Shape:
    """ST elevation in a territory that the leads see, with a taller T in the same direction."""
    names = {canonical_lead(lead) for lead in leads}
    seen = ["inferior"] if {"II", "aVF"} & names else []
    seen += ["anterior"] if {"V1", "V2", "V3"} & names else []
    seen += ["lateral"] if {"V5", "V6"} & names else []
    vector = np.array(TERRITORIES[str(rng.choice(seen))]) * rng.uniform(0.85, 1.45)
    vector = vector + 0.03 * rng.standard_normal(3)
    taller = normal.t.copy()
    taller[:, 2:] += 0.35 * vector
    return Shape(normal.p, normal.qrs, normal.st + vector, normal.j_s - 0.012, taller)


def _ventricular(rng: np.random.Generator, normal: Shape, no_p: Table) -> Shape:
    """One ventricular focus: no P, a slow wide QRS far from the normal axis, ST and T against it."""
    main = normal.qrs[:, 2:].sum(axis=0)
    main = main / np.linalg.norm(main)
    while True:
        direction = rng.standard_normal(3)
        direction /= np.linalg.norm(direction)
        if direction @ main < 0.35 and abs(direction[2]) < 0.85:
            break
    side = np.cross(direction, rng.standard_normal(3))
    side /= np.linalg.norm(side)
    width = rng.uniform(0.9, 1.25)
    size = rng.uniform(1.2, 2.0)
    waves = [
        [-0.022, 0.0155, *(size * (0.45 * direction + 0.30 * side))],
        [0.014, 0.0180, *(size * (0.80 * direction + 0.05 * side))],
        [0.056, 0.0210, *(size * (0.45 * direction - 0.35 * side))],
    ]
    table = np.array(waves)
    table[:, :2] *= width
    against = -direction * size * rng.uniform(0.24, 0.38)
    late = 0.02 * (width - 1) / 0.25
    t = np.array([[0.285 + late, 0.060, *(0.6 * against)], [0.340 + late, 0.045, *(0.6 * against)]])
    return Shape(no_p, table, 0.30 * against, 0.105 * width, t)


def fibrillation(rng: np.random.Generator, fs: float, n_samples: int) -> Table:
    """Return the dipole (3, n_samples) of fibrillating atria: 5 to 8 waves a second, waxing and waning, best in V1."""
    time = np.arange(n_samples) / fs
    rate = rng.uniform(5.2, 7.5) + 0.5 * np.sin(2 * np.pi * rng.uniform(0.1, 0.3) * time + rng.uniform(0, 6.28))
    phase = 2 * np.pi * np.cumsum(rate) / fs + rng.uniform(0, 6.28)
    size = rng.uniform(0.05, 0.10) * (1 + 0.35 * np.sin(2 * np.pi * rng.uniform(0.2, 0.5) * time))
    saw = np.sin(phase) - 0.35 * np.sin(2 * phase) + 0.12 * np.sin(3 * phase)
    return np.outer([0.15, 0.40, -0.90], size * saw)
