"""Linear maps side by side: what a grouped convolution is to channels, for the members of an ensemble."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class GroupedLinear(nn.Module):
    """`groups` linear maps, each from its own stretch of the last dimension; of one group it is `torch.nn.Linear`.

    Parameters
    ----------
    groups, inputs, outputs
        Maps, and numbers that each takes and gives.
    bias
        Whether there is an offset.
    """

    def __init__(self, groups: int, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(groups, outputs, inputs))
        self.bias = nn.Parameter(torch.empty(groups, outputs)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw initial weights, as `torch.nn.Linear` does."""
        bound = 1.0 / math.sqrt(self.weight.shape[2])
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, values: Tensor) -> Tensor:
        """Map values (..., groups * inputs) to (..., groups * outputs)."""
        groups, outputs, inputs = self.weight.shape
        if groups == 1:
            return nn.functional.linear(values, self.weight[0], None if self.bias is None else self.bias[0])
        grouped = values.reshape(-1, groups, inputs).transpose(0, 1)
        weight = self.weight.transpose(1, 2)
        mapped = torch.bmm(grouped, weight) if self.bias is None else torch.baddbmm(self.bias[:, None], grouped, weight)
        return mapped.transpose(0, 1).reshape(*values.shape[:-1], groups * outputs)


def beside(features: Tensor, shared: Tensor, groups: int) -> Tensor:
    """Return features (n, groups * a) with shared (n, b) at the end of each group's stretch: (n, groups * (a + b))."""
    if groups == 1:
        return torch.cat([features, shared], dim=1)
    parts = [features.view(len(features), groups, features.shape[1] // groups), shared[:, None].expand(-1, groups, -1)]
    return torch.cat(parts, dim=2).flatten(1)
