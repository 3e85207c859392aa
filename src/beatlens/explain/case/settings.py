"""The section ``cases`` of the configuration."""

from dataclasses import dataclass
from typing import Annotated, Literal

from beatlens.core.allowed import Allowed, NonNegativeInt, PositiveFloat, PositiveInt, Share
from beatlens.core.options import Settings


@dataclass(frozen=True)
class CaseSettings(Settings, section="cases"):
    """Which predictions are explained."""

    per_class: PositiveInt = 2
    """Cases of each class and outcome."""

    outcomes: Annotated[
        tuple[Literal["correct", "wrong", "review", "unlabelled"], ...], Allowed(minItems=1, uniqueItems=True)
    ] = ("correct", "wrong", "review", "unlabelled")
    """Outcomes to explain. `unlabelled` is a prediction of a record without labels."""

    min_probability: Share = 0.5
    """Least probability of the predicted class. Where too few beats reach it, the most probable others are taken and
    marked as relaxed."""

    max_duration_s: PositiveFloat = 10
    """Longest stretch in seconds that the model may see for an explained beat. Windows are longer by the contexts of
    their beats."""

    max_cases: PositiveInt = 18
    """Most beats in all."""

    window_s: PositiveFloat = 8
    """Length in seconds of the windows whose class is explained. The class may lie anywhere in the window."""

    windows_per_class: NonNegativeInt = 1
    """Windows of each class but the first, and of each outcome."""

    max_windows: NonNegativeInt = 6
    """Most windows in all, 0 for none."""
