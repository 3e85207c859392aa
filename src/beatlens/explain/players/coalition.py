"""Players of a coalition: groups of (lead, segment) cells of the case window, and the rhythm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

RHYTHM = "rhythm"
REST = "rest"


@dataclass(frozen=True)
class Players:
    """What may be switched off, and where it lies.

    Attributes
    ----------
    kind
        Name of the player set, such as ``"segments"``; it enters the seed.
    leads
        Lead names.
    edges
        (n_segments + 1,) int64, sample indices in the record where segments begin, and the end of the last.
    cell_player
        (n_leads, n_segments) int64, the player a cell belongs to, -1 where a cell is always on.
    names
        Name of each player.
    rhythm
        Index of the rhythm player, which has no cells, or None.
    """

    kind: str
    leads: tuple[str, ...]
    edges: IntArray
    cell_player: IntArray
    names: tuple[str, ...]
    rhythm: int | None

    def __post_init__(self) -> None:
        if self.cell_player.shape != (len(self.leads), len(self.edges) - 1):
            raise ValueError(
                f"players {self.kind!r}: cells {self.cell_player.shape}; "
                f"expected {(len(self.leads), len(self.edges) - 1)} (leads, segments)"
            )
        if (np.diff(self.edges) < 1).any():
            raise ValueError(f"players {self.kind!r}: segment edges {self.edges.tolist()}; expected ascending")
        used = set(np.unique(self.cell_player[self.cell_player >= 0]).tolist())
        expected = set(range(len(self.names))) - {self.rhythm}
        if used != expected or self.cell_player.min(initial=-1) < -1:
            raise ValueError(f"players {self.kind!r}: cells of players {sorted(used)}; expected {sorted(expected)}")

    def __len__(self) -> int:
        """Return the number of players."""
        return len(self.names)

    def check(self, masks: npt.NDArray[np.bool_]) -> BoolArray:
        """Return (M, n_players) masks as bool, or raise where the shape differs."""
        result = np.asarray(masks, dtype=bool)
        if result.ndim != 2 or result.shape[1] != len(self):
            raise ValueError(f"masks of shape {result.shape}; expected (M, {len(self)}) for players {self.kind!r}")
        return result

    def cells_on(self, masks: npt.NDArray[np.bool_]) -> BoolArray:
        """Translate (M, n_players) masks into (M, n_leads, n_segments): which cells keep the signal."""
        padded = np.concatenate([self.check(masks), np.ones((len(masks), 1), dtype=bool)], axis=1)
        return np.asarray(padded[:, self.cell_player])

    def rhythm_on(self, masks: npt.NDArray[np.bool_]) -> BoolArray:
        """Return (M,) whether the rhythm is kept; always, where it is no player."""
        checked = self.check(masks)
        return np.ones(len(checked), dtype=bool) if self.rhythm is None else checked[:, self.rhythm]

    def spread(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Spread each player's value evenly over its samples.

        Parameters
        ----------
        values
            (n_players,) values; that of the rhythm has no samples and is left out.

        Returns
        -------
        (n_leads, n_samples) float64; sums over a player's samples give its value.
        """
        lengths = np.diff(self.edges)
        cells = self.cell_player
        samples = np.bincount(
            cells[cells >= 0], weights=np.broadcast_to(lengths, cells.shape)[cells >= 0], minlength=len(self)
        )
        density = np.append(np.divide(values, samples, out=np.zeros(len(self)), where=samples > 0), 0.0)
        return np.repeat(density[cells], lengths, axis=1)


def beat_bounds(start: int, stop: int, peaks: IntArray) -> IntArray:
    """Return where beats meet: the start, the (n - 1) places half way between n R peaks, and the end."""
    between = (peaks[:-1] + peaks[1:] + 1) // 2
    return np.concatenate([[start], between, [stop]]).astype(np.int64)


