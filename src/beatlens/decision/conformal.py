"""Class-conditional (Mondrian) conformal sets: the classes that can't be ruled out for a beat.

Of exchangeable beats of a class, at least a share of 1 - alpha has the class in its set (Vovk, Gammerman and Shafer
2005). This holds for each class, so a rare class isn't sacrificed to a frequent one.

Beats of one patient aren't exchangeable with those of another; patients are. Where a class has enough patients, its
p-value is the mean over patients, one beat of each (Dunn, Wasserman and Ramdas 2022), and a beat of a new patient is
covered. With fewer patients the p-value is taken over beats, which promises too much. The coverage that was reached is
therefore measured as well (`beatlens.evaluate.predictions.conformal`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ConformalSets:
    """Which classes a set holds; plain numbers, so that inference needs no library.

    Attributes
    ----------
    alpha
        Share of a class's beats that may miss their class.
    minimum
        A class is in the set where its calibrated probability is at least this; one entry a class. 0 where the
        class has too few calibration beats to exclude it at `alpha`. The likeliest class is always in the set.
    unit
        What is exchangeable, for each class: ``patient`` or ``beat``.
    n_beats, n_patients
        Calibration beats and patients of each class.
    """

    alpha: float
    minimum: tuple[float, ...]
    unit: tuple[str, ...]
    n_beats: tuple[int, ...]
    n_patients: tuple[int, ...]

    def __post_init__(self) -> None:
        for name in ("minimum", "unit", "n_beats", "n_patients"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not 0 < self.alpha < 1:
            raise ValueError(f"conformal alpha: {self.alpha}; expected a share in (0, 1)")
        if not len(self.minimum) == len(self.unit) == len(self.n_beats) == len(self.n_patients):
            counts = [len(values) for values in (self.minimum, self.unit, self.n_beats, self.n_patients)]
            raise ValueError(f"conformal sets: {counts} limits, units and counts; expected one of each a class")

    def contains(self, probabilities: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Tell which classes are in the set of each beat, from calibrated probabilities (n, K): (n, K) bool."""
        values = np.asarray(probabilities, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != len(self.minimum):
            raise ValueError(f"probabilities of shape {values.shape}; expected (n, {len(self.minimum)})")
        inside: npt.NDArray[np.bool_] = values >= np.array(self.minimum)
        inside[np.arange(len(values)), values.argmax(axis=1)] = True
        return inside

    def sets(self, probabilities: npt.NDArray[Any], classes: Sequence[str]) -> npt.NDArray[np.object_]:
        """Return the sets as text: class ids joined by ``;``, sorted."""
        inside = self.contains(probabilities)
        order = sorted(range(len(classes)), key=lambda k: classes[k])
        codes = inside @ (1 << np.arange(len(classes)))  # few distinct sets, however many beats
        names = {
            int(code): ";".join(classes[k] for k in order if int(code) >> k & 1) for code in np.unique(codes).tolist()
        }
        result = np.empty(len(inside), dtype=object)
        result[:] = [names[code] for code in codes.tolist()]
        return result

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return {
            "alpha": self.alpha,
            "minimum": list(self.minimum),
            "unit": list(self.unit),
            "n_beats": list(self.n_beats),
            "n_patients": list(self.n_patients),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ConformalSets:
        """Read what `to_json` gave."""
        return cls(**value)


def fit_conformal(
    probabilities: npt.NDArray[Any], target: npt.NDArray[np.int64], groups: Sequence[str], alpha: float
) -> ConformalSets:
    """Fit the limits on calibration beats, class by class.

    The nonconformity of a beat is one minus the calibrated probability of its class. p-values fall in steps at the
    calibration scores, so the limit is the largest calibration score whose p-value exceeds alpha. p-values over beats
    are those of crepes (Boström 2022). In p-values over patients, all beats of a patient together weigh as much as
    those of another.

    Parameters
    ----------
    probabilities
        (n, K) calibrated, of beats that took no part in training.
    target
        (n,) class index.
    groups
        (n,) patient of each beat.
    alpha
        Share of a class's beats that may miss their class.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    patients = np.asarray(groups, dtype=np.str_)
    if not len(values) == len(target) == len(patients):
        raise ValueError(f"{len(values)} probabilities, {len(target)} targets, {len(patients)} groups; expected equal")
    limits = [class_limit(values[target == k, k], patients[target == k], alpha) for k in range(values.shape[1])]
    return ConformalSets(alpha, *(tuple(column) for column in zip(*limits, strict=True)))


class ClassLimit(NamedTuple):
    """Limit of a class: the entries of `ConformalSets` for it."""

    minimum: float
    unit: str
    n: int
    n_patients: int


def class_limit(scores: Float64Array, patients: npt.NDArray[np.str_], alpha: float) -> ClassLimit:
    """Return the least probability with which the class stays in a set.

    Parameters
    ----------
    scores, patients
        (n,) probability of the class and patient, of calibration beats (or records) that are of the class.
    alpha
        Share of these that may miss the class.
    """
    n_patients = len(np.unique(patients))
    by_patient = n_patients + 1 > 1 / alpha  # else no class could ever be excluded
    minimum = (
        0.0 if not len(scores) else _by_patient(scores, patients, alpha) if by_patient else _by_beat(scores, alpha)
    )
    return ClassLimit(minimum, "patient" if by_patient else "beat", len(scores), n_patients)


def _by_patient(scores: Float64Array, patients: npt.NDArray[np.str_], alpha: float) -> float:
    """Return the least probability of its class with which a beat stays in the set, each patient counting once."""
    _, which, n_beats = np.unique(patients, return_inverse=True, return_counts=True)
    order = np.argsort(scores, kind="stable")
    share = np.cumsum(1.0 / n_beats[which][order])  # mean over patients of their beats that conform no better
    last_of_tie = np.searchsorted(scores[order], scores[order], side="right") - 1
    p_values = (1.0 + share[last_of_tie]) / (1.0 + len(n_beats))
    return float(scores[order][np.argmax(p_values > alpha)])  # the first of ascending p-values


def _by_beat(scores: Float64Array, alpha: float) -> float:
    """Return the least probability of its class with which a beat stays in the set, each beat counting once."""
    from crepes import ConformalClassifier

    ranked = np.unique(scores)[::-1]  # from the most to the least conforming
    conforming = ConformalClassifier().fit(1.0 - scores)

    def p_value(probability: float) -> float:
        return float(conforming.predict_p(np.array([[1.0 - probability]]), smoothing=False)[0, 0])

    if p_value(-1.0) > alpha:  # less conforming than every calibration beat, and still not to be excluded
        return 0.0
    low, high = 0, len(ranked) - 1  # the p-value falls along `ranked`; that of the first is 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if p_value(ranked[middle]) > alpha else (low, middle - 1)
    return float(ranked[low])
