"""Attention as an attribution: mean weights, rollout, and weights by what the target gains by them.

None of these has a sign. Mean weights and rollout are the same whatever class is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from beatlens.explain.attention.case import case_attention, relevant_attention
from beatlens.explain.attention.placing import TimeFrequency, band_edges, place_bands
from beatlens.explain.attention.weights import SPECTROGRAM, STREAMS, WAVEFORM, CaseAttention, tokens_of
from beatlens.explain.case.baselines import fill_signal
from beatlens.explain.case.instance import Instance
from beatlens.explain.engine.differentiable import SignalModel

Array = npt.NDArray[np.float64]

KINDS = ("attention", "attention_rollout", "attention_relevance")

SPREAD_OF_TOKENS = "a token's mass is spread evenly over the stretch of its beat, so a sum over samples gives it back"


@dataclass(frozen=True)
class TokenMass:
    """Mass of each token: (targets, tokens) of either stream."""

    waveform: Array
    spectrogram: Array

    def of(self, stream: str) -> Array:
        """Return the mass of a stream's tokens."""
        return self.waveform if stream == WAVEFORM else self.spectrogram


def token_mass(model: SignalModel, kind: str) -> tuple[TokenMass, CaseAttention]:
    """Return the mass of each token by one of `KINDS`, with the attention it is made of.

    Mass is a mean over members, heads (of relevance, of their positive parts) and the queries of a target beat.
    """
    if kind not in KINDS:
        raise ValueError(f"attention method {kind!r}; expected one of {KINDS}")
    attention = relevant_attention(model) if kind == "attention_relevance" else case_attention(model)[1]
    received = {stream: attention.asked_by(stream).mean(axis=(0, 2, 3)) for stream in STREAMS}
    mass = TokenMass(waveform=received[SPECTROGRAM], spectrogram=received[WAVEFORM])
    return (_rolled_out(mass, attention) if kind == "attention_rollout" else mass), attention


def _rolled_out(mass: TokenMass, attention: CaseAttention) -> TokenMass:
    """Give half of each query's mass back to its own token, as its residual connection does (Abnar & Zuidema 2020).

    Rollout multiplies the rows (A + I) / 2 of all layers. Here there is one layer, in which a token of either stream
    asks the tokens of the other; the mean over a stream's queries stays.
    """
    parts = []
    for stream in STREAMS:
        of_target = np.array([tokens_of(maps, stream).beat == 0 for maps in attention.tokens], dtype=np.float64)
        parts.append((mass.of(stream) + of_target / of_target.sum(axis=1, keepdims=True)) / 2)
    return TokenMass(*parts)


@dataclass(frozen=True)
class AttentionMap:
    """An attribution by attention.

    Attributes
    ----------
    values
        (L, window) float64, relative, none below 0.
    bands
        The spectrogram's part by frequency.
    full, empty
        The target of the signal, and of the baseline.
    n_evaluations
        Passes through the network.
    """

    values: Array
    bands: TimeFrequency
    full: float
    empty: float
    n_evaluations: int


def attention_map(model: SignalModel, kind: str, *, streams: str, baseline: str) -> AttentionMap:
    """Return one of `KINDS` over leads and samples.

    Parameters
    ----------
    model
        The target.
    kind
        One of `KINDS`.
    streams
        ``waveform`` or ``spectrogram`` tokens alone, or ``both``, whose maps are added.
    baseline
        For full minus empty alone, as the values are relative.
    """
    mass, attention = token_mass(model, kind)
    placed = {stream: placed_mass(mass, attention, model.instance, stream) for stream in STREAMS}
    chosen = STREAMS if streams == "both" else (streams,)
    low, high = band_edges(attention.tokens[0].spectrogram)
    instance = model.instance
    signal, rr = model.tensor(instance.window), model.tensor(instance.rr)
    with torch.no_grad():
        ends = model.values(torch.stack([signal, model.tensor(fill_signal(instance, baseline))]), torch.stack([rr, rr]))
    full, empty = ends.tolist()
    return AttentionMap(
        values=np.sum([placed[stream].sum(axis=1) for stream in chosen], axis=0),
        bands=TimeFrequency(
            placed[SPECTROGRAM], low, high, instance.record.leads, float(instance.record.geometry.fs), instance.start_s
        ),
        full=full,
        empty=empty,
        n_evaluations=3,
    )


def even_map(attention: CaseAttention, instance: Instance, kind: str) -> Array:
    """Return the map (L, window) of one of `KINDS` if every key had as much: what it has without a network."""
    valid = {
        stream: np.array([tokens_of(maps, stream).valid for maps in attention.tokens], dtype=np.float64)
        for stream in STREAMS
    }
    mass = TokenMass(*(valid[stream] / valid[stream].sum(axis=1, keepdims=True) for stream in STREAMS))
    mass = _rolled_out(mass, attention) if kind == "attention_rollout" else mass
    even: Array = np.sum([placed_mass(mass, attention, instance, stream).sum(axis=1) for stream in STREAMS], axis=0)
    return even


def placed_mass(mass: TokenMass, attention: CaseAttention, instance: Instance, stream: str) -> Array:
    """Return the mass of a stream's tokens over leads, bands and samples, the mean over target beats."""
    placed = [
        place_bands(of_beat, tokens_of(maps, stream), instance, target)
        for target, (of_beat, maps) in enumerate(zip(mass.of(stream), attention.tokens, strict=True))
    ]
    mean: Array = np.mean(placed, axis=0)
    return mean
