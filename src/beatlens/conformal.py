"""Class-conditional (Mondrian) conformal sets: the classes that a beat can't be said not to be.

Among exchangeable beats of a class at least 1 - alpha have their class in their set (Vovk, Gammerman and Shafer 2005),
class by class, so that a rare class isn't paid for by a frequent one. Beats of new patients are exchangeable with those
of calibration patients only as far as patients are alike, so the coverage is measured (`beatlens.evaluate.conformal`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
        class has too few calibration beats to exclude it at `alpha`.
    n_beats, n_patients
        Calibration beats and patients of each class.
    """

    alpha: float
    minimum: tuple[float, ...]
    n_beats: tuple[int, ...]
    n_patients: tuple[int, ...]

    def __post_init__(self) -> None:
        for name in ("minimum", "n_beats", "n_patients"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not 0 < self.alpha < 1:
            raise ValueError(f"conformal alpha: {self.alpha}; expected a share in (0, 1)")
        if not len(self.minimum) == len(self.n_beats) == len(self.n_patients):
            raise ValueError(
                f"{len(self.minimum)} limits, {len(self.n_beats)} and {len(self.n_patients)} counts of conformal sets; "
                "expected one of each a class"
            )

    def contains(self, probabilities: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Tell which classes are in the set of each beat, from calibrated probabilities (n, K): (n, K) bool."""
        values = np.asarray(probabilities, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != len(self.minimum):
            raise ValueError(f"probabilities of shape {values.shape}; expected (n, {len(self.minimum)})")
        inside: npt.NDArray[np.bool_] = values >= np.array(self.minimum)
        return inside

    def sets(self, probabilities: npt.NDArray[Any], classes: Sequence[str]) -> npt.NDArray[np.object_]:
        """Return the sets as text: class ids joined by ``;``, sorted, "" for a set that is empty."""
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
    """Fit the limits on calibration beats, class by class, with crepes (Boström 2022).

    The nonconformity of a beat is one minus the calibrated probability of its class. A p-value of crepes falls in steps
    at the calibration scores, so that the largest calibration score whose p-value exceeds alpha is the limit.

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
    limits, beats, people = [], [], []
    for k in range(values.shape[1]):
        own = values[target == k, k]
        beats.append(len(own))
        people.append(len(np.unique(patients[target == k])))
        limits.append(_minimum(own, alpha) if len(own) else 0.0)
    return ConformalSets(alpha, tuple(limits), tuple(beats), tuple(people))


def _minimum(own: Float64Array, alpha: float) -> float:
    """Return the least probability of its class with which a beat stays in the set."""
    from crepes import ConformalClassifier

    ranked = np.unique(own)[::-1]  # from the most to the least conforming
    conforming = ConformalClassifier().fit(1.0 - own)

    def p_value(probability: float) -> float:
        return float(conforming.predict_p(np.array([[1.0 - probability]]), smoothing=False)[0, 0])

    if p_value(-1.0) > alpha:  # less conforming than every calibration beat, and still not to be excluded
        return 0.0
    low, high = 0, len(ranked) - 1  # the p-value falls along `ranked`; that of the first is 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if p_value(ranked[middle]) > alpha else (low, middle - 1)
    return float(ranked[low])
