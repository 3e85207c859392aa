"""AdamW by torch's fused kernel, without the compiler that `torch.optim` imports: seconds of each training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

BETAS = (0.9, 0.999)
EPS = 1e-8


class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019): the same bits as ``torch.optim.AdamW(fused=True)``.

    Parameters
    ----------
    parameters
        What is learnt, on one device and of one type; those without a gradient are left as they are.
    weight_decay
        Share of a parameter, times the learning rate, that a step takes off.
    """

    def __init__(self, parameters: Iterable[Tensor], weight_decay: float) -> None:
        self.parameters, self.weight_decay = list(parameters), weight_decay
        self.steps = [torch.zeros((), dtype=torch.float32, device=parameter.device) for parameter in self.parameters]
        self.means = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.squares = [torch.zeros_like(parameter) for parameter in self.parameters]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Take a step against the gradients."""
        learnt = [k for k, parameter in enumerate(self.parameters) if parameter.grad is not None]
        if not learnt:
            return
        gradients = [gradient for parameter in self.parameters if (gradient := parameter.grad) is not None]
        parameters, means, squares, steps = (
            [values[k] for k in learnt] for values in (self.parameters, self.means, self.squares, self.steps)
        )
        torch._foreach_add_(steps, 1)
        torch._fused_adamw_(
            parameters,
            gradients,
            means,
            squares,
            [],
            steps,
            lr=learning_rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=self.weight_decay,
            eps=EPS,
            amsgrad=False,
            maximize=False,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the running means and the numbers of steps, by parameter."""
        return {"steps": self.steps, "means": self.means, "squares": self.squares}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`.

        Raises
        ------
        ValueError
            For one of other parameters.
        """
        for name, values in self.state_dict().items():
            if [value.shape for value in values] != [value.shape for value in state[name]]:
                expected = f"{len(values)} of the same shapes"
                raise ValueError(f"optimizer state {name!r} of other parameters; expected {expected}")
        with torch.no_grad():
            for name, values in self.state_dict().items():
                for value, saved in zip(values, state[name], strict=True):
                    value.copy_(saved)
