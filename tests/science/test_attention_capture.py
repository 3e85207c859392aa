"""Attention weights against PyTorch's own, and what hooks do to a network's outputs: nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from beatlens.explain.attention.capture import attention_modules, capture, explicit_attention, without_head


class Crossed(nn.Module):
    """Two attention modules of different forms: across streams of other sizes, and over the own tokens."""

    def __init__(self, heads: int = 4) -> None:
        super().__init__()
        self.cross = nn.MultiheadAttention(16, heads, dropout=0.1, batch_first=True, kdim=6, vdim=6)
        self.own = nn.MultiheadAttention(16, heads)
        self.head = nn.Linear(16, 3)

    def forward(self, a: Tensor, b: Tensor, padding: Tensor | None = None) -> Tensor:
        seen, _ = self.cross(a, b, b, key_padding_mask=padding, need_weights=False)
        turned = seen.transpose(0, 1)
        steps = torch.triu(torch.ones(a.shape[1], a.shape[1], dtype=torch.bool), 1)
        mixed, _ = self.own(turned, turned, turned, attn_mask=steps)
        return self.head(mixed.mean(0))


@pytest.fixture
def network() -> Crossed:
    torch.manual_seed(1)
    return Crossed().eval()


@pytest.fixture
def inputs() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(2)
    padding = torch.zeros(3, 7, dtype=torch.bool)
    padding[1, 5:] = True
    return torch.randn(3, 5, 16), torch.randn(3, 7, 6), padding


def test_logits_have_the_same_bits_with_a_capture_and_without(
    network: Crossed, inputs: tuple[Tensor, Tensor, Tensor]
) -> None:
    with torch.inference_mode():
        before = network(*inputs)
        with capture(network):
            during = network(*inputs)
        after = network(*inputs)
    assert torch.equal(before, during)
    assert torch.equal(before, after)
    network.train()  # dropout too draws what it drew
    torch.manual_seed(3)
    before = network(*inputs)
    torch.manual_seed(3)
    with capture(network):
        assert torch.equal(network(*inputs), before)


def test_weights_are_those_that_pytorch_returns_head_by_head(
    network: Crossed, inputs: tuple[Tensor, Tensor, Tensor]
) -> None:
    a, b, padding = inputs
    with torch.no_grad(), capture(network) as calls:
        network(*inputs)
        seen, expected = network.cross(a, b, b, key_padding_mask=padding, average_attn_weights=False)
        turned = seen.transpose(0, 1)
        steps = torch.triu(torch.full((5, 5), -torch.inf), 1)
        causal = network.own(turned, turned, turned, attn_mask=steps, average_attn_weights=False)[1]
    assert [call.module for call in calls] == ["cross", "own", "cross", "own"]
    assert calls[0].weights.shape == (3, 4, 5, 7)
    assert calls[0].weights.dtype == torch.float32
    torch.testing.assert_close(calls[0].weights, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(calls[1].weights, causal, atol=1e-6, rtol=0)
    assert calls[0].valid_keys.tolist() == (~padding).tolist()
    torch.testing.assert_close(calls[0].weights.sum(-1), torch.ones(3, 4, 5), atol=1e-5, rtol=0)


def test_explicit_attention_gives_the_same_logits_and_their_gradient(
    network: Crossed, inputs: tuple[Tensor, Tensor, Tensor]
) -> None:
    plain = network(*inputs).detach()
    for parameter in network.parameters():
        parameter.requires_grad_(False)  # frozen layers take no gradient from the weights
    with explicit_attention(network, ["own"]) as calls:
        logits = network(*inputs)
        (gradient,) = torch.autograd.grad(logits[:, 1].sum(), [calls[0].weights])
    torch.testing.assert_close(logits.detach(), plain, atol=1e-6, rtol=0)
    # closed form: the gradient at a weight is what its value adds to the logit, through the two projections
    own, seen = network.own, network.cross(inputs[0], inputs[1], inputs[1], key_padding_mask=inputs[2])[0]
    value = nn.functional.linear(seen, own.in_proj_weight[32:], own.in_proj_bias[32:]).unflatten(2, (4, 4))
    onto = (network.head.weight[1] @ own.out_proj.weight).unflatten(0, (4, 4)) / 5
    expected = torch.einsum("nkhd,hd->nhk", value, onto)[:, :, None].expand(3, 4, 5, 5)
    torch.testing.assert_close(gradient, expected, atol=1e-6, rtol=1e-5)


def test_a_head_left_out_is_a_slice_of_the_output_projection_at_0(
    network: Crossed, inputs: tuple[Tensor, Tensor, Tensor]
) -> None:
    with torch.no_grad(), without_head(network, "cross", 2):
        without = network(*inputs)
    changed = Crossed().eval()
    changed.load_state_dict(network.state_dict())
    with torch.no_grad():
        changed.cross.out_proj.weight[:, 8:12] = 0
        torch.testing.assert_close(without, changed(*inputs), atol=1e-6, rtol=0)
        assert not torch.allclose(without, network(*inputs), atol=1e-4)


def test_what_cannot_be_captured_says_what_to_change(network: Crossed, inputs: tuple[Tensor, Tensor, Tensor]) -> None:
    a, b, padding = inputs
    with pytest.raises(ValueError, match=r"Linear has no torch.nn.MultiheadAttention; expected .* crossmodal"):
        attention_modules(nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"\['crosed'\]; expected some of \['cross', 'own'\]"):
        attention_modules(network, ["crosed"])
    with pytest.raises(ValueError, match="bias_k or add_zero_attn"):
        attention_modules(nn.Sequential(nn.MultiheadAttention(4, 1, add_zero_attn=True)))
    padding[2] = True
    for hook in (capture, explicit_attention):
        with hook(network), pytest.raises(ValueError, match=r"cross: 1 key; .* two or more tokens"):
            network(a, b[:, :1])
        with hook(network), pytest.raises(ValueError, match=r"cross: all keys of a query of row 2 are masked"):
            network(a, b, padding)
    with pytest.raises(ValueError, match="head 4; expected 0 to 3"), without_head(network, "own", 4):
        pass
    with explicit_attention(network.train()), pytest.raises(ValueError, match=r"network.eval\(\)"):
        network(a, b)


def test_one_head_is_enough(inputs: tuple[Tensor, Tensor, Tensor]) -> None:
    one = Crossed(heads=1).eval()
    with torch.no_grad(), capture(one) as calls:
        one(*inputs)
    assert calls[0].weights.shape == (3, 1, 5, 7)
