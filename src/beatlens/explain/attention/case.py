"""The attention of a case: weights of both directions, members and heads, and what the target gains by each."""

from __future__ import annotations

import torch
from torch import Tensor

from beatlens.explain.attention.capture import attention_modules, capture, explicit_attention
from beatlens.explain.attention.placing import scene_tokens
from beatlens.explain.attention.weights import SPECTROGRAM, STREAMS, WAVEFORM, CaseAttention
from beatlens.explain.engine.differentiable import SignalModel
from beatlens.models.crossmodal import CrossModalNet

MODULES = {WAVEFORM: "waveform_attends", SPECTROGRAM: "spectrogram_attends"}
"""Which stream asks -> name of the module in each member; the other stream answers."""


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
