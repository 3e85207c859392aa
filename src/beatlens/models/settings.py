"""Sizes of a network: what the configuration says and what the data fix. Imports without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

MODELS = ("hybrid", "context", "crossmodal")


@dataclass(frozen=True)
class ModelSettings:
    """The section ``model`` of the configuration.

    Attributes
    ----------
    name
        ``hybrid`` (morphology, rhythm and prototype branches), ``context`` (no prototype branch) or ``crossmodal``
        (waveform and spectrogram tokens that attend to each other; no rhythm branch).
    members
        Networks of these sizes side by side, whose logits are averaged.
    derivative
        Whether the beat encoder sees the first difference beside the wave.
    typical_beat
        Whether it also sees the record's typical beat in that lead (`beatlens.inputs.network_inputs.typical_beats`).
    channels, kernels
        Of the encoder's convolutions; each halves the length.
    time_bins
        Stretches of a beat over which the last feature map is averaged; of ``crossmodal`` each is a token.
    embedding
        Size of a beat's embedding; of ``crossmodal`` also of a token.
    lead_embedding
        Size of a lead's embedding; not used by ``crossmodal``, which adds one to each token.
    lstm_embedding
        Numbers to which a beat's embedding is narrowed before the rhythm branch; not used by ``crossmodal``.
    lstm_hidden
        Hidden units of each direction of the rhythm branch; not used by ``crossmodal``.
    head_hidden
        Hidden units of the class head.
    dropout
        Share of units dropped before the heads in training.
    heads
        Attention heads of ``crossmodal`` in each direction; they share `embedding` in equal parts.
    """

    name: str
    members: int
    derivative: bool
    typical_beat: bool
    channels: tuple[int, ...]
    kernels: tuple[int, ...]
    time_bins: int
    embedding: int
    lead_embedding: int
    lstm_embedding: int
    lstm_hidden: int
    head_hidden: int
    dropout: float
    heads: int = 8

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        object.__setattr__(self, "kernels", tuple(self.kernels))
        if self.name not in MODELS:
            raise ValueError(f"model.name: {self.name!r}; expected one of {MODELS}")
        if self.members < 1:
            raise ValueError(f"model.members: {self.members}; expected 1 or more")
        if not self.channels or len(self.channels) != len(self.kernels):
            raise ValueError(f"model: {len(self.channels)} channels and {len(self.kernels)} kernels; expected as many")
        if any(kernel % 2 == 0 for kernel in self.kernels):
            raise ValueError(f"model.kernels: {self.kernels}; expected odd lengths")
        if self.name == "crossmodal":
            self._check_attention()

    def _check_attention(self) -> None:
        if self.heads < 1 or self.embedding % self.heads:
            raise ValueError(
                f"model.heads: {self.heads}; expected a divisor of model.embedding = {self.embedding}, which the heads "
                "share in equal parts"
            )
        if self.time_bins < 2:
            raise ValueError(
                f"model.time_bins: {self.time_bins}; expected 2 or more for crossmodal: a beat on its own in one lead "
                "would have a single waveform token, and attention over a single key is 1 whatever the key says"
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
            del value["settings"]["heads"]  # as in bundles from before there was attention
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> NetworkConfig:
        """Build from what `to_json` gave."""
        return cls(**{**value, "settings": ModelSettings(**value["settings"])})
