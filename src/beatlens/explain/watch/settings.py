"""The section ``watch`` of the configuration. Imports without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WATCH_METHODS = ("gradcam", "gradcam_plus_plus", "hirescam")
"""What `beatlens.explain.watch.maps.MAKERS` has."""


@dataclass(frozen=True)
class WatchSettings:
    """The section ``watch`` of the configuration.

    Attributes
    ----------
    every
        Epochs from one set of maps to the next; 0 for none. The last epoch, whose weights are saved, is always among
        them.
    cases
        Beats of each class.
    methods
        Kinds of map, some of `WATCH_METHODS`.
    layer
        Name of the module whose output is mapped; None for the last convolution.
    """

    every: int
    cases: int
    methods: Sequence[str]
    layer: str | None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.methods) - set(WATCH_METHODS))
        if unknown or not self.methods:
            raise ValueError(f"watch.methods: {list(self.methods)}; expected some of {WATCH_METHODS}")
        if self.every < 0 or self.cases < 1:
            raise ValueError(f"watch: every {self.every}, cases {self.cases}; expected >= 0 and >= 1")

    def epochs(self, total: int) -> list[int]:
        """Return the epochs after which maps are made, of a training of `total`."""
        if not self.every:
            return []
        return [epoch for epoch in range(1, total + 1) if epoch % self.every == 0 or epoch == total]
