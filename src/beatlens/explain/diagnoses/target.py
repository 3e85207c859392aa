"""What an explanation of a record explains: the probability of a diagnosis after calibration, or its log odds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from beatlens.explain.settings import UNITS

Array = npt.NDArray[np.float64]


class CalibratedDiagnoses(Protocol):
    """Turns logits into calibrated probabilities, each diagnosis by itself.

    The log odds of diagnosis k are ``slope * logit + offsets[k]``.
    """

    @property
    def slope(self) -> float:
        """Of all diagnoses."""

    @property
    def offsets(self) -> Sequence[float]:
        """(K,) one a diagnosis."""

    def probabilities(self, logits: npt.NDArray[np.float32]) -> Array:
        """Logits (n, K) to probabilities (n, K)."""


@dataclass(frozen=True)
class DiagnosisTarget:
    """A diagnosis of a record.

    Attributes
    ----------
    index
        Which of the model's diagnoses.
    units
        ``probability``, or ``logit``: its log odds.
    """

    index: int
    units: str

    def __post_init__(self) -> None:
        if self.units not in UNITS:
            raise ValueError(f"target in {self.units!r}; expected one of {UNITS}")

    def values(self, logits: npt.NDArray[np.float32], calibration: CalibratedDiagnoses) -> Array:
        """Return the (M,) target of logits (M, K)."""
        if not 0 <= self.index < logits.shape[1]:
            raise ValueError(f"target diagnosis {self.index}; expected 0 to {logits.shape[1] - 1}")
        probability = calibration.probabilities(logits)[:, self.index]
        if self.units == "probability":
            return probability
        inner = np.clip(probability, np.finfo(np.float64).tiny, 1 - np.finfo(np.float64).epsneg)
        return np.asarray(np.log(inner) - np.log1p(-inner))
