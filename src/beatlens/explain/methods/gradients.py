"""Gradient methods: integrated gradients, gradient x input, Grad-CAM and guided Grad-CAM with a lead axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from beatlens.explain.case.baselines import fill_signal
from beatlens.explain.engine.differentiable import SignalModel
from beatlens.explain.methods.activation_maps import ActivationMap, gradcam

Array = npt.NDArray[np.float64]

CHUNK_STEPS = 16
"""Points of a path in one pass; bounds memory."""
LEAST_SIZE = 1e-3
"""Size of a shape, as a share of that at the next point of a path, below which it is none."""
MOST_LACKING = 0.05
"""Largest completeness error of integrated gradients that apply, as a share of full minus empty."""


@dataclass(frozen=True)
class Gradients:
    """Values of a gradient method.

    Attributes
    ----------
    values
        (L, window) float64: in the target's units, or relative for class-activation maps.
    rhythm
        What the RR features have, or None where they aren't attributed.
    full, empty
        The target of the signal, and of the baseline with the rhythm off where the rhythm is attributed.
    completeness_error
        What the attributed sum lacks of full minus empty. For class-activation maps, which are relative, it is what the
        sum of weights times maps lacks: the error of that linear approximation.
    n_evaluations
        Passes through the network; each but that of the baseline includes its gradient.
    """

    values: Array
    rhythm: float | None
    full: float
    empty: float
    completeness_error: float
    n_evaluations: int

    @property
    def lacking(self) -> str:
        """Why these are no integrated gradients of the target: what they lack, "" for at most `MOST_LACKING`."""
        whole, lacks = abs(self.full - self.empty), abs(self.completeness_error)
        if lacks <= MOST_LACKING * whole:
            return ""
        return f"the values lack {lacks:.2g} of full minus empty, {whole:.2g} ({MOST_LACKING:.0%} at most)"


def path_gradients(model: SignalModel, baseline: str, *, steps: int, rhythm: bool, at_end: bool) -> Gradients:
    """Integrate gradients along the straight line from the baseline to the signal (Sundararajan et al. 2017).

    Gradients are taken at the midpoints of `steps` equal parts. With ``at_end`` the gradient at the signal alone is
    taken: gradient x input, with the input counted from the baseline. The path of the RR features starts at a constant
    rhythm.

    Where the look-alikes of the beat change along the path, the target jumps. No gradient sees a jump, but it has a
    place: it happens where the similarity to a reference beat crosses a limit, or that to another one, and the gradient
    of a step points where that of what crosses does. So the jump between two points goes to the samples that push
    towards the crossing, in proportion to what each adds there to the similarity with references that come in, less
    that with those that go (`_jumps`). What pushes against it has no part: where the crossing is slow, parts of both
    signs would be many times the jump. The completeness error tells of the rest: also of a jump at the start from a
    baseline without a shape, as ``zero`` is. A similarity doesn't depend on how large a beat is, so a beat that comes
    out of nothing crosses no limit, and what it is similar to has no gradient that could be summed there.

    Parameters
    ----------
    model
        The target.
    baseline
        As for the engine; a straight line across a hole that is the whole window is the lead's mean.
    steps
        Points of the path, >= 1.
    rhythm
        Whether the RR features are attributed as well.
    """
    instance = model.instance
    signal, start = model.tensor(instance.window), model.tensor(fill_signal(instance, baseline))
    rr = model.tensor(instance.rr)
    rr_start = model.tensor(instance.rr_off).expand_as(rr) if rhythm else rr
    places = np.ones(1) if at_end else (np.arange(steps) + 0.5) / steps
    jumps = torch.zeros_like(signal, dtype=torch.float64)
    total, total_rr = torch.zeros_like(signal, dtype=torch.float64), torch.zeros_like(rr, dtype=torch.float64)
    for first in range(0, len(places), CHUNK_STEPS):
        share = model.tensor(places[first : first + CHUNK_STEPS].astype(np.float32))[:, None, None]
        points = (start + share * (signal - start)).requires_grad_()
        points_rr = (rr_start + share * (rr - rr_start)).requires_grad_()
        logits, gates, waves = model.outputs(points, points_rr)
        gradient, gradient_rr = torch.autograd.grad(
            model.target_of(logits, gates, model.said(waves)).sum(), [points, points_rr], materialize_grads=True
        )
        if not at_end:
            edges = model.tensor((np.arange(first, first + len(points) + 1) / steps).astype(np.float32))[:, None, None]
            jumps += _jumps(model, start + edges * (signal - start), logits.detach(), gates.detach())
        total += gradient.double().sum(0)
        total_rr += gradient_rr.double().sum(0)
    values = (total / len(places) * (signal - start) + jumps).cpu().numpy()
    rhythm_value = float((total_rr / len(places) * (rr - rr_start)).sum())
    full, empty = _ends(model, signal, rr, start, rr_start)
    missing = full - empty - float(values.sum()) - (rhythm_value if rhythm else 0.0)
    return Gradients(values, rhythm_value if rhythm else None, full, empty, missing, len(places) + 2)


def _jumps(model: SignalModel, points: Tensor, logits: Tensor, gates: Tensor) -> Tensor:
    """Return the jumps of the look-alikes' evidence along a path, attributed to samples: (L, window).

    Parameters
    ----------
    model
        The target.
    points
        (m + 1, L, window) of the path.
    logits, gates
        Of the network half way between two of them: (m, n_targets, K), (m, n_targets).
    """
    total = torch.zeros(points.shape[1:], dtype=torch.float64, device=points.device)
    with torch.no_grad():
        waves = model.waves(points)
        said, chosen = model.said(waves), model.chosen(waves)
    if said is None or chosen is None:
        return total
    middle = ((points[1:] + points[:-1]) / 2).requires_grad_()
    before, after = said[:-1].clone(), said[1:]
    change, similarity, size = chosen[1:] - chosen[:-1], None, model.shape_size(waves)
    for place in range(said.shape[1]):
        if not change[:, place].any():
            continue
        full = model.target_of(logits, gates, before)
        before[:, place] = after[:, place]
        jump = model.target_of(logits, gates, before) - full
        similarity = model.shape_similarity(model.waves(middle)) if similarity is None else similarity
        crossing = (similarity[:, place] * change[:, place]).sum()
        (slope,) = torch.autograd.grad(crossing, [middle], retain_graph=True)
        share = (slope * (points[1:] - points[:-1])).double().clamp(min=0)
        whole, shaped = share.sum((1, 2)), size[:-1, place] > LEAST_SIZE * size[1:, place]
        total += (share * torch.where(shaped & (whole > 0), jump / whole, 0.0)[:, None, None]).sum(0)
    return total


def _ends(model: SignalModel, signal: Tensor, rr: Tensor, start: Tensor, rr_start: Tensor) -> tuple[float, float]:
    with torch.no_grad():
        full, empty = model.values(torch.stack([signal, start]), torch.stack([rr, rr_start])).tolist()
    return float(full), float(empty)


def class_activation(model: SignalModel, baseline: str, *, guided: bool, kind: ActivationMap = gradcam) -> Gradients:
    """Grad-CAM (Selvaraju et al. 2017) of each lead of each beat, guided by backpropagation through positives or not.

    The last feature map of a beat's lead is weighted by the target's gradient and interpolated to samples; where beats
    overlap, their maps are averaged.

    The guided map is multiplied by the magnitude of what guided backpropagation (Springenberg et al. 2015) gives each
    sample. The paper's rectified product with the sign fails the test of randomised weights, since random weights
    hardly change that sign. The prototype branch, which has no feature map, is held constant.

    Parameters
    ----------
    model
        The target.
    baseline
        For full minus empty alone, as the values are relative.
    guided
        Whether it is guided.
    kind
        How the gradient weights the feature map, one of `beatlens.explain.methods.activation_maps.ACTIVATION_MAPS`.
    """
    instance = model.instance
    signal = model.tensor(instance.window)[None]
    rr = model.tensor(instance.rr)[None]
    waves = model.waves(signal)
    with torch.no_grad():
        maps = model.feature_maps(waves)
    maps.requires_grad_()
    (gradient,) = torch.autograd.grad(model.values_of_maps(maps, waves, rr).sum(), [maps], materialize_grads=True)
    weighted = kind(maps, gradient)[0].detach()  # (B, L, positions)
    n_beats, n_leads, _ = weighted.shape
    length = waves.shape[3]
    fine = nn.functional.interpolate(weighted.flatten(0, 1)[:, None], size=length, mode="linear")
    values = _overlay(model, fine.view(n_beats, n_leads, length))
    passes = 3
    if guided:
        values = values * _guided(model, signal, rr).abs()
        passes += 1
    start = model.tensor(fill_signal(instance, baseline))
    full, empty = _ends(model, signal[0], rr[0], start, rr[0])
    missing = full - empty - float(weighted.double().sum())
    return Gradients(values.cpu().numpy(), None, full, empty, missing, passes)


def _overlay(model: SignalModel, beats: Tensor) -> Tensor:
    """Place maps of beats (B, L, T) on the window, (L, window); the mean where they overlap."""
    instance = model.instance
    total = torch.zeros(
        len(instance.record.leads), instance.stop - instance.start, dtype=torch.float64, device=beats.device
    )
    count = torch.zeros(instance.stop - instance.start, dtype=torch.float64, device=beats.device)
    for row in range(len(instance.r_index)):
        samples = model.tensor(instance.beat_samples(row) - instance.start)
        total.index_add_(1, samples, beats[row].double())
        count.index_add_(0, samples, torch.ones(len(samples), dtype=torch.float64, device=beats.device))
    return total / count.clamp(min=1)


def _guided(model: SignalModel, signal: Tensor, rr: Tensor) -> Tensor:
    """Return the gradient of the target to each sample, negative ones stopped at each ReLU: (L, window)."""
    points = signal.clone().requires_grad_()
    with _PositiveGradients():
        (gradient,) = torch.autograd.grad(model.values(points, rr).sum(), [points])
    return gradient[0].double()


class _PositiveGradients(TorchFunctionMode):
    """Every ReLU called within, be it a layer or a function, passes positive gradients alone (Springenberg et al.)."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (torch.relu, nn.functional.relu, Tensor.relu) and args[0].requires_grad:
            entry = args[0].view_as(args[0])  # the gradient that comes back by this ReLU, and by nothing else
            entry.register_hook(lambda gradient: gradient.clamp(min=0))
            args = (entry, *args[1:])
        return func(*args, **(kwargs or {}))
