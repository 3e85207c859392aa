"""The section ``prototypes`` of the configuration."""

from dataclasses import dataclass

from beatlens.core.allowed import PositiveInt
from beatlens.core.options import Settings


@dataclass(frozen=True)
class PrototypeSettings(Settings, section="prototypes"):
    """The prototype bank."""

    per_class: PositiveInt = 12
    """Quota of prototypes a class."""

    max_per_patient: PositiveInt = 3
    """Most prototypes of a class from one patient."""

    min_members: PositiveInt = 3
    """Beats that a cluster needs; less for classes that have fewer."""

    top_similar: PositiveInt = 3
    """Highest similarities of a class that are averaged beside the maximum (the k of top-k)."""

    max_members: PositiveInt = 600
    """Most beats of one patient, class and set of leads that are clustered. Of more, a random sample."""
