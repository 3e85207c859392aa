"""The registry of new patterns: what earlier runs with the same bundle alerted to, in one file a bundle.

Centres of patterns are comparable only within one network's embedding, so the file's name is the bundle's digest.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from beatlens.artefacts import read_json, write_json

Float64Array = npt.NDArray[np.float64]

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class FoundPattern:
    """A pattern of this run.

    Attributes
    ----------
    centre
        (D,) mean embedding.
    radius
        Distance to it within which most beats of the pattern lie.
    beat_id
        The beat nearest to the centre.
    n_beats, n_patients
        Size.
    """

    centre: Float64Array
    radius: float
    beat_id: str
    n_beats: int
    n_patients: int


@dataclass(frozen=True)
class KnownPattern:
    """The registry's answer: the pattern's id, and the other runs that saw it, sorted."""

    identifier: str
    seen_in: tuple[str, ...]


def remember(folder: str | Path, bundle: str, run: str, found: Sequence[FoundPattern]) -> list[KnownPattern]:
    """Put a run's patterns into the registry and say which are known from other runs.

    What the run put there earlier is replaced, so that a run that is repeated never meets itself. Two patterns are one
    where their centres are nearer than the smaller radius. Runs that write at the same time wait for each other.

    Parameters
    ----------
    folder
        Of the registry.
    bundle
        Digest of the bundle.
    run
        Name of the run.
    found
        Its patterns, perhaps none.

    Raises
    ------
    ValueError
        Where the file is of another schema or bundle.
    """
    path = Path(folder) / f"{bundle[:16]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{path.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        patterns = _read(path, bundle) if path.exists() else []
        for pattern in patterns:
            pattern["runs"].pop(run, None)
        answers, taken = [], set()
        for own in found:
            known = _nearest(own, [p for p in patterns if p["id"] not in taken])
            if known is None:
                name = hashlib.sha256(f"{bundle}|{own.beat_id}".encode()).hexdigest()[:8]
                known = {"id": f"P{name}", "centre": own.centre.tolist(), "radius": own.radius, "runs": {}}
                patterns = [p for p in patterns if p["id"] != known["id"]] + [known]
            taken.add(known["id"])
            answers.append(KnownPattern(known["id"], tuple(sorted(known["runs"]))))
            known["runs"][run] = {"beat_id": own.beat_id, "n_beats": own.n_beats, "n_patients": own.n_patients}
        kept = sorted((pattern for pattern in patterns if pattern["runs"]), key=lambda pattern: str(pattern["id"]))
        write_json(path, {"schema_version": SCHEMA_VERSION, "bundle": bundle, "patterns": kept})
    return answers


def _read(path: Path, bundle: str) -> list[dict[str, Any]]:
    value = read_json(path)
    if value.get("schema_version") != SCHEMA_VERSION or value.get("bundle") != bundle:
        raise ValueError(
            f"{path}: schema version {value.get('schema_version')!r}, bundle {value.get('bundle')!r}; expected "
            f"{SCHEMA_VERSION} and {bundle!r}"
        )
    patterns: list[dict[str, Any]] = value["patterns"]
    return patterns


def _nearest(own: FoundPattern, patterns: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the nearest known pattern within reach, None where there is none."""
    best, least = None, np.inf
    for pattern in patterns:
        distance = float(np.linalg.norm(own.centre - np.array(pattern["centre"])))
        if distance < min(least, own.radius, float(pattern["radius"])):
            best, least = pattern, distance
    return best
