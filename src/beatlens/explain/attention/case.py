"""The attention of a case: weights of both directions, members and heads, and what the target gains by each."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from beatlens.explain.attention.capture import capture, explicit_attention
from beatlens.explain.attention.modules import module_names
from beatlens.explain.attention.placing import instance_tokens
from beatlens.explain.attention.weights import SPECTROGRAM, WAVEFORM, CaseAttention
from beatlens.explain.engine.differentiable import SignalModel


def case_attention(model: SignalModel) -> tuple[npt.NDArray[np.float32], CaseAttention]:
    """Return the class logits (targets, K) of a case, before calibration, and the weights of the same pass."""
    names = module_names(model.network)
    with torch.no_grad(), capture(model.network) as calls:
        logits, _, _ = model.outputs(*_inputs(model))
    return logits[0].cpu().numpy(), _collected(model, [(call.module, call.weights) for call in calls], names)


def relevant_attention(model: SignalModel) -> CaseAttention:
    """Return the positive part of each weight times the target's gradient with respect to it (Chefer et al. 2021)."""
    names = module_names(model.network)
    with explicit_attention(model.network) as calls:
        target = signal_target(model)
        if not target.requires_grad:  # the noise gate of a frozen network: no weight has a part in it
            return _collected(model, [(call.module, torch.zeros_like(call.weights)) for call in calls], names)
        gradients = torch.autograd.grad(target, [call.weights for call in calls], materialize_grads=True)
    relevant = [
        (call.module, (call.weights * gradient).clamp(min=0).detach())
        for call, gradient in zip(calls, gradients, strict=True)
    ]
    return _collected(model, relevant, names)


def signal_target(model: SignalModel) -> Tensor:
    """Return the target of the signal as it is, a number."""
    return model.values(*_inputs(model)).sum()


def _inputs(model: SignalModel) -> tuple[Tensor, Tensor]:
    return model.tensor(model.instance.window)[None], model.tensor(model.instance.rr)[None]


def _collected(model: SignalModel, found: list[tuple[str, Tensor]], names: dict[str, list[str]]) -> CaseAttention:
    """Join the calls of each module: a network runs many targets a few at a time, in their order."""
    stacked = {
        stream: torch.stack([torch.cat([weights for name, weights in found if name == module]) for module in modules])
        for stream, modules in names.items()
    }
    numbers = {stream: weights.double().cpu().numpy() for stream, weights in stacked.items()}
    tokens = instance_tokens(model.instance, model.network.config)
    return CaseAttention(tuple(tokens), numbers[WAVEFORM], numbers[SPECTROGRAM])
