"""What a network says of the distinct windows of beats that masks lead to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from beatlens.explain.case.instance import Instance
from beatlens.explain.engine.beat_states import distinct_pairs, distinct_runs
from beatlens.explain.engine.fast_network import EngineNetwork, chunks
from beatlens.models.hybrid import HybridNet
from beatlens.models.rhythm import TowardsTarget

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ShownBeats:
    """The distinct beats that masks show.

    Attributes
    ----------
    rows
        (n, L) states of each beat's leads, -1 for an absent lead.
    rr
        (n, R) RR features of each; (k n, R) where the beats are shown with k sets of them, set after set, such as with
        the rhythm and without it.
    features
        (n, S) prototype features.
    index
        (M, B) the beat that each mask shows, of the k n.
    """

    rows: IntArray
    rr: FloatArray
    features: FloatArray
    index: IntArray


@dataclass(frozen=True)
class Read:
    """What a network says of d distinct windows.

    Attributes
    ----------
    logits, gates
        (d, K) class logits and (d,) noise-gate logits.
    target
        (d,) the target of each, as in `ShownBeats.index`.
    inverse
        (M, n_targets) the window of each mask and target.
    """

    logits: FloatArray
    gates: FloatArray
    target: IntArray
    inverse: IntArray


class Readout(ABC):
    """A network over windows of beats whose leads are encoded.

    Parameters
    ----------
    instance
        The case.
    network
        Of the engine.
    """

    def __init__(self, instance: Instance, network: EngineNetwork) -> None:
        self.fast = network

    @abstractmethod
    def read(self, shown: ShownBeats, terms: Tensor) -> Read:
        """Return what the network says, given the terms (states, D) of `beatlens.explain.engine.beat_states`."""

    def tensor(self, array: npt.NDArray[np.generic]) -> Tensor:
        """Return an array as a tensor on the engine's device."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.fast.device)


class HalfWindows(Readout):
    """The rhythm branch runs one direction at a time, so that each distinct run towards a target is followed once."""

    def __init__(self, instance: Instance, network: EngineNetwork, hybrid: HybridNet) -> None:
        super().__init__(instance, network)
        self.network, side = hybrid, hybrid.rhythm.side
        around = rows_around(instance, side)
        self._before, self._after = around[:, : side + 1], around[:, side:][:, ::-1]

    def read(self, shown: ShownBeats, terms: Tensor) -> Read:
        """Return what the network says."""
        tensor, network = self.tensor, self.network
        embeddings = self.fast.mix(terms, tensor(shown.rows)).repeat(len(shown.rr) // len(shown.rows), 1)
        inputs = network.beat_inputs(embeddings, tensor(shown.rr))
        before, own_before = distinct_runs(shown.index, self._before)
        after, own_after = distinct_runs(shown.index, self._after)
        rhythm = network.rhythm
        sides = self._side(rhythm.before, inputs, tensor(before)), self._side(rhythm.after, inputs, tensor(after))
        first, inverse = distinct_pairs(own_before, own_after)
        row_before, row_after = own_before.ravel()[first], own_after.ravel()[first]
        target = before[row_before, -1]
        logits = network.class_logits(
            torch.cat([sides[0][tensor(row_before)], sides[1][tensor(row_after)]], dim=1),
            inputs[tensor(target)],
            tensor(shown.features[target % len(shown.rows)]),
        )
        gates = network.gate_logits(embeddings[tensor(target)])
        return Read(logits.cpu().numpy(), gates.cpu().numpy(), target, inverse.reshape(own_before.shape))

    def _side(self, branch: TowardsTarget, beats: Tensor, runs: Tensor) -> Tensor:
        gates = branch.input(beats)
        parts = []
        for chunk in chunks(len(runs), 4 * self.fast.chunk):
            part = runs[chunk]
            parts.append(branch.follow(gates, part.clamp(min=0), part >= 0))
        return torch.cat(parts)


class WholeWindows(Readout):
    """Any network: each distinct window is classified once."""

    def __init__(self, instance: Instance, network: EngineNetwork) -> None:
        super().__init__(instance, network)
        self._half = network.network.config.context // 2
        self._around = rows_around(instance, self._half)

    def read(self, shown: ShownBeats, terms: Tensor) -> Read:
        """Return what the network says."""
        windows, inverse = distinct_runs(shown.index, self._around)
        inside = windows >= 0
        lengths, positions = inside.sum(axis=1), inside[:, : self._half].sum(axis=1)
        slot = (inside.argmax(axis=1)[:, None] + np.arange(windows.shape[1])).clip(max=windows.shape[1] - 1)
        windows = np.take_along_axis(windows, slot, axis=1)  # left-aligned
        n, parts = len(shown.rows), []
        target = np.take_along_axis(windows, positions[:, None], axis=1)[:, 0]
        for chunk in chunks(len(windows), self.fast.chunk):
            used, row = np.unique(np.maximum(windows[chunk], 0), return_inverse=True)
            parts.append(
                self.fast.network.classify(
                    self.fast.mix(terms, self.tensor(shown.rows[used % n])),
                    self.tensor(shown.rr[used]),
                    self.tensor(shown.features[target[chunk] % n]),
                    self.tensor(row.reshape(windows[chunk].shape)),
                    self.tensor(lengths[chunk]),
                    self.tensor(positions[chunk]),
                )
            )
        logits, gates = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
        return Read(logits, gates, target, inverse)


def rows_around(instance: Instance, side: int) -> IntArray:
    """Return the beats (n_targets, 2 side + 1) around each target that count, the target in the middle, -1 for none."""
    slots = instance.positions[:, None] - side + np.arange(2 * side + 1)
    inside = (slots >= 0) & (slots < instance.lengths[:, None])
    beats = np.take_along_axis(instance.windows, np.clip(slots, 0, instance.windows.shape[1] - 1), axis=1)
    return np.where(inside, beats, -1)
