"""The weights of a case in both directions, and which tokens they are between. Imports without torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beatlens.models.tokens import TokenMap, TokenMaps

Array = npt.NDArray[np.float64]

WAVEFORM, SPECTROGRAM = "waveform", "spectrogram"
STREAMS = (WAVEFORM, SPECTROGRAM)
OTHER = {WAVEFORM: SPECTROGRAM, SPECTROGRAM: WAVEFORM}
DIRECTIONS = {WAVEFORM: f"{WAVEFORM}->{SPECTROGRAM}", SPECTROGRAM: f"{SPECTROGRAM}->{WAVEFORM}"}


@dataclass(frozen=True)
class CaseAttention:
    """Numbers, one a weight, of a case's attention in both directions: weights, or what is made of them.

    Attributes
    ----------
    tokens
        Tokens of each target beat; queries are those of the target beat, keys all of the other stream.
    waveform
        (members, targets, heads, queries, keys): waveform tokens ask, spectrogram tokens answer.
    spectrogram
        The same the other way round.
    """

    tokens: tuple[TokenMaps, ...]
    waveform: Array
    spectrogram: Array

    def asked_by(self, stream: str) -> Array:
        """Return the numbers of the direction in which a stream asks."""
        return self.waveform if stream == WAVEFORM else self.spectrogram


def tokens_of(maps: TokenMaps, stream: str) -> TokenMap:
    """Return the tokens of a stream."""
    return maps.waveform if stream == WAVEFORM else maps.spectrogram
