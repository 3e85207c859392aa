"""The section ``rpeaks`` of the configuration."""

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from beatlens.core.allowed import Allowed
from beatlens.core.options import Settings

Detector = Literal["consensus", "sleepecg", "neurokit", "gqrs", "xqrs", "annotation"]
DETECTORS: tuple[str, ...] = get_args(Detector)


@dataclass(frozen=True)
class RPeakSettings(Settings, section="rpeaks"):
    """R peak detection."""

    detector: Detector = "consensus"
    """Detector of R peaks. `annotation` takes the annotated ones."""

    refine_s: Annotated[float, Allowed(minimum=0, maximum=0.2)] = 0.1
    """Half-width in seconds in which a detection moves to the main deflection of the QRS."""

    match_s: Annotated[float, Allowed(exclusiveMinimum=0, maximum=0.5)] = 0.15
    """Largest distance in seconds at which a detection matches an annotation."""
