"""A log-magnitude spectrogram of one beat in one lead, by fixed Hann windows, cut into patches of time x band.

Sizes follow the beat's extent: with beats of .65 s the windows are .2 s long and frequencies lie 5 Hz apart.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from beatlens.models.tokens import BANDS, FRAMES, window_length

FLOOR = 0.02
"""Added to each magnitude, in units of the lead's scale, so that silence has a finite logarithm."""


class Spectrogram(nn.Module):
    """Patches of log magnitudes; nothing is learnt.

    A sine of amplitude A at the centre of a bin has the magnitude A there. Beyond the beat its end samples are
    repeated.

    Parameters
    ----------
    beat_length
        Samples of a beat.
    slots
        Stretches of a beat, of one patch in each band.

    Raises
    ------
    ValueError
        For a beat too short to tell the bands apart.
    """

    def __init__(self, beat_length: int, slots: int) -> None:
        super().__init__()
        self.slots, self.window = slots, window_length(beat_length)
        n_bins = min(BANDS[-1][1], self.window // 2 + 1)
        if n_bins <= BANDS[-1][0]:
            raise ValueError(
                f"a beat of {beat_length} samples gives windows of {self.window}, which tell {n_bins} frequencies "
                f"apart; expected more than {BANDS[-1][0]}: a higher signal.fs"
            )
        self.bands = [(low, min(high, n_bins)) for low, high in BANDS]
        self.widths = [FRAMES * (high - low) for low, high in self.bands]
        centres = [(k + 0.5) * beat_length / (slots * FRAMES) for k in range(slots * FRAMES)]
        starts = torch.tensor([round(centre - self.window / 2) for centre in centres])
        index = (starts[:, None] + torch.arange(self.window)).clamp(0, beat_length - 1)
        self.register_buffer("index", index.flatten(), persistent=False)
        hann = torch.hann_window(self.window, periodic=False, dtype=torch.float64)
        angle = 2 * math.pi * torch.arange(self.window)[:, None] * torch.arange(n_bins) / self.window
        gain = 2.0 / hann.sum()
        kernels = torch.cat([torch.cos(angle), torch.sin(angle)], dim=1) * hann[:, None] * gain
        self.register_buffer("kernels", kernels.float(), persistent=False)

    def forward(self, waves: Tensor) -> Tensor:
        """Return the log magnitudes (m, slots * FRAMES, bins) of waves (m, T)."""
        index, kernels = cast(Tensor, self.index), cast(Tensor, self.kernels)
        frames = waves[:, index].view(len(waves), self.slots * FRAMES, self.window)
        real, imaginary = (frames @ kernels).chunk(2, dim=2)
        return 0.5 * torch.log(real.square() + imaginary.square() + FLOOR**2)

    def patches(self, waves: Tensor, typical: Tensor | None) -> Tensor:
        """Return the patches of waves (m, T), beside the difference to those of typical beats (m, T): (m, slots * S).

        In each slot, the patches of its bands follow one another, of `widths` numbers each, twice that with typical
        beats.
        """
        shown = self(waves)
        parts = [shown] if typical is None else [shown, shown - self(typical)]
        cells = [torch.unflatten(part, 1, (self.slots, FRAMES)) for part in parts]
        bands = [cell[..., low:high].flatten(2) for low, high in self.bands for cell in cells]
        return torch.cat(bands, dim=2).flatten(1)
