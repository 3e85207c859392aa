"""The section ``evaluate`` of the configuration."""

from dataclasses import dataclass
from typing import Annotated

from beatlens.core.allowed import Allowed, OpenShare, PositiveInt, Text
from beatlens.core.options import Settings


@dataclass(frozen=True)
class EvaluateSettings(Settings, section="evaluate"):
    """Scores and their intervals."""

    bootstrap: Annotated[int, Allowed(minimum=10)] = 1000
    """Draws of patients for an interval."""

    level: OpenShare = 0.95
    """Coverage of an interval."""

    random_draws: PositiveInt = 20
    """Random orders and maps that a null of an explanation averages."""

    deletion_steps: Annotated[int, Allowed(minimum=2)] = 10
    """Steps of a deletion or insertion curve."""

    leave_out: tuple[Annotated[tuple[Text, ...], Allowed(minItems=1)], ...] = ()
    """Lists of records, without each of which scores are also given. A record is named by itself (of any corpus) or as
    corpus/record."""

    calibration_bins: Annotated[int, Allowed(minimum=2)] = 10
    """Bins of equal width of the calibration error."""
