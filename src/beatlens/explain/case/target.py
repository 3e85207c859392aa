"""What an explanation explains: a number that follows from the network's outputs after calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from beatlens.explain.settings import UNITS

Array = npt.NDArray[np.float64]

KINDS = ("beat", "window", "noise")


class Calibrated(Protocol):
    """Turns logits into calibrated probabilities (`beatlens.decision.calibration.Calibration`)."""

    def probabilities(self, logits: npt.NDArray[np.float32]) -> Array:
        """Class logits (n, K) to probabilities (n, K)."""

    def noise(self, gates: npt.NDArray[np.float32]) -> Array:
        """Noise-gate logits (n,) to probabilities (n,)."""


@dataclass(frozen=True)
class Target:
    """A class of one beat, a class anywhere in a window, or the noise gate of one beat.

    Attributes
    ----------
    kind
        ``beat``: the class's probability at the target beat; ``window``: 1 - prod(1 - p) over the target beats;
        ``noise``: the noise gate's probability at the target beat.
    class_index
        Index of the class, None for ``noise``.
    units
        ``probability``, or ``logit``: its log odds.
    """

    kind: str
    class_index: int | None
    units: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.units not in UNITS:
            raise ValueError(f"target {self.kind!r} in {self.units!r}; expected one of {KINDS} in one of {UNITS}")
        if (self.class_index is None) != (self.kind == "noise"):
            raise ValueError(f"target {self.kind!r} with class index {self.class_index}")

    def values(self, logits: npt.NDArray[np.float32], gates: npt.NDArray[np.float32], calibration: Calibrated) -> Array:
        """Return the target for each mask.

        Parameters
        ----------
        logits
            (M, n_targets, K) class logits of the target beats.
        gates
            (M, n_targets) noise-gate logits.
        calibration
            Of the bundle.

        Returns
        -------
        (M,) float64
        """
        n_masks, n_targets, n_classes = logits.shape
        if self.kind != "window" and n_targets != 1:
            raise ValueError(f"target {self.kind!r} over {n_targets} beats; expected one")
        if self.class_index is None:
            noise = calibration.noise(gates.reshape(-1))
            return noise if self.units == "probability" else _log_odds(noise, 1 - noise)
        if not 0 <= self.class_index < n_classes:
            raise ValueError(f"target class index {self.class_index}; expected 0 to {n_classes - 1}")
        probability = calibration.probabilities(logits.reshape(-1, n_classes)).reshape(logits.shape)
        # The sum over the other classes is 1 - p, without the rounding error of a difference.
        other = np.delete(probability, self.class_index, axis=2).sum(axis=2)
        if n_classes == 1:
            other = 1 - probability[:, :, 0]
        none = np.prod(other, axis=1)
        some = probability[:, 0, self.class_index] if n_targets == 1 else 1 - none
        return some if self.units == "probability" else _log_odds(some, none)


def _log_odds(p: Array, q: Array) -> Array:
    tiny = np.finfo(np.float64).tiny
    result: Array = np.log(np.maximum(p, tiny)) - np.log(np.maximum(q, tiny))
    return result
