"""Class-activation maps: feature maps of a layer, weighted by what gradients of a class say of each.

Each function takes feature maps and gradients (..., channels, positions) and returns (..., positions). Maps keep their
sign: rectified maps of any two networks agree wherever there is a signal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

ActivationMap = Callable[[Tensor, Tensor], Tensor]


def gradcam(maps: Tensor, gradient: Tensor) -> Tensor:
    """Weight each channel by its gradient's mean over positions (Grad-CAM, Selvaraju et al. 2017)."""
    return (gradient.mean(dim=-1, keepdim=True) * maps).sum(-2)


def gradcam_plus_plus(maps: Tensor, gradient: Tensor) -> Tensor:
    """Weight each channel by its positive gradients, each in its own share (Grad-CAM++, Chattopadhay et al. 2018).

    The class score is the exponential of the logit, whose second and third derivatives follow from the first. The
    exponential itself, a factor that all positions share, is left out: maps of several classes and epochs stay
    comparable.
    """
    square = gradient.square()
    below = 2 * square + maps.sum(-1, keepdim=True) * square * gradient
    share = torch.where(below == 0, 0.0, square / torch.where(below == 0, 1.0, below))
    return ((share * gradient.clamp(min=0)).sum(-1, keepdim=True) * maps).sum(-2)


def hirescam(maps: Tensor, gradient: Tensor) -> Tensor:
    """Multiply each position by its own gradient (HiResCAM, Draelos & Carin 2020).

    Where the logit is linear in the layer, the map adds up to what the layer brings to it.
    """
    return (gradient * maps).sum(-2)


ACTIVATION_MAPS: Mapping[str, ActivationMap] = {
    "gradcam": gradcam,
    "gradcam_plus_plus": gradcam_plus_plus,
    "hirescam": hirescam,
}
