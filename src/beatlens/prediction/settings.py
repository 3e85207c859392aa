"""The section ``strips`` of the configuration."""

from dataclasses import dataclass
from typing import Annotated

from beatlens.core.allowed import Allowed, PositiveFloat, Text
from beatlens.core.options import Settings


@dataclass(frozen=True)
class StripSettings(Settings, section="strips"):
    """Predictions of stretches of a record."""

    length_s: PositiveFloat = 10
    """Length of a strip in seconds. The last one of a record is shorter."""

    ectopic: Annotated[tuple[Text, ...], Allowed(uniqueItems=True)] = ("S", "V")
    """Classes whose burden, couplets, runs, bigeminy and trigeminy are counted. Those that the run lacks are ignored.
    """
