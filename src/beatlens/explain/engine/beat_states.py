"""The encoded states of beats in leads; what each brings to a mix over leads, to similarities and to look-alikes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from beatlens.explain.case.instance import Instance
from beatlens.explain.engine.distinct_rows import distinct_codes, distinct_rows
from beatlens.explain.engine.fast_network import EngineNetwork
from beatlens.explain.engine.states import NewStates, States
from beatlens.inputs.prototype_bank import PrototypeBank, lead_products

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

MAX_STATES = 200_000
"""States that are kept, some hundreds of megabytes. A call that would need more starts afresh."""
MAX_NUMBERS = 100_000_000
"""Numbers that the states' terms may hold: those of some networks are long."""


class StateStore(States):
    """Encoded states of one case.

    Attributes
    ----------
    terms
        (capacity, D) tensor: what a state brings to a mix over leads.
    dots, norm2
        (capacity, P), (capacity,): what it brings to similarities; of target beats only, 0 elsewhere.
    parts
        (capacity, samples): what look-alikes are looked for by; of target beats only. No samples without look-alikes.

    Parameters
    ----------
    instance, network, bank, baseline
        Of the engine; the bank in the instance's leads.
    """

    instance: Instance

    def __init__(self, instance: Instance, network: EngineNetwork, bank: PrototypeBank, baseline: str) -> None:
        super().__init__(instance, baseline)
        self.network, self.bank = network, bank
        self._targets = instance.target_rows
        self._compared = slice(0) if instance.look_alikes is None else instance.look_alikes.samples
        self.terms = torch.empty(0)
        self.dots = np.empty((0, len(bank)), dtype=np.float32)
        self.norm2 = np.empty(0, dtype=np.float32)
        self.parts = np.empty((0, 0), dtype=np.float32)

    def _is_full(self) -> bool:
        return self.count > MAX_STATES or self.count * self.terms.shape[-1] > MAX_NUMBERS

    def _encode(self, found: list[NewStates]) -> None:
        """Append states, scaled."""
        waves = np.concatenate([new.waves / self.instance.record.lead_scale[new.lead] for new in found])
        owners = np.repeat([(new.beat, new.lead) for new in found], [len(new.waves) for new in found], axis=0)
        first, last = self.count, self.count + len(waves)
        ids = self.tensor(self.instance.record.lead_ids[owners[:, 1]])
        typical = self.tensor(self.instance.record.typical[owners[:, 1]])
        terms = self.network.terms(self.tensor(waves), typical, ids)
        if last > len(self.norm2):
            self._grow(max(last, 2 * len(self.norm2)), terms)
        self.terms[first:last] = terms
        wanted = np.isin(owners[:, 0], self._targets)
        self.parts[first:last][wanted] = waves[wanted, self._compared]
        if self.network.network.uses_prototypes:
            for lead in range(len(self.instance.record.leads)):
                rows = np.flatnonzero(wanted & (owners[:, 1] == lead))
                if len(rows):
                    self.dots[first + rows], self.norm2[first + rows] = lead_products(waves[rows], lead, self.bank)
        self.count = last
        self.n_encoded += len(waves)

    def _grow(self, capacity: int, like: torch.Tensor) -> None:
        terms = like.new_empty(capacity, like.shape[1])
        dots, norm2 = np.zeros((capacity, len(self.bank)), np.float32), np.zeros(capacity, np.float32)
        n_compared = len(range(*self._compared.indices(self.instance.record.geometry.length)))
        parts = np.zeros((capacity, n_compared), np.float32)
        if self.count:
            terms[: self.count] = self.terms[: self.count]
            dots[: self.count], norm2[: self.count] = self.dots[: self.count], self.norm2[: self.count]
            parts[: self.count] = self.parts[: self.count]
        self.terms, self.dots, self.norm2, self.parts = terms, dots, norm2, parts

    def tensor(self, array: npt.NDArray[Any]) -> torch.Tensor:
        """Return an array as a tensor on the engine's device."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.network.device)


def distinct_runs(index: IntArray, windows: IntArray) -> tuple[IntArray, IntArray]:
    """Find the distinct runs of beats towards targets.

    Parameters
    ----------
    index
        (M, B) the distinct beat that each mask shows.
    windows
        (n_targets, steps) beats of each run, -1 for a slot outside.

    Returns
    -------
    runs
        (n, steps) distinct beats, -1 for a slot outside.
    inverse
        (M, n_targets) the run of each mask and target.
    """
    runs, inverse, count = [], np.empty((len(index), len(windows)), dtype=np.int64), 0
    lowest, highest = index.min(axis=0), index.max(axis=0)
    for target, window in enumerate(windows):
        beats = window[window >= 0]
        sizes = (highest - lowest)[beats] + 1
        first, number = distinct_rows(
            [(index[:, beat] - lowest[beat], int(size)) for beat, size in zip(beats, sizes, strict=True)]
        )
        rows = np.full((len(first), len(window)), -1, dtype=np.int64)
        rows[:, window >= 0] = index[np.ix_(first, beats)]
        runs.append(rows)
        inverse[:, target] = number + count
        count += len(first)
    return np.concatenate(runs), inverse


def distinct_pairs(before: IntArray, after: IntArray) -> tuple[IntArray, IntArray]:
    """Find the distinct pairs of two arrays of numbers: the place of each in the flat arrays, and which one each is."""
    size = int(after.max()) + 1
    first, inverse = distinct_codes((before * size + after).ravel(), (int(before.max()) + 1) * size)
    return first, inverse
