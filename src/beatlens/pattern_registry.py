"""The registry of new patterns: what earlier runs alerted to, whatever network they had.

Patterns are known again by the shape of their median beat, since centres in the embedding are comparable only within
one network. Beats that are cut otherwise aren't compared: there is a file for each rate and extent.
"""

from __future__ import annotations

import fcntl
import hashlib
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
    folder: str | Path, geometry: BeatGeometry, run: str, found: Sequence[FoundPattern], min_likeness: float
) -> list[KnownPattern]:
    """Put a run's patterns into the registry and say which are known from other runs.

    What the run put there earlier is replaced, so that a run that is repeated never meets itself. Runs that write at
    the same time wait for each other.

    Parameters
    ----------
    folder
        Of the registry.
    geometry
        Rate and extent of the beats.
    run
        Name of the run.
    found
        Its patterns, perhaps none.
    min_likeness
        From which `likeness` of their median beats on two patterns are one.

    Raises
    ------
    ValueError
        Where the file is of another schema.
    """
    path = Path(folder) / f"{geometry.fs:g}hz_{geometry.before}_{geometry.after}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{path.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        patterns = _read(path) if path.exists() else []
        for pattern in patterns:
            pattern["runs"].pop(run, None)
        answers, taken = [], set()
        for own in found:
            known = _most_alike(own, [p for p in patterns if p["id"] not in taken], min_likeness)
            if known is None:
                name = hashlib.sha256(f"{run}|{own.beat_id}".encode()).hexdigest()[:8]
                median = {lead: [round(float(value), 4) for value in wave] for lead, wave in own.median.items()}
                known = {"id": f"P{name}", "median": median, "runs": {}}
                patterns = [p for p in patterns if p["id"] != known["id"]] + [known]
            taken.add(known["id"])
            answers.append(KnownPattern(known["id"], tuple(sorted(known["runs"]))))
            known["runs"][run] = {"beat_id": own.beat_id, "n_beats": own.n_beats, "n_patients": own.n_patients}
        kept = sorted((pattern for pattern in patterns if pattern["runs"]), key=lambda pattern: str(pattern["id"]))
        write_json(path, {"schema_version": SCHEMA_VERSION, "patterns": kept})
    return answers


def likeness(one: Mapping[str, npt.ArrayLike], other: Mapping[str, npt.ArrayLike]) -> float:
    """Return the cosine of two median beats (lead name -> (T,)) over the leads that both have; 0 without any."""
    shared = sorted(set(one) & set(other))
    if not shared:
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


def _most_alike(own: FoundPattern, patterns: Sequence[dict[str, Any]], least: float) -> dict[str, Any] | None:
    """Return the known pattern whose median beat is most alike, None where none is enough."""
    best = max(patterns, key=lambda pattern: likeness(own.median, pattern["median"]), default=None)
    return best if best is not None and likeness(own.median, best["median"]) >= least else None
