"""The states of beats in leads that masks of a case lead to; each is made and encoded once for all calls on the case.

A state says which of the segments that overlap the beat are on and, for interpolation, where the anchors of a hole are
that crosses the beat's edge.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from beatlens.explain.case.baselines import INTERPOLATION, anchors, fill_signal, interpolated_waves
from beatlens.explain.case.instance import Instance
from beatlens.explain.engine.distinct_rows import LARGEST_CODE, KnownCodes, distinct_codes, distinct_rows
from beatlens.explain.engine.fast_network import EngineNetwork
from beatlens.inputs.prototype_bank import PrototypeBank, lead_products

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

MAX_STATES = 200_000
"""States that are kept, some hundreds of megabytes. A call that would need more starts afresh."""
MAX_NUMBERS = 100_000_000
"""Numbers that the states' terms may hold: those of some networks are long."""


class StateStore:
    """Encoded states of one case.

    Attributes
    ----------
    terms
        (capacity, D) tensor: what a state brings to a mix over leads.
    dots, norm2
        (capacity, P), (capacity,): what it brings to similarities; of target beats only, 0 elsewhere.
    parts
        (capacity, samples): what look-alikes are looked for by; of target beats only. No samples without look-alikes.
    count
        States there are.

    Parameters
    ----------
    instance, network, bank, baseline
        Of the engine; the bank in the instance's leads.
    """

    def __init__(self, instance: Instance, network: EngineNetwork, bank: PrototypeBank, baseline: str) -> None:
        self.instance, self.network, self.bank, self.baseline = instance, network, bank, baseline
        self.n_encoded = 0
        self._fill = fill_signal(instance, baseline)
        self._mean = instance.record.lead_mean
        self._targets = instance.target_rows
        self._compared = slice(0) if instance.look_alikes is None else instance.look_alikes.samples
        self._clear()

    def _clear(self) -> None:
        self.count = 0
        self._known: dict[tuple[bytes, int, int], KnownCodes] = {}
        self.terms = torch.empty(0)
        self.dots = np.empty((0, len(self.bank)), dtype=np.float32)
        self.norm2 = np.empty(0, dtype=np.float32)
        self.parts = np.empty((0, 0), dtype=np.float32)

    def rows(self, cells_on: BoolArray, edges: IntArray) -> IntArray:
        """Return the (M, n_beats, n_leads) state that each of the masks (M, n_leads, n_segments) shows.

        States that no call has met yet are made and encoded.
        """
        if self.count > MAX_STATES or self.count * self.terms.shape[-1] > MAX_NUMBERS:
            self._clear()
        instance, n_segments = self.instance, len(edges) - 1
        anchored = self.baseline == INTERPOLATION
        grid = edges.tobytes()
        if anchored:
            left, right = anchors(cells_on)
        index = np.empty((len(cells_on), len(instance.r_index), len(instance.record.leads)), dtype=np.int64)
        waves, owners, count = [], [], self.count
        for beat in range(len(instance.r_index)):
            samples = instance.beat_samples(beat)
            segment = np.searchsorted(edges, samples, side="right") - 1
            low, high = int(segment[0]), int(segment[-1])
            span = 2 ** (high - low + 1) * ((n_segments + 1) ** 2 if anchored else 1)
            if span <= LARGEST_CODE:
                ends = (left[:, :, low], right[:, :, high]) if anchored else None
                codes = encode_state(cells_on[:, :, low : high + 1], ends, n_segments)
            for lead in range(len(instance.record.leads)):
                if span <= LARGEST_CODE:
                    known = self._known.setdefault((grid, beat, lead), KnownCodes(span))
                    index[:, beat, lead], first = known.numbers(codes[:, lead], count)
                else:  # too many segments in a beat for a code: known within this call only
                    columns: list[tuple[npt.NDArray[Any], int]]
                    columns = [(cells_on[:, lead, k], 2) for k in range(low, high + 1)]
                    if anchored:
                        columns += [(left[:, lead, low] + 1, n_segments + 1), (right[:, lead, high], n_segments + 1)]
                    first, inverse = distinct_rows(columns)
                    index[:, beat, lead] = inverse + count
                if not len(first):
                    continue
                on = cells_on[first, lead]
                if anchored:
                    wave = interpolated_waves(
                        instance.record.signal[lead],
                        float(self._mean[lead]),
                        on,
                        left=left[first, lead],
                        right=right[first, lead],
                        edges=edges,
                        samples=samples,
                        segment=segment,
                    )
                else:
                    fill = self._fill[lead, samples - instance.start]
                    wave = np.where(on[:, segment], instance.record.signal[lead, samples], fill)
                count += len(first)
                waves.append(wave / instance.record.lead_scale[lead])
                owners.append(np.broadcast_to([beat, lead], (len(first), 2)))
        if waves:
            self._encode(np.concatenate(waves), np.concatenate(owners))
        return index

    def _encode(self, waves: FloatArray, owners: IntArray) -> None:
        """Append states: waves (m, T), scaled, of (beat, lead) owners (m, 2)."""
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


def encode_state(cells_on: BoolArray, ends: tuple[IntArray, IntArray] | None, n_segments: int) -> IntArray:
    """Return the number of each state, the same for the same state and no other.

    A state is one integer, so that those of thousands of masks are told apart by looking numbers up, not by sorting
    rows of flags: a bit a segment that overlaps the beat, then, where holes are filled between anchors, the two anchors
    as digits of base ``n_segments + 1``.

    Parameters
    ----------
    cells_on
        (M, n_leads, s) which of the segments that overlap the beat are on.
    ends
        (M, n_leads) each: the nearest segment that is on at or before the first of them, -1 for none, and at or after
        the last, `n_segments` for none; None where nothing outside the beat has a part in what it shows.
    n_segments
        Segments of the case.
    """
    codes = np.zeros(cells_on.shape[:2], dtype=np.int64)
    for k in range(cells_on.shape[2]):
        codes = codes * 2 + cells_on[:, :, k]
    if ends is not None:
        base = n_segments + 1
        codes = (codes * base + ends[0] + 1) * base + ends[1]
    return codes
