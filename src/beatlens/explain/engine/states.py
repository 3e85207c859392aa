"""Which states of a beat in a lead masks lead to; each is made and encoded once for all calls on a case.

A state says which of the segments that overlap the beat are on and, for interpolation, where the anchors of a hole are
that crosses the beat's edge.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from beatlens.explain.case.baselines import INTERPOLATION, anchors, fill_signal, interpolated_waves
from beatlens.explain.case.perturbed import Perturbed
from beatlens.explain.engine.distinct_rows import LARGEST_CODE, KnownCodes, distinct_rows

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class NewStates:
    """States of one beat in one lead that no mask has led to before: (m, samples) in mV, over `beat_samples`."""

    beat: int
    lead: int
    waves: FloatArray


class States(ABC):
    """The states of one case, by number.

    Attributes
    ----------
    count
        States there are.
    n_encoded
        States that were ever encoded; more than `count` where they were too many to keep.

    Parameters
    ----------
    instance, baseline
        Of the engine.
    """

    def __init__(self, instance: Perturbed, baseline: str) -> None:
        self.instance, self.baseline = instance, baseline
        self.n_encoded, self.count = 0, 0
        self._fill = fill_signal(instance, baseline)
        self._mean = instance.record.lead_mean
        self._known: dict[tuple[bytes, int, int], KnownCodes] = {}

    @abstractmethod
    def _encode(self, found: list[NewStates]) -> None:
        """Append states, in the order given, and count them."""

    @abstractmethod
    def _is_full(self) -> bool:
        """Tell whether a call starts afresh."""

    def rows(self, cells_on: BoolArray, edges: IntArray) -> IntArray:
        """Return the (M, n_beats, n_leads) state that each of the masks (M, n_leads, n_segments) shows.

        States that no call has met yet are made and encoded.
        """
        if self._is_full():
            self.count = 0
            self._known.clear()
        instance, n_segments = self.instance, len(edges) - 1
        anchored = self.baseline == INTERPOLATION
        grid = edges.tobytes()
        if anchored:
            left, right = anchors(cells_on)
        index = np.empty((len(cells_on), len(instance.r_index), len(instance.record.leads)), dtype=np.int64)
        found, count = [], self.count
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
                found.append(NewStates(beat, lead, wave))
        if found:
            self._encode(found)
        return index


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
