"""The layers in channels-last layout are PyTorch's own, up to rounding: values, gradients and running statistics."""

import copy

import pytest
import torch
from torch import nn

from beatlens.models.encoder import ChannelsLastBatchNorm1d, ChannelsLastConv1d, channels_last


@pytest.mark.parametrize("mode", [True, False], ids=["training", "evaluation"])
def test_layers_equal_the_plain_ones(mode):
    torch.manual_seed(0)
    ours = nn.Sequential(
        ChannelsLastConv1d(4, 6, 7, stride=2, padding=3, bias=False),
        ChannelsLastBatchNorm1d(6),
        nn.ReLU(),
        ChannelsLastConv1d(6, 5, 4, padding=1),
    ).double()
    plain = nn.Sequential(
        nn.Conv1d(4, 6, 7, stride=2, padding=3, bias=False), nn.BatchNorm1d(6), nn.ReLU(), nn.Conv1d(6, 5, 4, padding=1)
    ).double()
    plain.load_state_dict(copy.deepcopy(ours.state_dict()))
    waves = torch.randn(9, 4, 31, dtype=torch.float64)
    found = []
    for layers, values in ((ours.train(mode), channels_last(waves)), (plain.train(mode), waves)):
        values = values.clone().requires_grad_()
        result = layers(values)
        result.square().sum().backward()
        found.append([result, values.grad, *(p.grad for p in layers.parameters()), *layers.buffers()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_the_layout_reaches_the_last_layer():
    layers = nn.Sequential(ChannelsLastConv1d(4, 6, 3, stride=2, padding=1), ChannelsLastBatchNorm1d(6), nn.ReLU())
    assert layers(channels_last(torch.randn(9, 4, 31))).stride()[1] == 1
    with pytest.raises(ValueError, match="3 dimensions|2 dimensions"):
        ChannelsLastBatchNorm1d(6)(torch.randn(9, 6))
