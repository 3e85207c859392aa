"""The attention weights of any network, head by head, taken by hooks that leave its outputs as they are.

A hook sees what a `torch.nn.MultiheadAttention` is given and makes the weights anew from its projections. The module's
own pass isn't touched, so logits have the same bits with a capture and without. To ask how the output depends on the
weights, `explicit_attention` lets the module's output follow from the weights that are seen, and `without_head` leaves
a head out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

_FORWARD = signature(nn.MultiheadAttention.forward)


@dataclass(frozen=True)
class HeadWeights:
    """What one call of an attention module weighed.

    Attributes
    ----------
    module
        Name of the module in the network.
    weights
        (n, heads, queries, keys) float32: how much each query takes of each key; a row adds up to 1.
    valid_keys
        (n, keys) bool: keys that aren't masked out for every query.
    """

    module: str
    weights: Tensor
    valid_keys: Tensor


@dataclass(frozen=True)
class _Call:
    """Arguments of a call, batch first: query (n, Q, E), key (n, K, E'), value (n, K, E''), mask (n, heads, Q, K)."""

    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    valid_keys: Tensor


def attention_modules(network: nn.Module, names: Sequence[str] | None = None) -> dict[str, nn.MultiheadAttention]:
    """Return the attention modules of a network by name, in its order.

    Parameters
    ----------
    network
        Any network.
    names
        Those wanted, as in ``network.named_modules()``; all by default.

    Raises
    ------
    ValueError
        Where there is none, or no such one, or one whose weights can't be made anew.
    """
    found = {name: part for name, part in network.named_modules() if isinstance(part, nn.MultiheadAttention)}
    if not found:
        raise ValueError(
            f"{type(network).__name__} has no torch.nn.MultiheadAttention; expected a network with attention "
            "(model.name: crossmodal), or methods other than attention, attention_rollout and attention_relevance"
        )
    unknown = sorted(set(names or ()) - set(found))
    if unknown:
        raise ValueError(f"attention modules {unknown}; expected some of {sorted(found)}")
    chosen = {name: part for name, part in found.items() if names is None or name in names}
    for name, part in chosen.items():
        if part.bias_k is not None or part.add_zero_attn:
            raise ValueError(f"attention {name}: bias_k or add_zero_attn adds a key that is no token; expected without")
    return chosen


@contextmanager
def capture(network: nn.Module, names: Sequence[str] | None = None) -> Iterator[list[HeadWeights]]:
    """Record the weights of each call of the attention modules; no output changes by a bit.

    Inside `torch.nn.TransformerEncoderLayer` a hook makes PyTorch leave its fused kernels in evaluation mode, which
    changes last bits. Networks that are to be captured there set ``torch.backends.mha.set_fastpath_enabled(False)``.

    Parameters
    ----------
    network, names
        As in `attention_modules`.

    Yields
    ------
    list of HeadWeights
        Filled by each pass of the network, in the order of the calls.

    Raises
    ------
    ValueError
        Of a pass: for a module with one key, and for a query all of whose keys are masked.
    """
    calls: list[HeadWeights] = []

    def watch(name: str, module: nn.MultiheadAttention) -> Callable[..., None]:
        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], __: Any) -> None:
            with torch.no_grad():
                call = _call(name, module, args, kwargs)
                calls.append(HeadWeights(name, _weights(module, call).float(), call.valid_keys))

        return hook

    with _hooked(network, names, watch):
        yield calls


@contextmanager
def explicit_attention(network: nn.Module, names: Sequence[str] | None = None) -> Iterator[list[HeadWeights]]:
    """Let outputs follow from weights that are seen, so that a gradient with respect to these can be taken.

    Within it, each module gives what it gave but for rounding (below 1e-6 of its size), and `HeadWeights.weights`
    are part of the graph.

    Parameters
    ----------
    network
        In evaluation mode, since weights that dropout thins aren't those that are seen.
    names
        As in `attention_modules`.
    """
    calls: list[HeadWeights] = []

    def replace(name: str, module: nn.MultiheadAttention) -> Callable[..., Any]:
        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
            if module.training and module.dropout:
                raise ValueError(f"attention {name}: in training mode with dropout; expected network.eval()")
            call = _call(name, module, args, kwargs)
            weights = _weights(module, call)
            if not weights.requires_grad:
                weights = weights.requires_grad_()
            calls.append(HeadWeights(name, weights, call.valid_keys))
            return _like(module, _output(module, weights, call), output)

        return hook

    with torch.enable_grad(), _hooked(network, names, replace):
        yield calls


