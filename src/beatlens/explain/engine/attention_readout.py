"""What the cross-modal network says of the distinct windows of beats that masks lead to.

Equal to the network's own pass up to rounding. Tokens of a lead of a beat are encoded and projected once for many
windows that show it. Attention keeps no weights, and where few cells make up many windows (whole beats on or off), each
pair of cells is attended to once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from beatlens.explain.case.instance import Instance
from beatlens.explain.engine.beat_states import distinct_runs
from beatlens.explain.engine.fast_network import EngineNetwork, chunks
from beatlens.explain.engine.readout import IntArray, Read, Readout, ShownBeats, rows_around
from beatlens.models.crossmodal import CrossModalNet, Fusion

BoolArray = npt.NDArray[np.bool_]

SHARE = 4
"""Attention goes by sums over cells where windows show this many times the pairs of cells that there are."""
PART = 2048
"""Windows that sums over cells are taken for at once."""
FARTHEST = 40.0
"""Largest distance between scores of one query with which sums over cells are taken."""


class Cells(NamedTuple):
    """The distinct leads of beats, each at a place of the window, that some windows show.

    Attributes
    ----------
    state
        (m,) what each shows.
    beat
        (m,) its beat, of `ShownBeats.index`.
    place
        (m,) its place.
    of_window
        (w, context, L) the cell that a window shows, an arbitrary one where it has none.
    valid
        (w, context, L) whether it has one.
    """

    state: IntArray
    beat: IntArray
    place: IntArray
    of_window: IntArray
    valid: BoolArray

    @property
    def few(self) -> bool:
        """Whether there are so few that attention goes by sums over cells."""
        asking = self.of_window[:, self.valid.shape[1] // 2]
        return bool(SHARE * len(np.unique(asking)) * len(self.state) <= asking.size * self.valid[0].size)


class Stream(NamedTuple):
    """Tokens (m, tokens, E) of each cell in one stream, and what attention makes of them."""

    tokens: Tensor
    queries: Tensor
    keys: Tensor
    values: Tensor


class Shown(NamedTuple):
    """What w windows show, all with as many leads of the target.

    Attributes
    ----------
    asking
        (w, leads) cells of the target.
    keys, valid
        (w, k) cells of the window, and whether each is one.
    n_cells
        Cells there are, where these are few enough for sums over cells; else 0.
    """

    asking: Tensor
    keys: Tensor
    valid: Tensor
    n_cells: int


class AttentionWindows(Readout):
    """The cross-modal network, whose attention sees each distinct window once."""

    def __init__(self, instance: Instance, network: EngineNetwork, crossmodal: CrossModalNet) -> None:
        super().__init__(instance, network)
        self.network = crossmodal
        self._around = rows_around(instance, crossmodal.side)

    def read(self, shown: ShownBeats, terms: Tensor) -> Read:
        """Return what the network says."""
        network = self.network
        windows, inverse = distinct_runs(shown.index, self._around)
        target = windows[:, network.side]
        rhythm = network.rhythm(network.scaled_rr(self.tensor(shown.rr)))
        logits, gates = [], []
        for chunk, cells in self._parts(windows, shown.rows):
            beats = target[chunk]
            scaled = network.scaled_rr(self.tensor(shown.rr[beats]))
            features = self.tensor(shown.features[beats % len(shown.rows)])
            logits.append(network.member_logits(self._pooled(cells, terms, rhythm), scaled, features).mean(1))
            mixed = self.fast.mix(terms, self.tensor(shown.rows[beats % len(shown.rows)]))
            gates.append(network.gate(network.embeddings(mixed)).mean(1))
        return Read(torch.cat(logits).cpu().numpy(), torch.cat(gates).cpu().numpy(), target, inverse)

    def _parts(self, windows: IntArray, rows: IntArray) -> Iterator[tuple[slice, Cells]]:
        """Yield the windows that go through in one pass, and their cells: many windows where these show few cells."""
        for part in chunks(len(windows), max(PART, self.fast.chunk)):
            cells = distinct_cells(windows[part], rows)
            if cells.few:
                yield part, cells
                continue
            for chunk in chunks(len(cells.valid), self.fast.chunk):
                inner = slice(part.start + chunk.start, min(part.start + chunk.stop, part.stop))
                yield inner, distinct_cells(windows[inner], rows)

    def _pooled(self, cells: Cells, terms: Tensor, rhythm: Tensor) -> Tensor:
        """Do what `CrossModalNet` does: pooled tokens of targets (w, members, count * E)."""
        network, (n, context, _) = self.network, cells.valid.shape
        places = network.place.weight.view(context, network.members, network.size)[self.tensor(cells.place)]
        encoded = network.encoded(terms[self.tensor(cells.state)], rhythm[self.tensor(cells.beat)])
        fusions = [cast(Fusion, fusion) for fusion in network.fusion]
        streams = [
            _projected(fusion, [stream + places[:, None, k] for stream in encoded[k]])
            for k, fusion in enumerate(fusions)
        ]
        pooled = places.new_zeros(n, network.members, network.tokens.count * network.size)
        of_target = cells.valid[:, network.side]
        present = of_target.sum(axis=1)
        for count in np.unique(present[present > 0]).tolist():
            rows = np.flatnonzero(present == count)
            asking = cells.of_window[rows, network.side][of_target[rows]].reshape(len(rows), count)
            keys, valid = (part[rows].reshape(len(rows), -1) for part in (cells.of_window, cells.valid))
            n_cells = len(cells.state) if cells.few else 0
            shown = Shown(self.tensor(asking), self.tensor(keys), self.tensor(valid), n_cells)
            found = [
                torch.cat(
                    [
                        _attend(fusion.waveform_attends, fusion.waveform_norm, wave, bands, shown),
                        _attend(fusion.spectrogram_attends, fusion.spectrogram_norm, bands, wave, shown),
                    ],
                    dim=1,
                )
                for fusion, (wave, bands) in zip(fusions, streams, strict=True)
            ]
            pooled[self.tensor(rows)] = torch.stack(found, dim=1)
        return pooled


def distinct_cells(windows: IntArray, rows: IntArray) -> Cells:
    """Find the distinct cells of windows.

    Parameters
    ----------
    windows
        (w, context) beats of each window, -1 for a place without one.
    rows
        (n, L) states of the leads of the distinct beats; `windows` count them once with the rhythm, once without.
    """
    context, states = windows.shape[1], int(rows.max()) + 1
    pairs, pair = np.unique(np.maximum(windows, 0) * context + np.arange(context), return_inverse=True)
    beats, place = pairs // context, pairs % context
    state = rows[beats % len(rows)]
    code = (np.maximum(state, 0) + (beats // len(rows))[:, None] * states) * context + place[:, None]
    _, first, cell = np.unique(code, return_index=True, return_inverse=True)
    pair, place_of = pair.reshape(windows.shape), first // rows.shape[1]
    valid = (windows >= 0)[..., None] & (state >= 0)[pair]
    return Cells(
        np.maximum(state, 0).ravel()[first], beats[place_of], place[place_of], cell.reshape(state.shape)[pair], valid
    )


def _projected(fusion: Fusion, streams: list[Tensor]) -> tuple[Stream, Stream]:
    """Project tokens of both streams: each asks in one direction of attention and is asked in the other."""
    asks = fusion.waveform_attends, fusion.spectrogram_attends
    found = []
    for tokens, asking, asked in zip(streams, asks, asks[::-1], strict=True):
        size = tokens.shape[2]
        ask, key = ((a.in_proj_weight, a.in_proj_bias) for a in (asking, asked))
        queries = nn.functional.linear(tokens, ask[0][:size], ask[1][:size])
        keys, values = nn.functional.linear(tokens, key[0][size:], key[1][size:]).chunk(2, dim=2)
        found.append(Stream(tokens, queries, keys.contiguous(), values.contiguous()))
    return found[0], found[1]


def _attend(attention: nn.MultiheadAttention, norm: nn.Module, asking: Stream, asked: Stream, shown: Shown) -> Tensor:
    """Return the mean over leads of a target's tokens after attention, (w, tokens * E)."""
    found = _by_cell(attention, asking, asked, shown) if shown.n_cells else None
    if found is None:
        found = _by_window(attention, asking, asked, shown)
    tokens = asking.tokens[shown.asking]
    fused = cast(Tensor, norm(tokens + attention.out_proj(found.view_as(tokens))))
    return fused.mean(1).flatten(1)


