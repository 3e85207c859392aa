"""The file ``bundle.json``: its schema version and digest, and numbers that are finite. Standard library only."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 9
DIGEST = "digest"
"""Key of the sha256 over all others (`content_digest`), so that no value is changed by chance or by hand."""


def content_digest(value: Mapping[str, Any]) -> str:
    """Return the sha256 of a bundle.json without its digest: over JSON with sorted keys and no blanks."""
    content = {key: part for key, part in value.items() if key != DIGEST}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def with_digest(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is written: the value as JSON has it, with its schema version and digest."""
    content = json.loads(json.dumps({**value, "schema_version": SCHEMA_VERSION}, allow_nan=False))
    return {**content, DIGEST: content_digest(content)}


def parse_bundle_json(content: bytes, file: Path) -> dict[str, Any]:
    """Read the content of a bundle.json and check that it is as it was written; `file` is named in messages.

    Raises
    ------
    ValueError
        With file, key, value and what was expected: for another schema version or digest, a number that isn't finite,
        or what is no JSON object.
    """
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: {error}; expected the JSON of a bundle") from None
    if not isinstance(value, dict) or value.get("schema_version") != SCHEMA_VERSION:
        found = value.get("schema_version") if isinstance(value, dict) else type(value).__name__
        raise ValueError(f"{file}: schema version {found!r}; expected {SCHEMA_VERSION}")
    for key, number in _not_finite(value):
        raise ValueError(f"{file}: {key} {number}; expected a finite number")
    expected = content_digest(value)
    if value.get(DIGEST) != expected:
        raise ValueError(
            f"{file}: {DIGEST} {value.get(DIGEST)!r}, but its content has {expected!r}; expected the file as it was "
            "written, changed neither by hand nor by chance"
        )
    return value


def _not_finite(value: Any, key: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield key, value
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from _not_finite(part, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from _not_finite(part, f"{key}[{place}]")
