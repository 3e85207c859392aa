"""1-D layers whose values lie channel by channel within a position, as convolutions on a processor want them.

PyTorch keeps that layout in two dimensions only, so a wave passes as an image of height 1. Shapes outside stay
(n, channels, positions), and values are those of the plain layers up to rounding. A training step takes two thirds of
the time.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


def channels_last(values: Tensor) -> Tensor:
    """Return values (n, channels, positions), laid out so that the channels of a position are neighbours."""
    return values.unsqueeze(2).contiguous(memory_format=torch.channels_last).squeeze(2)


class ChannelsLastConv1d(nn.Conv1d):
    """`torch.nn.Conv1d` with zero padding that keeps the layout of `channels_last`."""

    def forward(self, values: Tensor) -> Tensor:
        """Convolve (n, in, positions)."""
        stride, padding = (1, self.stride[0]), (0, cast(int, self.padding[0]))
        return nn.functional.conv2d(values.unsqueeze(2), self.weight.unsqueeze(2), self.bias, stride, padding).squeeze(
            2
        )


class ChannelsLastBatchNorm1d(nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` of (n, channels, positions) that keeps the layout of `channels_last`."""

    def forward(self, values: Tensor) -> Tensor:
        """Normalise the channels of (n, channels, positions)."""
        return super().forward(values.unsqueeze(2)).squeeze(2)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim != 4:
            raise ValueError(f"values of {input.ndim - 1} dimensions; expected (n, channels, positions)")