def _by_window(attention: nn.MultiheadAttention, asking: Stream, asked: Stream, shown: Shown) -> Tensor:
    """Run the attention of each window: (w, leads * tokens, E)."""

    def by_head(tokens: Tensor, cells: Tensor) -> Tensor:
        found = tokens.index_select(0, cells.flatten())
        return found.view(len(cells), -1, attention.num_heads, attention.head_dim).transpose(1, 2)

    mask = None
    if not shown.valid.all():
        mask = shown.valid.repeat_interleave(asked.tokens.shape[1], dim=1)[:, None, None]
    queries = by_head(asking.queries, shown.asking)
    keys, values = by_head(asked.keys, shown.keys), by_head(asked.values, shown.keys)
    found = nn.functional.scaled_dot_product_attention(queries, keys, values, mask)
    return found.transpose(1, 2).flatten(2)


def _by_cell(attention: nn.MultiheadAttention, asking: Stream, asked: Stream, shown: Shown) -> Tensor | None:
    """Do what `_by_window` does by sums over cells: the softmax's numerator and denominator add up over them.

    None where the scores of a query lie so far apart that sums of some cells could vanish beside others.
    """
    heads, size = attention.num_heads, attention.head_dim
    cells, place = torch.unique(shown.asking, return_inverse=True)
    queries = asking.queries[cells].view(-1, heads, size).transpose(0, 1)  # heads, queries, size
    keys = asked.keys.view(-1, heads, size).permute(1, 2, 0)
    scores = (queries / math.sqrt(size) @ keys).view(heads, len(queries[0]), shown.n_cells, -1)
    highest = scores.amax(3)
    top = highest.amax(2, keepdim=True)
    if (top - highest).amax() > FARTHEST:
        return None
    weights = torch.exp(scores - top[..., None]).transpose(1, 2)  # heads, cells, queries, tokens
    values = nn.functional.pad(asked.values.view(shown.n_cells, -1, heads, size), (0, 1), value=1.0)
    table = (
        (weights @ values.permute(2, 0, 1, 3))
        .view(heads, shown.n_cells, len(cells), -1, size + 1)
        .permute(2, 1, 3, 0, 4)
        .flatten(2)
    )
    shows = table.new_zeros(len(shown.keys), shown.n_cells)
    window, slot = shown.valid.nonzero(as_tuple=True)
    shows[window, shown.keys[window, slot]] = 1.0
    found = table.new_empty(*shown.asking.shape, table.shape[2])
    for cell, part in enumerate(table):
        window, lead = (place == cell).nonzero(as_tuple=True)
        found[window, lead] = shows[window] @ part
    parts = found.view(*found.shape[:2], -1, heads, size + 1)
    return (parts[..., :size] / parts[..., size:]).flatten(3).flatten(1, 2)
