"""Which sections of the configuration a bundle holds: a network can be asked only about what it was trained for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

DECIDED = ("classes", "leads", "signal", "rpeaks", "beats", "quality")
"""Sections that come from ``bundle.json``."""
FREE = {"rpeaks": ("match_s",)}
"""Entries of these sections that the user may set, since they only score predictions and change none."""


def decided_sections(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections `DECIDED` of a configuration without the entries `FREE`."""
    return {name: _without(config[name], FREE.get(name, ())) for name in DECIDED}


def _without(section: Any, entries: Sequence[str]) -> Any:
    if not isinstance(section, Mapping):
        return section
    return {key: value for key, value in section.items() if key not in entries}
