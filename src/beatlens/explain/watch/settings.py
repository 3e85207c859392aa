"""The section ``watch`` of the configuration. Imports without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from beatlens.core.allowed import Allowed, NonNegativeInt, PositiveInt, Text
from beatlens.core.options import Settings

OfActivations = Literal["hirescam", "gradcam", "gradcam_plus_plus"]
OfAttention = Literal["attention_relevance", "attention", "attention_rollout"]
WatchMethod = Literal[OfActivations, OfAttention]
OF_ACTIVATIONS: tuple[str, ...] = get_args(OfActivations)
"""What `beatlens.explain.watch.maps.MAKERS` has."""
OF_ATTENTION: tuple[str, ...] = get_args(OfAttention)
"""What `beatlens.explain.watch.attention.MAKERS` has."""
CLASSLESS = ("attention", "attention_rollout")
"""Kinds whose map is the same for every class."""


def leading(methods: Sequence[str]) -> tuple[str, ...]:
    """Return the first class-activation map and the first map of attention among some kinds: those that are drawn."""
    families = [[name for name in methods if name in family] for family in (OF_ACTIVATIONS, OF_ATTENTION)]
    return tuple(family[0] for family in families if family)


@dataclass(frozen=True)
class WatchSettings(Settings, section="watch"):
    """Maps that follow training: a few beats explained after each epoch, for every class; training stays the same."""

    every: NonNegativeInt = 1
    """Epochs from one set of maps to the next, 0 for none. The last epoch is always among them."""

    cases: PositiveInt = 2
    """Beats of each class. They are chosen once by `seed` from labelled beats that no quality rule doubts, of as many
    patients as there are. Patients are those of the split select; where it has none, those of train, whom the network
    learns from."""

    methods: Annotated[tuple[WatchMethod, ...], Allowed(minItems=1, uniqueItems=True)] | None = None
    """Kinds of map, or null for all that the network has. Every network with convolutions has the class-activation maps
    (`hirescam` and so on), `crossmodal` also those of attention. The first of either is drawn and followed in the
    figure of the training; `figures.watch` draws others."""

    layer: Text | None = None
    """Module of the network whose output is mapped, by its name in torch, or null for the last convolution. That one
    comes with the normalisation and activation that follow it."""

    def kinds(self, *, attention: bool) -> tuple[str, ...]:
        """Return the kinds of map of a network that has attention or not."""
        if self.methods is not None:
            return self.methods
        return (*OF_ACTIVATIONS, *OF_ATTENTION) if attention else OF_ACTIVATIONS

    def epochs(self, total: int) -> list[int]:
        """Return the epochs after which maps are made, of a training of `total`."""
        if not self.every:
            return []
        return [epoch for epoch in range(1, total + 1) if epoch % self.every == 0 or epoch == total]
