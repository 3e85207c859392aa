"""Maps of explained cases as the viewer lays them over the signal: values in steps of one scale, and the players."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from beatlens.explain.result.attribution import Attribution
from beatlens.explain.result.metadata import PlayerValues
from beatlens.figures.paper.overlay import displayed, unit_label
from beatlens.viewer.tiles import encode, quantised

STEPS = 50
"""Steps of a value up to the limit of full colour."""
MAP_HZ = 100
"""Most values a second: they are per 50 ms, so more would show nothing else."""
MAX_PLAYERS = 30
_SAMPLES = re.compile(r"(\d+)-(\d+)")


@dataclass(frozen=True)
class CaseMap:
    """One attribution of an explained case, and the value per unit at which its colour is full in the whole run."""

    attribution: Attribution
    limit: float


@dataclass(frozen=True)
class ExplainedCase:
    """A case of a record: its id, what stands beside it in words, and its maps by method and class."""

    case: str
    words: str
    maps: Sequence[CaseMap]


class MapData(TypedDict):
    """A map as JSON: `values` are rows by lead in steps of ``limit / STEPS`` per `unit`."""

    method: str
    of: str
    leads: list[str]
    fs: float
    steps: int
    start: float
    limit: float
    unit: str
    values: str
    rhythm: float | None
    share: float | None
    absent: str
    kind: str
    players: list[tuple[str, float]]
    n_players: int


class CaseData(TypedDict):
    """A case as JSON."""

    case: str
    beat: str
    words: str
    maps: list[MapData]


def case_data(cases: Sequence[ExplainedCase]) -> list[CaseData]:
    """Return the cases of a record as JSON; a case without a map that applies keeps what its methods say."""
    return [
        {
            "case": case.case,
            "beat": case.maps[0].attribution.meta.beat_id,
            "words": case.words,
            "maps": [_map(one) for one in case.maps],
        }
        for case in cases
        if case.maps
    ]


def _map(one: CaseMap) -> MapData:
    attribution, meta = one.attribution, one.attribution.meta
    of = meta.players or PlayerValues("none")
    names = [_in_seconds(name, attribution.fs) for name in of.names]
    players = sorted(zip(names, map(float, of.values), strict=True), key=lambda player: -abs(player[1]))
    each = max(1, round(attribution.fs / MAP_HZ))
    shown = displayed(attribution)
    starts = np.arange(0, shown.shape[1], each)
    means = np.add.reduceat(shown, starts, axis=1) / np.diff(starts, append=shown.shape[1])
    return {
        "method": meta.method,
        "of": meta.case_class,
        "leads": list(attribution.leads),
        "fs": float(attribution.fs) / each,
        "steps": STEPS,
        "start": round(float(attribution.start_s) + (each - 1) / 2 / attribution.fs, 6),
        "limit": one.limit,
        "unit": unit_label(attribution),
        "values": "" if meta.absent else encode(quantised(means, one.limit / STEPS)),
        "rhythm": _number(meta.rhythm),
        "share": _number(meta.rhythm_share),
        "absent": meta.absent or "",
        "kind": of.kind,
        "players": [(name, _short(value)) for name, value in players[:MAX_PLAYERS] if math.isfinite(value)],
        "n_players": len(players),
    }


def _in_seconds(name: str, fs: float) -> str:
    """Return a player's name with its samples told in seconds of the record."""
    return _SAMPLES.sub(lambda found: f"{int(found[1]) / fs:.2f} to {int(found[2]) / fs:.2f} s", name)


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else _short(value)


def _short(value: float) -> float:
    return float(np.format_float_scientific(value, precision=4))
