"""The section ``look_alikes`` of the configuration."""

from dataclasses import dataclass
from typing import Annotated

from beatlens.core.allowed import Allowed, Correlation, PositiveInt, PositiveShare, Share
from beatlens.core.options import Settings


@dataclass(frozen=True)
class LookAlikeSettings(Settings, section="look_alikes"):
    """Beats of a record with the same shape share what the network says of them.

    The log probabilities of a beat are averaged with those of its look-alikes. Classes that differ in rhythm alone
    count as one there.
    """

    weight: Share = 0.8
    """Share of the look-alikes in the evidence of a beat. With 0 each beat is by itself."""

    beats: PositiveInt = 20
    """Most similar beats of the record that count as look-alikes."""

    min_similarity: Correlation = 0.9
    """Correlation over all leads that a look-alike has at least."""

    references: PositiveInt = 500
    """Beats, evenly spread over the record, among which look-alikes are looked for."""

    before_s: PositiveShare = 0.12
    """Seconds before R from which beats are compared."""

    after_s: Annotated[float, Allowed(exclusiveMinimum=0, maximum=2)] = 0.2
    """Seconds after R up to which beats are compared."""

    rhythm_classes: Annotated[tuple[str, ...], Allowed(uniqueItems=True)] = ("N", "S")
    """Classes of one shape that rhythm tells apart, the normal one first. Those that the model lacks are ignored."""