@contextmanager
def without_head(network: nn.Module, name: str, head: int) -> Iterator[None]:
    """Leave one head of one module out: its slice of the output projection is multiplied by 0."""

    def replace(_: str, module: nn.MultiheadAttention) -> Callable[..., Any]:
        if not 0 <= head < module.num_heads:
            raise ValueError(f"attention {name}: head {head}; expected 0 to {module.num_heads - 1}")

        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
            call = _call(name, module, args, kwargs)
            keep = torch.ones(module.num_heads, device=call.query.device)
            keep[head] = 0.0
            return _like(module, _output(module, _weights(module, call), call, keep), output)

        return hook

    with _hooked(network, [name], replace):
        yield


@contextmanager
def _hooked(
    network: nn.Module, names: Sequence[str] | None, make: Callable[[str, nn.MultiheadAttention], Callable[..., Any]]
) -> Iterator[None]:
    with ExitStack() as stack:
        for name, module in attention_modules(network, names).items():
            stack.callback(module.register_forward_hook(make(name, module), with_kwargs=True).remove)
        yield


def _call(name: str, module: nn.MultiheadAttention, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Call:
    """Bring the arguments of a call to one form, and check that there is something to weigh."""
    given = _FORWARD.bind(module, *args, **kwargs).arguments
    parts = [given[key] for key in ("query", "key", "value")]
    if parts[0].dim() == 2:
        parts = [part[None] for part in parts]
    elif not module.batch_first:
        parts = [part.transpose(0, 1) for part in parts]
    query, key, value = parts
    n, n_queries, n_keys = len(query), query.shape[1], key.shape[1]
    if n_keys < 2:
        raise ValueError(
            f"attention {name}: {n_keys} key; its weight is 1 whatever the network learns. Expected two or more tokens"
        )
    shape = (n, module.num_heads, n_queries, n_keys)
    masks = []
    padding, attention_mask = given.get("key_padding_mask"), given.get("attn_mask")
    if padding is not None:
        masks.append(_additive(padding, query).view(-1, 1, 1, n_keys))
    if attention_mask is not None:
        attention_mask = _additive(attention_mask, query)
        masks.append(attention_mask if attention_mask.dim() == 2 else attention_mask.view(shape))
    mask = None if not masks else torch.stack([part.expand(shape) for part in masks]).sum(0)
    allowed = torch.ones(shape, dtype=torch.bool, device=query.device) if mask is None else ~torch.isneginf(mask)
    if not bool(allowed.any(-1).all()):
        row = int((~allowed.any(-1)).flatten(1).any(1).nonzero()[0])
        raise ValueError(
            f"attention {name}: all keys of a query of row {row} are masked; expected one valid key or more: leave the "
            "row out, or unmask a token"
        )
    return _Call(query, key, value, mask, allowed.flatten(1, 2).any(1))


def _additive(mask: Tensor, like: Tensor) -> Tensor:
    """Return a mask as numbers that are added to scores: PyTorch's boolean ones say what is left out."""
    if mask.dtype != torch.bool:
        return mask.to(like.dtype)
    return torch.zeros(mask.shape, dtype=like.dtype, device=like.device).masked_fill(mask, -math.inf)


def _projected(module: nn.MultiheadAttention, call: _Call) -> tuple[Tensor, Tensor, Tensor]:
    """Return query, key and value of each head: (n, heads, tokens, width)."""
    if module.in_proj_weight is not None:
        weights = module.in_proj_weight.chunk(3)
    else:
        weights = (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
    biases = (None, None, None) if module.in_proj_bias is None else module.in_proj_bias.chunk(3)
    heads = [
        nn.functional.linear(part, weight, bias).view(*part.shape[:2], module.num_heads, -1).transpose(1, 2)
        for part, weight, bias in zip((call.query, call.key, call.value), weights, biases, strict=True)
    ]
    return heads[0], heads[1], heads[2]


def _weights(module: nn.MultiheadAttention, call: _Call) -> Tensor:
    query, key, _ = _projected(module, call)
    scores = query @ key.transpose(2, 3) / math.sqrt(module.head_dim)
    return torch.softmax(scores if call.mask is None else scores + call.mask, dim=-1)


def _output(module: nn.MultiheadAttention, weights: Tensor, call: _Call, keep: Tensor | None = None) -> Tensor:
    heads = weights @ _projected(module, call)[2]
    if keep is not None:
        heads = heads * keep[:, None, None]
    return nn.functional.linear(heads.transpose(1, 2).flatten(2), module.out_proj.weight, module.out_proj.bias)


def _like(module: nn.MultiheadAttention, made: Tensor, output: Any) -> Any:
    """Return an output in the form of the module's own: batch first or not, beside the weights it gave."""
    if output[0].dim() == 2:
        made = made[0]
    elif not module.batch_first:
        made = made.transpose(0, 1)
    return made, output[1]
