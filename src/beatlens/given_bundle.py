"""What a given bundle decides of the configuration: a network can be asked only about what it was trained for.

Its classes, leads, conditioning and beats stand in for the defaults. Where the user states another value for one of
them, that is no wish that can be granted, and it is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from beatlens.config_meaning import Problem, find_file

DECIDED = ("classes", "leads", "signal", "beats")
"""Sections that come from ``bundle.json``."""


def decided_by_bundle(
    overlay: Mapping[str, Any], defaults: Mapping[str, Any], bundle: str, folders: Sequence[Path]
) -> tuple[dict[str, Any], list[Problem]]:
    """Return the sections `DECIDED` of a bundle, and what is wrong with the bundle or with the overlay beside it.

    Parameters
    ----------
    overlay
        What the user gave; what it states of these sections must be what the bundle has. The defaults, of which the
        user has said nothing, give way.
    defaults
        config/config.yaml.
    bundle
        The key ``bundle``.
    folders
        Where it is looked for.
    """
    folder = find_file(bundle, folders)
    if folder is None or ".." in Path(bundle).parts:
        return {}, []  # named as a path that can't be used
    file = folder / "bundle.json"
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return {}, [("bundle", bundle, f"the folder of a bundle, with a bundle.json that can be read ({error})")]
    from beatlens.bundle import SCHEMA_VERSION  # numpy: only where a bundle is given

    found = value.get("schema_version") if isinstance(value, dict) else None
    if found != SCHEMA_VERSION:
        return {}, [("bundle", bundle, f"a bundle of schema version {SCHEMA_VERSION}; {file} says {found!r}")]
    decided = {name: value.get(name) for name in DECIDED}
    for name in DECIDED:
        keys = set(defaults[name]) if isinstance(defaults[name], Mapping) else None
        if type(decided[name]) is not type(defaults[name]) or (keys is not None and set(decided[name]) != keys):
            return {}, [("bundle", bundle, f"a bundle that says what its {name} are; {file} says {decided[name]!r}")]
    stated = {name: overlay[name] for name in DECIDED if name in overlay}
    return decided, list(_contradictions(stated, decided, f"{bundle}/bundle.json"))


def _contradictions(
    stated: Mapping[str, Any], decided: Mapping[str, Any], file: str, at: str = ""
) -> Iterator[Problem]:
    for key, value in stated.items():
        if isinstance(value, Mapping):
            yield from _contradictions(value, decided[key], file, f"{at}{key}.")
        elif value != decided[key]:
            words = json.dumps(decided[key], ensure_ascii=False)
            yield f"{at}{key}", value, f"{words}, that of {file}, or nothing: the given bundle decides it"
