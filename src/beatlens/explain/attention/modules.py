"""The attention modules of a network whose tokens lie at known places, by the stream that asks."""

from __future__ import annotations

from torch import nn

from beatlens.explain.attention.capture import attention_modules
from beatlens.explain.attention.weights import SPECTROGRAM, STREAMS, WAVEFORM
from beatlens.models.crossmodal import CrossModalNet

MODULES = {WAVEFORM: "waveform_attends", SPECTROGRAM: "spectrogram_attends"}
"""Which stream asks -> name of the module in each member; the other stream answers."""


def module_names(network: nn.Module) -> dict[str, list[str]]:
    """Return the names of the attention modules by the stream that asks, one a member.

    Raises
    ------
    ValueError
        For a network without attention, and for one whose tokens lie nobody knows where.
    """
    found = attention_modules(network)
    if not isinstance(network, CrossModalNet):
        raise ValueError(
            f"{type(network).__name__}: where its tokens lie isn't known; expected the network of model.name crossmodal"
        )
    return {stream: [name for name in found if name.endswith(MODULES[stream])] for stream in STREAMS}
