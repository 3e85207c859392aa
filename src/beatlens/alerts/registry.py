"""The registry of new patterns: those that earlier runs alerted to, whatever network they had.

A pattern is recognised by the shape of its median beat, since embeddings are comparable only within one network. Beats
are compared only where they were filtered and cut alike: each rate, extent and filter has a file of its own.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from beatlens.core.files import read_json, write_json
from beatlens.shards.shard import BeatGeometry

logger = logging.getLogger(__name__)
Wave = npt.NDArray[np.float32]

SCHEMA_VERSION = 2
MIN_LIKENESS = 0.95
"""Two patterns of at least this `likeness` are one. Among median beats of different MIT-BIH records, one in fifty pairs
of different classes reaches it; one in four reaches .8."""


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

    What the run put there earlier is replaced, so that a repeated run is never told of itself. Runs that write at the
    same time wait for each other.

    Parameters
    ----------
    folder
        Of the registry.
    geometry, signal
        Rate and extent of the beats, and the section ``signal`` by which they were filtered.
    run
        Name of the run.
    found
        Patterns of the run; may be empty.

    Raises
    ------
    ValueError
        Where the file has another schema version.
    """
    filtered = hashlib.sha256(json.dumps(dict(signal), sort_keys=True).encode()).hexdigest()[:8]
    path = Path(folder) / f"{geometry.fs:g}hz_{geometry.before}_{geometry.after}_{filtered}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{path.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        patterns = _read(path) if path.exists() else []
        earlier = {pattern["runs"][run]["beat_id"]: pattern["id"] for pattern in patterns if run in pattern["runs"]}
        for pattern in patterns:
            pattern["runs"].pop(run, None)
        # A pattern that no other run has is dropped, unless this run finds the same again.
        again = {earlier[new.beat_id] for new in found if new.beat_id in earlier}
        kept = [pattern for pattern in patterns if pattern["runs"] or pattern["id"] in again]
        known = _assign(found, kept, earlier)
        answers = []
        for place, new in enumerate(found):
            if place not in known:
                median = {lead: [round(float(value), 4) for value in wave] for lead, wave in new.median.items()}
                name = _identifier(run, new.beat_id, {pattern["id"] for pattern in kept})
                known[place] = {"id": name, "median": median, "runs": {}}
                kept.append(known[place])
            pattern = known[place]
            answers.append(KnownPattern(pattern["id"], tuple(sorted(pattern["runs"]))))
            size = {"beat_id": new.beat_id, "n_beats": new.n_beats, "n_patients": new.n_patients}
            pattern["runs"][run] = size
        kept = sorted((pattern for pattern in kept if pattern["runs"]), key=lambda pattern: str(pattern["id"]))
        write_json(path, {"schema_version": SCHEMA_VERSION, "patterns": kept})
    return answers


def likeness(one: Mapping[str, npt.ArrayLike], other: Mapping[str, npt.ArrayLike]) -> float:
    """Return the cosine of two median beats (lead name -> (T,)) over the leads that both have.

    0 where both have several leads but share fewer than two: one lead of several doesn't identify a pattern.
    """
    shared = sorted(set(one) & set(other))
    if len(shared) < max(1, min(2, len(one), len(other))):
        return 0.0
    a, b = (np.concatenate([np.asarray(waves[lead], dtype=np.float64) for lead in shared]) for waves in (one, other))
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm else 0.0


def _read(path: Path) -> list[dict[str, Any]]:
    """Return the known patterns. A damaged file is renamed, since it would stop every later run."""
    try:
        value = read_json(path)
        version: Any = value["schema_version"]
        patterns: list[dict[str, Any]] = value["patterns"]
        for pattern in patterns:
            str(pattern["id"]), dict(pattern["median"]), dict(pattern["runs"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        aside = path.with_suffix(".damaged")
        path.replace(aside)
        logger.warning(
            "%s is damaged (%s: %s): starting anew; it is kept as %s", path, type(error).__name__, error, aside
        )
        return []
    if version != SCHEMA_VERSION:
        raise ValueError(f"{path}: schema version {version!r}; expected {SCHEMA_VERSION}")
    return patterns


def _assign(
    found: Sequence[FoundPattern], patterns: Sequence[dict[str, Any]], earlier: Mapping[str, str]
) -> dict[int, dict[str, Any]]:
    """Pair found patterns with known ones, one to one, the most alike first: place in `found` -> known pattern.

    Patterns that the run itself found `earlier` (beat -> id) are paired before all others, so that repeating a run
    changes nothing.
    """
    pairs = []
    for place, new in enumerate(found):
        for pattern in patterns:
            alike = likeness(new.median, pattern["median"])
            if alike >= MIN_LIKENESS:
                same = earlier.get(new.beat_id) == pattern["id"]
                pairs.append((not same, -alike, place, str(pattern["id"]), pattern))
    result: dict[int, dict[str, Any]] = {}
    taken: set[str] = set()
    for _, _, place, name, pattern in sorted(pairs, key=lambda pair: pair[:4]):
        if place not in result and name not in taken:
            result[place] = pattern
            taken.add(name)
    return result


def _identifier(run: str, beat_id: str, used: set[str]) -> str:
    """Return an unused name for a new pattern."""
    text = f"{run}|{beat_id}"
    while (name := "P" + hashlib.sha256(text.encode()).hexdigest()[:8]) in used:
        text += "|"
    return name
