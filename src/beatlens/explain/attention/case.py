"""The attention of a case: weights of both directions, members and heads, and what the target gains by each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from beatlens.explain.attention.capture import attention_modules, capture, explicit_attention
from beatlens.explain.attention.placing import scene_tokens
from beatlens.explain.engine.differentiable import SignalModel
from beatlens.models.crossmodal import CrossModalNet
from beatlens.models.tokens import TokenMap, TokenMaps

Array = npt.NDArray[np.float64]

WAVEFORM, SPECTROGRAM = "waveform", "spectrogram"
STREAMS = (WAVEFORM, SPECTROGRAM)
OTHER = {WAVEFORM: SPECTROGRAM, SPECTROGRAM: WAVEFORM}
MODULES = {WAVEFORM: "waveform_attends", SPECTROGRAM: "spectrogram_attends"}
"""Which stream asks -> name of the module in each member; the other stream answers."""
DIRECTIONS = {WAVEFORM: f"{WAVEFORM}->{SPECTROGRAM}", SPECTROGRAM: f"{SPECTROGRAM}->{WAVEFORM}"}


@dataclass(frozen=True)
class CaseAttention:
    """Numbers, one a weight, of a case's attention in both directions: weights, or what is made of them.

    Attributes
    ----------
    tokens
        Tokens of each target beat; queries are those of the target beat, keys all of the other stream.
    waveform
        (members, targets, heads, queries, keys): waveform tokens ask, spectrogram tokens answer.
    spectrogram
        The same the other way round.
    """

    tokens: tuple[TokenMaps, ...]
    waveform: Array
    spectrogram: Array

    def asked_by(self, stream: str) -> Array:
        """Return the numbers of the direction in which a stream asks."""
        return self.waveform if stream == WAVEFORM else self.spectrogram

    @property
    def n_heads(self) -> int:
        """Heads of a direction of a member."""
        return int(self.waveform.shape[2])


def tokens_of(maps: TokenMaps, stream: str) -> TokenMap:
    """Return the tokens of a stream."""
    return maps.waveform if stream == WAVEFORM else maps.spectrogram


def module_names(network: torch.nn.Module) -> dict[str, list[str]]:
    """Return the names of the attention modules by the stream that asks, one a member.

    Raises
    ------
    ValueError
        For a network without attention.
    """
    found = attention_modules(network)
    if not isinstance(network, CrossModalNet):
        raise ValueError(
            f"{type(network).__name__}: where its tokens lie isn't known; expected the network of model.name crossmodal"
        )
    return {stream: [name for name in found if name.endswith(MODULES[stream])] for stream in STREAMS}


def case_attention(model: SignalModel) -> CaseAttention:
    """Return the weights of a case as the network makes them, each row adding up to 1."""
    names = module_names(model.network)
    with torch.no_grad(), capture(model.network) as calls:
        signal_target(model)
    return _collected(model, {call.module: call.weights for call in calls}, names)


def relevant_attention(model: SignalModel) -> CaseAttention:
    """Return the positive part of each weight times the target's gradient with respect to it (Chefer et al. 2021)."""
    names = module_names(model.network)
    with explicit_attention(model.network) as calls:
        target = signal_target(model)
        if not target.requires_grad:  # the noise gate of a frozen network: no weight has a part in it
            return _collected(model, {call.module: torch.zeros_like(call.weights) for call in calls}, names)
        gradients = torch.autograd.grad(target, [call.weights for call in calls], materialize_grads=True)
    relevant = {
        call.module: (call.weights * gradient).clamp(min=0).detach()
        for call, gradient in zip(calls, gradients, strict=True)
    }
    return _collected(model, relevant, names)


def signal_target(model: SignalModel) -> Tensor:
    """Return the target of the signal as it is, a number."""
    scene = model.scene
    return model.values(model.tensor(scene.window)[None], model.tensor(scene.rr)[None]).sum()


def _collected(model: SignalModel, found: dict[str, Tensor], names: dict[str, list[str]]) -> CaseAttention:
    stacked = {
        stream: torch.stack([found[name] for name in own]).double().cpu().numpy() for stream, own in names.items()
    }
    tokens = scene_tokens(model.scene, model.network.config)
    return CaseAttention(tuple(tokens), stacked[WAVEFORM], stacked[SPECTROGRAM])
