"""The ``evaluate`` section of the configuration, shared by the scores of predictions and of explanations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class EvaluateSettings:
    """How scores and their intervals are made.

    Attributes
    ----------
    bootstrap
        Resamples of patients for an interval.
    level
        Coverage of an interval.
    random_draws
        Random orders and maps that a null of an explanation averages.
    deletion_steps
        Steps of a deletion or insertion curve.
    leave_out
        Lists of ``record`` or ``corpus/record``; scores are also given without each, where a record of it is present.
    calibration_bins
        Bins of equal width that the calibration error is taken over.
    """

    bootstrap: int
    level: float
    random_draws: int
    deletion_steps: int
    leave_out: Sequence[Sequence[str]]
    calibration_bins: int

    def __post_init__(self) -> None:
        for name in ("bootstrap", "random_draws", "deletion_steps", "calibration_bins"):
            if getattr(self, name) < 1:
                raise ValueError(f"evaluate.{name} is {getattr(self, name)}; expected >= 1")
        if not 0 < self.level < 1:
            raise ValueError(f"evaluate.level is {self.level}; expected a number between 0 and 1")
