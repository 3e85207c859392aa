"""Sizes of a network: what the configuration says and what the data fix. Imports without torch."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from beatlens.core.allowed import Allowed, PositiveInt, ShareBelowOne
from beatlens.core.options import Settings


@dataclass(frozen=True)
class ModelSettings(Settings, section="model"):
    """The network."""

    name: Literal["hybrid", "context"] = "hybrid"
    """`hybrid`, or `context`, which is the same without the prototype branch."""

    members: PositiveInt = 3
    """Networks of these sizes side by side, whose logits are averaged. They have different initial weights. With more
    of them explanations depend less on the seed; three train and predict in about twice the time of one."""

    derivative: bool = True
    """Whether the encoder sees the first difference beside the wave."""

    typical_beat: bool = True
    """Whether the encoder also sees the difference to the record's typical (median) beat."""

    channels: Annotated[tuple[PositiveInt, ...], Allowed(minItems=1)] = (24, 48, 64)
    """Channels of the convolutions, one number a layer."""

    kernels: Annotated[tuple[PositiveInt, ...], Allowed(minItems=1)] = (7, 5, 3)
    """Kernel lengths of the convolutions, odd, one a layer."""

    time_bins: PositiveInt = 4
    """Stretches of a beat over which the last feature map is averaged."""

    embedding: PositiveInt = 64
    """Size of a beat's embedding."""

    lead_embedding: PositiveInt = 8
    """Size of a lead's embedding, by which the mixer knows which lead it mixes."""

    lstm_embedding: PositiveInt = 8
    """Numbers to which the embedding of a beat is narrowed before the BiLSTM."""

    lstm_hidden: PositiveInt = 64
    """Hidden units of the BiLSTM, each direction."""

    head_hidden: PositiveInt = 64
    """Hidden units of the heads."""

    dropout: ShareBelowOne = 0.1
    """Share of units dropped in training."""

    def _rules(self) -> Iterator[tuple[str, str]]:
        if len(self.kernels) != len(self.channels):
            yield "kernels", f"as many as model.channels, {len(self.channels)}"
        if any(kernel % 2 == 0 for kernel in self.kernels):
            yield "kernels", "odd numbers"


@dataclass(frozen=True)
class NetworkConfig:
    """All that is needed to build a network: the settings and the sizes that the data fix.

    Attributes
    ----------
    settings
        Section ``model``.
    n_classes, beat_length, n_rr, n_similarity, context
        Classes, samples of a beat, RR features, similarity features (0 without prototype branch), beats of a window.
    """

    settings: ModelSettings
    n_classes: int
    beat_length: int
    n_rr: int
    n_similarity: int
    context: int

    def __post_init__(self) -> None:
        if self.context < 1 or self.context % 2 == 0:
            raise ValueError(f"beats.context: {self.context}; expected an odd number >= 1")

    @property
    def embedding_size(self) -> int:
        """D, the numbers of a beat's embedding in all members."""
        return self.settings.members * self.settings.embedding

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` reads."""
        value = asdict(self)
        value["settings"] |= {"channels": list(self.settings.channels), "kernels": list(self.settings.kernels)}
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "NetworkConfig":
        """Build from what `to_json` gave."""
        return cls(**{**value, "settings": ModelSettings.read(value["settings"])})
