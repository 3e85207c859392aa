"""Where in the signal each token of the cross-modal network lies: lead, seconds, frequency band. Imports without torch.

The network reads the class at one beat. A stream's tokens are laid out lead by lead, in each lead beat by beat of the
window, in each beat band by band, and in each band in time. Keys of attention are all tokens of a stream; queries are
those of the target beat alone (`TokenMap.of_target`), in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from beatlens.models.settings import NetworkConfig
from beatlens.shards.shard import BeatGeometry

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

WINDOW_SHARE = 0.31
"""Length of a window as a share of the beat's: a QRS complex fits in one, and P and T waves don't fit in the same."""
FRAMES = 2
"""Windows of a patch, evenly spread over its stretch."""
BANDS = ((0, 2), (2, 5), (5, 10))
"""First bin of each band and the one after its last: P and T waves, QRS complexes, what is faster."""


@dataclass(frozen=True)
class TokenMap:
    """The n tokens of one stream in the window of one target beat, in the order of the keys of attention.

    Attributes
    ----------
    lead
        (n,) index into the record's leads.
    beat
        (n,) beats from the target: -1 the one before it, 0 the target, 1 the one after it.
    start_s, stop_s
        (n,) seconds from the target's R peak; NaN where there is no beat.
    low_hz, high_hz
        (n,) frequency band; NaN for waveform tokens.
    valid
        (n,) whether there is such a beat: there is none beyond the record's ends and across gaps. A token that isn't
        valid gets no attention.
    reach_s
        Seconds by which the samples that a token sees can go beyond its stretch on either side. The temporal encoder
        then lets it know of its neighbours in its beat.
    """

    lead: IntArray
    beat: IntArray
    start_s: FloatArray
    stop_s: FloatArray
    low_hz: FloatArray
    high_hz: FloatArray
    valid: BoolArray
    reach_s: float

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.lead)

    def of_target(self) -> TokenMap:
        """Return the tokens of the target beat: the queries."""
        return self.where(self.beat == 0)

    def where(self, chosen: BoolArray | IntArray) -> TokenMap:
        """Return the tokens chosen: (n,) whether each is, or their places in the order wanted."""
        arrays = {field.name: getattr(self, field.name)[chosen] for field in fields(self) if field.name != "reach_s"}
        return TokenMap(**arrays, reach_s=self.reach_s)


class TokenMaps(NamedTuple):
    """The tokens of both streams."""

    waveform: TokenMap
    spectrogram: TokenMap


def token_maps(config: NetworkConfig, geometry: BeatGeometry, r_s: FloatArray, present: BoolArray) -> TokenMaps:
    """Say where the tokens lie that the network sees of a target beat; nothing is run.

    Parameters
    ----------
    config
        Sizes of the network.
    geometry
        How beats are cut.
    r_s
        (context,) seconds from the target's R peak to that of each beat of its window, the target in the middle; NaN
        where there is no beat (`beats_around`).
    present
        (L,) which of the record's leads are present; absent ones have no tokens.
    """
    half = config.context // 2
    if r_s.shape != (config.context,) or r_s[half] != 0:
        raise ValueError(f"R peaks at {r_s} s; expected {config.context} of them, the target's at 0 in the middle")
    slots = config.settings.time_bins
    edges = np.array([round(k * geometry.length / slots) for k in range(slots + 1)])
    edges_s = (edges - geometry.before) / geometry.fs
    leads = np.flatnonzero(present)

    def stream(bands: list[tuple[float, float]], reach: int) -> TokenMap:
        shape = (len(leads), config.context, len(bands), slots)

        def laid(values: npt.NDArray[np.generic], axis: int) -> npt.NDArray[Any]:
            along = [1] * len(shape)
            along[axis] = len(values)
            return np.broadcast_to(values.reshape(along), shape).ravel()

        beats_s = laid(r_s, 1)
        return TokenMap(
            lead=laid(leads, 0),
            beat=laid(np.arange(config.context) - half, 1),
            start_s=beats_s + laid(edges_s[:-1], 3),
            stop_s=beats_s + laid(edges_s[1:], 3),
            low_hz=laid(np.array([low for low, _ in bands]), 2),
            high_hz=laid(np.array([high for _, high in bands]), 2),
            valid=~np.isnan(beats_s),
            reach_s=reach / geometry.fs,
        )

    return TokenMaps(
        stream([(np.nan, np.nan)], _waveform_reach(config)),
        stream(band_hz(geometry.length, geometry.fs), _spectrogram_reach(config)),
    )


def beats_around(
    r_index: IntArray, window: IntArray, length: int, position: int, *, context: int, fs: float
) -> FloatArray:
    """Return the seconds from a target's R peak to those of the beats of its window: (context,), NaN for no beat.

    Parameters
    ----------
    r_index
        (n,) R samples of the record's beats.
    window, length, position
        Rows of beats around the target, how many of them count, and the target's place
        (`beatlens.beats.context_windows`).
    context, fs
        Beats of a window, and samples a second.
    """
    slot = position - context // 2 + np.arange(context)
    inside = (slot >= 0) & (slot < length)
    rows = window[np.clip(slot, 0, len(window) - 1)]
    seconds = (r_index[rows] - r_index[window[position]]) / fs
    return np.where(inside, seconds, np.nan)


def _waveform_reach(config: NetworkConfig) -> int:
    """Return by how many samples what the convolutions of a slot's positions see goes beyond the slot at most."""
    step, side = 1, 0
    for kernel in config.settings.kernels:
        side += step * (kernel // 2)
        step *= 2
    length, slots = config.beat_length, config.settings.time_bins
    n_positions = -(-length // step)
    reach = 0
    for slot in range(slots):
        positions = [k for k in range(n_positions) if k * slots // n_positions == slot]
        low, high = round(slot * length / slots), round((slot + 1) * length / slots)
        reach = max(reach, low - (positions[0] * step - side), positions[-1] * step + side + 1 - high)
    return reach


def _spectrogram_reach(config: NetworkConfig) -> int:
    """Return by how many samples the windows of a slot go beyond the slot at most."""
    part = config.beat_length / (config.settings.time_bins * FRAMES)
    return max(0, round(window_length(config.beat_length) / 2 - part / 2))


def window_length(beat_length: int) -> int:
    """Return the samples of a window of the filter bank, for beats of so many samples."""
    return round(WINDOW_SHARE * beat_length)


def band_hz(beat_length: int, fs: float) -> list[tuple[float, float]]:
    """Return the frequencies in Hz of each band: half a bin below its first bin to half a bin above its last."""
    step = fs / window_length(beat_length)
    n_bins = window_length(beat_length) // 2 + 1
    return [(max(0.0, (low - 0.5) * step), min((min(high, n_bins) - 0.5) * step, fs / 2)) for low, high in BANDS]