def segment_edges(start: int, stop: int, length: int, peaks: IntArray | None = None) -> IntArray:
    """Cut samples ``start .. stop`` into segments of `length` samples.

    With `peaks`, segments lie alike in every beat: one is centred on R, and the others follow on both sides up to where
    the beats meet. So a segment shows the same part of a beat wherever the window begins. A grid that counts from the
    window's start would cut all beats differently after one beat more in the record. A remainder shorter than half a
    segment belongs to its neighbour.

    Parameters
    ----------
    start, stop
        First sample, and the end.
    length
        Samples of a segment, >= 1.
    peaks
        (n,) ascending R peaks between them; without any, the grid counts from `start`.
    """
    if length < 1 or stop <= start:
        raise ValueError(f"segments of {length} samples from {start} to {stop}; expected >= 1 and stop > start")
    anchors = np.empty(0, dtype=np.int64) if peaks is None else np.asarray(peaks, dtype=np.int64)
    if not ((anchors >= start) & (anchors < stop)).all() or (np.diff(anchors) < 1).any():
        raise ValueError(f"R peaks {anchors.tolist()}; expected ascending places from {start} to {stop}")
    bounds = beat_bounds(start, stop, anchors) if len(anchors) else np.array([start, stop], dtype=np.int64)
    origins = anchors - length // 2 if len(anchors) else bounds[:1]
    edges: list[int] = []
    for first, end, origin in zip(bounds[:-1].tolist(), bounds[1:].tolist(), origins.tolist(), strict=True):
        inner = range(origin - (origin - first) // length * length, end, length)
        edges += [first, *(edge for edge in inner if 2 * (edge - first) >= length and 2 * (end - edge) >= length)]
    return np.array([*edges, stop], dtype=np.int64)


def _build(
    kind: str, *, leads: Sequence[str], edges: IntArray, cell_player: IntArray, names: list[str], rhythm: bool
) -> Players:
    names = [*names, RHYTHM] if rhythm else names
    return Players(kind, tuple(leads), edges, cell_player, tuple(names), len(names) - 1 if rhythm else None)


def _span(edges: IntArray, index: int) -> str:
    return f"{edges[index]}-{edges[index + 1]}"


def segment_players(leads: Sequence[str], edges: IntArray, rhythm: bool) -> Players:
    """Each segment over all leads is a player."""
    n_segments = len(edges) - 1
    cells = np.tile(np.arange(n_segments), (len(leads), 1))
    return _build(
        "segments",
        leads=leads,
        edges=edges,
        cell_player=cells,
        names=[_span(edges, k) for k in range(n_segments)],
        rhythm=rhythm,
    )


def lead_players(leads: Sequence[str], edges: IntArray, rhythm: bool) -> Players:
    """Each lead over the whole window is a player."""
    cells = np.tile(np.arange(len(leads))[:, None], (1, len(edges) - 1))
    return _build("leads", leads=leads, edges=edges, cell_player=cells, names=list(leads), rhythm=rhythm)


def cell_players(leads: Sequence[str], edges: IntArray, rhythm: bool) -> Players:
    """Each segment of each lead is a player."""
    n_segments = len(edges) - 1
    cells = np.arange(len(leads) * n_segments).reshape(len(leads), n_segments)
    names = [f"{lead}@{_span(edges, k)}" for lead in leads for k in range(n_segments)]
    return _build("cells", leads=leads, edges=edges, cell_player=cells, names=names, rhythm=rhythm)


def split_leads(events: Players, chosen: Sequence[int]) -> Players:
    """Each lead of the chosen events is a player; all other events together are one (``"rest"``).

    Parameters
    ----------
    events
        Players that are alike in all leads.
    chosen
        Some of them, not the rhythm.
    """
    places = sorted(set(chosen))
    n_events = len(events) - (events.rhythm is not None)
    if (events.cell_player != events.cell_player[0]).any():
        raise ValueError(f"players {events.kind!r} differ between leads; expected events over all leads")
    if not places or places[0] < 0 or places[-1] >= n_events:
        raise ValueError(f"refined {events.kind} {places}; expected some of 0 to {n_events - 1}")
    n_leads = len(events.leads)
    place_of = np.full(len(events) + 1, -1, dtype=np.int64)  # the last one for cells that are always on
    place_of[places] = np.arange(len(places))
    place = place_of[events.cell_player]
    cells = np.where(place >= 0, place + len(places) * np.arange(n_leads)[:, None], n_leads * len(places))
    cells[events.cell_player < 0] = -1
    names = [f"{lead}@{events.names[k]}" for lead in events.leads for k in places]
    if len(places) < n_events:
        names.append(REST)
    return _build(
        "refined",
        leads=events.leads,
        edges=events.edges,
        cell_player=cells,
        names=names,
        rhythm=events.rhythm is not None,
    )


def refined_players(leads: Sequence[str], edges: IntArray, segments: Sequence[int], rhythm: bool) -> Players:
    """Each lead of the given segments is a player; all other segments together are one (``"rest"``)."""
    return split_leads(segment_players(leads, edges, rhythm), segments)


def pooled_players(events: Players, pools: Sequence[Sequence[int]], names: Sequence[str], kind: str) -> Players:
    """Each pool of players of a set is one player, in the order given; the rhythm stays one.

    Raises
    ------
    ValueError
        Where a player other than the rhythm is in no pool, or in two.
    """
    n_events = len(events) - (events.rhythm is not None)
    if sorted(player for pool in pools for player in pool) != list(range(n_events)):
        raise ValueError(f"pools {list(map(list, pools))}; expected each of 0 to {n_events - 1} once")
    pool_of = np.full(len(events) + 1, -1, dtype=np.int64)
    for number, pool in enumerate(pools):
        pool_of[list(pool)] = number
    cells = np.where(events.cell_player < 0, -1, pool_of[events.cell_player])
    return _build(
        kind,
        leads=events.leads,
        edges=events.edges,
        cell_player=cells,
        names=list(names),
        rhythm=events.rhythm is not None,
    )
