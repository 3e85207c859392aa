"""Sizes of a network: what the configuration says and what the data fix. Imports without torch."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from beatlens.core.allowed import Allowed, PositiveInt, ShareBelowOne
from beatlens.core.options import Settings


@dataclass(frozen=True)
class ModelSettings(Settings, section="model"):
    """The network."""

    name: Literal["hybrid", "context", "crossmodal"] = "hybrid"
    """Kind of network. `hybrid` joins the shape of beats, their rhythm and prototypes; `context` is the same without
    prototypes; in `crossmodal`, waveform and spectrogram tokens of a beat and its neighbours attend to each other."""

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
    """Stretches of a beat over which the last feature map is averaged. With `crossmodal` each is a token; 2 or more."""

    embedding: PositiveInt = 64
    """Size of a beat's embedding, with `crossmodal` of a token."""

    lead_embedding: PositiveInt = 8
    """Size of a lead's embedding, by which the mixer knows which lead it mixes. `crossmodal` doesn't use it."""

    lstm_embedding: PositiveInt = 8
    """Numbers to which the embedding of a beat is narrowed before the BiLSTM. `crossmodal` has no BiLSTM."""

    lstm_hidden: PositiveInt = 64
    """Hidden units of the BiLSTM, each direction. `crossmodal` has no BiLSTM."""

    head_hidden: PositiveInt = 64
    """Hidden units of the heads."""

    dropout: ShareBelowOne = 0.1
    """Share of units dropped in training."""

    heads: PositiveInt = 8
    """Attention heads of `crossmodal` in each direction, a divisor of `embedding`, which they share in equal parts."""

    def _rules(self) -> Iterator[tuple[str, str]]:
        if len(self.kernels) != len(self.channels):
            yield "kernels", f"as many as model.channels, {len(self.channels)}"
        if any(kernel % 2 == 0 for kernel in self.kernels):
            yield "kernels", "odd numbers"
        if self.name == "crossmodal":
            if self.embedding % self.heads:
                yield "heads", f"a divisor of model.embedding, {self.embedding}"
            if self.time_bins < 2:
                yield (
                    "time_bins",
                    "2 or more: one is one token of a beat in one lead, and attention over one key is 1",
                )


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
    def uses_prototypes(self) -> bool:
        """Whether the similarity to prototypes has a part in the class."""
        return self.settings.name != "context" and self.n_similarity > 0

    @property
    def embedding_size(self) -> int:
        """D, the numbers of a beat's embedding in all members."""
        return self.settings.members * self.settings.embedding

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` reads."""
        value = asdict(self)
        value["settings"] |= {"channels": list(self.settings.channels), "kernels": list(self.settings.kernels)}
        if self.settings.name != "crossmodal":
            del value["settings"]["heads"]  # a network without attention has none
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "NetworkConfig":
        """Build from what `to_json` gave."""
        settings = value["settings"]
        if settings.get("name") != "crossmodal":
            settings = {"heads": ModelSettings.default("heads"), **settings}
        return cls(**{**value, "settings": ModelSettings.read(settings)})
