"""From tokens to the signal: their mass on leads, seconds and frequency bands, and what they are in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beatlens.explain.case.instance import Instance
from beatlens.explain.players.waves import BETWEEN, wave_players
from beatlens.models.settings import NetworkConfig
from beatlens.models.tokens import TokenMap, TokenMaps, beats_around, token_maps

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TimeFrequency:
    """Attribution of the spectrogram stream over leads, frequency bands and time; it has no sign.

    Attributes
    ----------
    values
        (n_leads, n_bands, n_samples) float64, relative; summed over bands it is the stream's attribution.
    low_hz, high_hz
        (n_bands,) edges of each band in Hz.
    leads
        Lead names.
    fs, start_s
        Samples a second, and the time of the first in the record in seconds.
    """

    values: Array
    low_hz: Array
    high_hz: Array
    leads: tuple[str, ...]
    fs: float
    start_s: float


def instance_tokens(instance: Instance, config: NetworkConfig) -> list[TokenMaps]:
    """Return where the tokens of each target beat of a case lie."""
    record = instance.record
    present = np.ones(len(record.leads), dtype=bool)
    return [
        token_maps(
            config,
            record.geometry,
            beats_around(
                instance.r_index, window, int(length), int(position), context=config.context, fs=record.geometry.fs
            ),
            present,
        )
        for window, length, position in zip(instance.windows, instance.lengths, instance.positions, strict=True)
    ]


def token_samples(tokens: TokenMap, instance: Instance, target: int) -> tuple[IntArray, IntArray]:
    """Return the first sample of each valid token in the case window, and the one after its last; at least one.

    What lies beyond the record's ends is put at the end, so that no mass is lost.
    """
    n_samples = instance.stop - instance.start
    r = int(instance.r_index[instance.target_rows[target]]) - instance.start
    edges = [
        np.where(tokens.valid, r + side * instance.record.geometry.fs, 0) for side in (tokens.start_s, tokens.stop_s)
    ]
    first = np.clip(np.round(edges[0]).astype(np.int64), 0, n_samples - 1)
    stop = np.clip(np.round(edges[1]).astype(np.int64), first + 1, n_samples)
    return first, stop


def place_bands(mass: Array, tokens: TokenMap, instance: Instance, target: int) -> Array:
    """Spread the mass of each token evenly over its samples: (n_leads, n_bands, n_samples), of the same sum.

    Parameters
    ----------
    mass
        (n,) mass of each token; not read where a token isn't valid.
    tokens
        The stream's tokens; those of a waveform make one band.
    instance, target
        The case, and which of its target beats the tokens are of.
    """
    lows = band_edges(tokens)[0]
    band = np.searchsorted(lows, tokens.low_hz)  # NaN is where NaN is
    # Differences along time: a token adds its density at its first sample and takes it away after its last.
    steps = np.zeros((len(instance.record.leads), len(lows), instance.stop - instance.start + 1))
    first, stop = token_samples(tokens, instance, target)
    density = np.where(tokens.valid, mass, 0.0) / (stop - first)
    np.add.at(steps, (tokens.lead, band, first), density)
    np.add.at(steps, (tokens.lead, band, stop), -density)
    placed: Array = np.cumsum(steps, axis=2)[:, :, :-1]
    return placed


def band_edges(tokens: TokenMap) -> tuple[Array, Array]:
    """Return the lower and the upper edges of a stream's bands in Hz, ascending; NaN for the one of a waveform."""
    if np.isnan(tokens.low_hz).all():
        return np.array([np.nan]), np.array([np.nan])
    bands = np.unique(np.stack([tokens.low_hz, tokens.high_hz], axis=1), axis=0)
    return bands[:, 0], bands[:, 1]


class TokenWords:
    """Names tokens as a reader of the ECG would: wave, beat, lead, band and time.

    Parameters
    ----------
    instance, target
        The case, and which of its target beats the tokens are of.
    """

    def __init__(self, instance: Instance, target: int) -> None:
        self.instance, self.target = instance, target
        self._waves = wave_players(instance, rhythm=False)

    def of(self, tokens: TokenMap, place: int) -> str:
        """Return the words for one token."""
        instance = self.instance
        first, stop = token_samples(tokens, instance, self.target)
        middle = instance.start + (int(first[place]) + int(stop[place])) // 2
        cell = int(np.searchsorted(self._waves.edges, middle, side="right")) - 1
        name = self._waves.names[self._waves.cell_player[0, cell]].split()[0]
        wave = "between waves" if name == BETWEEN else name
        lead, beat = instance.record.leads[int(tokens.lead[place])], _beat_words(int(tokens.beat[place]))
        text = f"{wave} of {beat} in {lead}"
        if np.isnan(tokens.low_hz[place]):
            return text
        time_s = middle / instance.record.geometry.fs
        return f"{tokens.low_hz[place]:.0f} to {tokens.high_hz[place]:.0f} Hz at {time_s:.2f} s ({text})"


def _beat_words(offset: int) -> str:
    if not offset:
        return "the target beat"
    count = abs(offset)
    return f"the {_ORDINALS.get(count, f'{count}th ')}beat {'before' if offset < 0 else 'after'}"


_ORDINALS = {1: "", 2: "2nd ", 3: "3rd "}
