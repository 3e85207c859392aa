"""The registry of new patterns: what earlier runs alerted to, whatever network they had.

Patterns are known again by the shape of their median beat, since centres in the embedding are comparable only within
one network. Beats that are filtered or cut otherwise aren't compared: there is a file for each way.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from beatlens.artefacts import read_json, write_json
from beatlens.shards import BeatGeometry

Wave = npt.NDArray[np.float32]

SCHEMA_VERSION = 2
MIN_LIKENESS = 0.95
"""From which `likeness` on two patterns are one: of median beats of different MIT-BIH records, one in fifty pairs of
different classes reach it (one in four reach .8)."""


@dataclass(frozen=True)
class FoundPattern:
    """A pattern of this run.

    Attributes
    ----------
    median
        Lead name -> (T,) mV, median over its beats.
    beat_id
        The beat nearest to the centre.
    n_beats, n_patients
        Size.
    """

    median: Mapping[str, Wave]
    beat_id: str
    n_beats: int
    n_patients: int


@dataclass(frozen=True)
class KnownPattern:
    """The registry's answer: the pattern's id, and the other runs that saw it, sorted."""

    identifier: str
    seen_in: tuple[str, ...]


def remember(
    folder: str | Path, geometry: BeatGeometry, signal: Mapping[str, Any], run: str, found: Sequence[FoundPattern]
) -> list[KnownPattern]:
    """Put a run's patterns into the registry and say which are known from other runs.

    What the run put there earlier is replaced, so that a run that is repeated never meets itself. Runs that write at
    the same time wait for each other.

    Parameters
    ----------
    folder
        Of the registry.
    geometry, signal
        Rate and extent of the beats, and the section ``signal`` by which they were filtered.
    run
        Name of the run.
    found
        Its patterns, perhaps none.

    Raises
    ------
    ValueError
        Where the file is of another schema.
    """
    filtered = hashlib.sha256(json.dumps(dict(signal), sort_keys=True).encode()).hexdigest()[:8]
    path = Path(folder) / f"{geometry.fs:g}hz_{geometry.before}_{geometry.after}_{filtered}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{path.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        patterns = _read(path) if path.exists() else []
        for pattern in patterns:
            pattern["runs"].pop(run, None)
        patterns = [pattern for pattern in patterns if pattern["runs"]]
        answers, taken = [], set()
        for own in found:
            known = _most_alike(own, [p for p in patterns if p["id"] not in taken])
            if known is None:
                known = {"id": f"P{hashlib.sha256(f'{run}|{own.beat_id}'.encode()).hexdigest()[:8]}", "runs": {}}
                patterns.append(known)
            taken.add(known["id"])
            answers.append(KnownPattern(known["id"], tuple(sorted(known["runs"]))))
            size = {"beat_id": own.beat_id, "n_beats": own.n_beats, "n_patients": own.n_patients}
            median = {lead: [round(float(value), 4) for value in wave] for lead, wave in own.median.items()}
            known["runs"][run] = {**size, "median": median}
        patterns.sort(key=lambda pattern: str(pattern["id"]))
        write_json(path, {"schema_version": SCHEMA_VERSION, "patterns": patterns})
    return answers


def likeness(one: Mapping[str, npt.ArrayLike], other: Mapping[str, npt.ArrayLike]) -> float:
    """Return the cosine of two median beats (lead name -> (T,)) over the leads that both have.

    0 where they share fewer than two leads and either has more: one lead of several doesn't make a pattern.
    """
    shared = sorted(set(one) & set(other))
    if not shared or (len(shared) == 1 and max(len(one), len(other)) > 1):
        return 0.0
    a, b = (np.concatenate([np.asarray(waves[lead], dtype=np.float64) for lead in shared]) for waves in (one, other))
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm else 0.0


def _read(path: Path) -> list[dict[str, Any]]:
    value = read_json(path)
    if value.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(f"{path}: schema version {value.get('schema_version')!r}; expected {SCHEMA_VERSION}")
    patterns: list[dict[str, Any]] = value["patterns"]
    return patterns


def _most_alike(own: FoundPattern, patterns: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the known pattern that a run's median beat is most alike of, None where none is alike enough."""

    def alike(pattern: dict[str, Any]) -> float:
        return max(likeness(own.median, entry["median"]) for entry in pattern["runs"].values())

    best = max(patterns, key=alike, default=None)
    return best if best is not None and alike(best) >= MIN_LIKENESS else None
