"""The section ``fusion`` of the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from beatlens.core.allowed import PositiveFloat, Share, ShareBelowOne
from beatlens.core.options import Settings


@dataclass(frozen=True)
class FusionSettings(Settings, section="fusion"):
    """How the methods' attributions become one."""

    aggregate: Literal["geomean", "mean", "min", "max"] = "geomean"
    """How the magnitudes of the methods that have mass at a sample are joined. Signs come after."""

    beta: Share = 0.25
    """Share of the magnitude that is kept where some methods have none. For the rhythm, only methods that have it as a
    player count."""

    tau: ShareBelowOne = 0.0
    """Values below this share of a method's largest are pruned before fusion. Those of the rhythm and of what has no
    place are neither pruned nor counted as the largest."""

    sign: Literal["penalise", "drop", "abs"] = "penalise"
    """What is done where methods disagree in sign. `penalise` scales the magnitude by the (weighted) balance of signs
    and takes the sign of the majority, `drop` sets 0, `abs` ignores signs everywhere."""

    weights: Mapping[str, PositiveFloat] = field(default_factory=dict)
    """Weight of a method, by name, 1 where not named."""
