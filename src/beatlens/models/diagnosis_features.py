"""Measurements of one lead of one beat: its wave, and its P, QRS and T parts.

None compares the beat with others of its record: a record of which all beats are changed would be unlike a typical beat
that stays as it is, and the network would take that for a finding.

Nothing is learnt here. All is differentiable but where a largest or smallest sample changes place.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

UNIT_MV = 0.1
"""Amplitudes are shown by their inverse hyperbolic sine in this unit: linear below it, logarithmic above."""
FLOOR_MV = 0.02
"""Added to amplitudes, so that ratios and logarithms stay finite where a lead is flat."""
PARTS_S = {"p": (-0.25, -0.06), "qrs": (-0.06, 0.1), "j": (0.08, 0.14), "st": (0.12, 0.2), "t": (0.2, 0.4)}
"""Seconds from R of the parts whose mean, largest and smallest sample are measured."""
SPREAD_S = {"p": (-0.25, -0.06), "qrs": (-0.1, 0.18), "t": (0.14, 0.4)}
"""Seconds from R of the parts of whose slope the centre and the width in time are measured."""
SLOPE_FLOOR = 1e-4
"""Added to squared slopes (mV in a sample)."""


class LeadMeasurements(nn.Module):
    """From the wave of one lead of one beat to numbers.

    Parameters
    ----------
    before, after
        Samples of a beat before its R peak, and from it on.
    fs
        Rate in Hz.
    positions
        Stretches over which the wave is averaged.
    """

    def __init__(self, before: int, after: int, fs: float, positions: int) -> None:
        super().__init__()
        length = before + after
        edges = _edges(length, positions)
        bins = torch.zeros(length, positions)
        for k, (low, high) in enumerate(edges):
            bins[low:high, k] = 1.0 / (high - low)
        self.register_buffer("bins", bins, persistent=False)
        self.parts = [_samples(before, length, fs, *part) for part in PARTS_S.values()]
        self.spreads = [_samples(before, length, fs, *part) for part in SPREAD_S.values()]
        self.at = [torch.arange(low - before, high - before) / fs for low, high in self.spreads]
        self.qrs, self.t = self.parts[1], self.parts[4]
        self.size = positions + 3 * len(self.parts) + 2 * len(self.spreads) + 4

    def forward(self, waves: Tensor) -> Tensor:
        """Measure waves (m, T) mV: (m, size)."""
        shown = [_amplitude(waves @ cast(Tensor, self.bins))]
        shown += [self._amplitudes(waves), self._timing(waves), self._qrs(waves)]
        return torch.cat(shown, dim=1)

    def _amplitudes(self, waves: Tensor) -> Tensor:
        parts = [waves[:, low:high] for low, high in self.parts]
        return _amplitude(torch.stack([f for part in parts for f in (part.mean(1), part.amax(1), part.amin(1))], dim=1))

    def _timing(self, waves: Tensor) -> Tensor:
        columns = []
        for (low, high), at in zip(self.spreads, self.at, strict=True):
            part = waves[:, low:high]
            slope = nn.functional.pad(part[:, 2:] - part[:, :-2], (1, 1)).square() / 4 + SLOPE_FLOOR
            share = slope / slope.sum(1, keepdim=True)
            at = at.to(waves)
            centre = share @ at
            width = (share * (at - centre[:, None]).square()).sum(1)
            columns += [20 * centre, 0.5 * torch.log(width + 1e-6)]
        return torch.stack(columns, dim=1)

    def _qrs(self, waves: Tensor) -> Tensor:
        qrs, t = waves[:, slice(*self.qrs)], waves[:, slice(*self.t)]
        up, down = qrs.clamp(min=0).mean(1), (-qrs).clamp(min=0).mean(1)
        size = up + down + FLOOR_MV
        height = qrs.amax(1) - qrs.amin(1) + FLOOR_MV
        steepest = (qrs[:, 1:] - qrs[:, :-1]).abs().amax(1) + 0.1 * FLOOR_MV
        return torch.stack([(up - down) / size, (t.mean(1) / size).clamp(-4, 4), height.log(), steepest.log()], dim=1)


def _amplitude(mv: Tensor) -> Tensor:
    return torch.asinh(mv / UNIT_MV)


def _edges(length: int, parts: int) -> list[tuple[int, int]]:
    edges = [round(k * length / parts) for k in range(parts + 1)]
    return list(zip(edges[:-1], edges[1:], strict=True))


def _samples(before: int, length: int, fs: float, start_s: float, stop_s: float) -> tuple[int, int]:
    """Return first sample and last + 1 of a part of a beat; at least four samples at the nearest end."""
    low = min(max(before + round(start_s * fs), 0), length - 4)
    return low, min(max(before + round(stop_s * fs), low + 4), length)
