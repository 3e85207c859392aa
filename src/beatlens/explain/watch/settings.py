"""The section ``watch`` of the configuration. Imports without torch."""

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from beatlens.core.allowed import Allowed, NonNegativeInt, PositiveInt, Text
from beatlens.core.options import Settings

WatchMethod = Literal["gradcam", "gradcam_plus_plus", "hirescam"]
WATCH_METHODS: tuple[str, ...] = get_args(WatchMethod)
"""What `beatlens.explain.watch.maps.MAKERS` has."""


@dataclass(frozen=True)
class WatchSettings(Settings, section="watch"):
    """Maps that follow training: a few beats explained after each epoch, for every class; training stays the same."""

    every: NonNegativeInt = 1
    """Epochs from one set of maps to the next, 0 for none. The last epoch is always among them."""

    cases: PositiveInt = 2
    """Beats of each class. They are chosen once by `seed` from labelled beats that no quality rule doubts, of as many
    patients as there are. Patients are those of the split select; where it has none, those of train, whom the network
    learns from."""

    methods: Annotated[tuple[WatchMethod, ...], Allowed(minItems=1, uniqueItems=True)] = (
        *("hirescam", "gradcam", "gradcam_plus_plus"),
    )
    """Kinds of map. The first is drawn and followed in the figure of the training; `figures.watch` draws others."""

    layer: Text | None = None
    """Module of the network whose output is mapped, by its name in torch, or null for the last convolution. That one
    comes with the normalisation and activation that follow it."""

    def epochs(self, total: int) -> list[int]:
        """Return the epochs after which maps are made, of a training of `total`."""
        if not self.every:
            return []
        return [epoch for epoch in range(1, total + 1) if epoch % self.every == 0 or epoch == total]
