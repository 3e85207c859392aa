"""The section ``review`` of the configuration."""

from dataclasses import dataclass

from beatlens.core.allowed import OpenShare, ShareBelowOne
from beatlens.core.options import Settings


@dataclass(frozen=True)
class ReviewSettings(Settings, section="review"):
    """When a prediction is sent to review; thresholds come from the calibration patients."""

    max_error: ShareBelowOne = 0.02
    """Share of errors wanted among accepted beats of the calibration patients."""

    max_missed: OpenShare = 0.2
    """Share of a class's beats that may be accepted as another class. A rare class needs this limit, since it hardly
    changes the error over all beats. It holds for classes with at least ten calibration patients."""

    max_clean_loss: ShareBelowOne = 0.02
    """Share of clean beats, of any class, that the noise gate may send to review."""

    max_distance_loss: ShareBelowOne = 0.02
    """Share of clean, rightly predicted beats that the prototype distance may send to review. It holds for any class
    and patient."""

    conformal_alpha: OpenShare = 0.1
    """Share of a class's beats whose conformal set may miss their class."""
