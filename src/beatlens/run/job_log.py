"""Short lines for Snakemake's log: the files of a job and why it runs, as counts and a few examples.

Snakemake names every file, and where params changed it gives their whole text before and now: kilobytes a job, in which
the one key that changed isn't to be found.
"""

from __future__ import annotations

import ast
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SHOWN = 3
"""Examples that a longer list is cut to."""
LONGEST = 60
"""Characters of a value that are shown."""
_FILES = re.compile(r"^(Missing output files|Incomplete output files|Updated input files|Input files updated by .*?): ")
_PARAMS = re.compile(
    r"Params have changed since last execution: .*?before: (?P<before>.*) now: (?P<now>.*?) ?(?=$|; Software)", re.S
)


def shorten(record: logging.LogRecord) -> bool:
    """Shorten the lists of a job's log record in place; a filter for `logging` that lets every record pass."""
    if hasattr(record, "reason"):
        record.reason = short_reason(str(record.reason))
        for name in ("input", "output"):
            files = list(getattr(record, name, None) or [])
            if len(files) > 2 * SHOWN:
                setattr(record, name, _some(files))
    return True


def short_reason(reason: str) -> str:
    """Return Snakemake's reason for a job with few of the files, and of the params only what differs."""
    reason = _PARAMS.sub(lambda found: f"Params changed: {_differences(found['before'], found['now'])}", reason)
    parts = []
    for part in reason.split("; "):
        kind = _FILES.match(part)
        files = sorted(part[kind.end() :].split(", ")) if kind else []
        parts.append(f"{kind.group(1)}: {', '.join(_some(files))}" if kind and len(files) > SHOWN + 1 else part)
    return "; ".join(parts)


def _some(names: Sequence[str]) -> list[str]:
    return [*names[:SHOWN], f"and {len(names) - SHOWN} more"]


def _differences(before: str, now: str) -> str:
    """Name the configuration keys whose values differ, and say that code or a table changed where that did."""
    (old, old_rest), (new, new_rest) = _values(before), _values(now)
    changed = [
        f"{key} {_short(old, key)} -> {_short(new, key)}" for key in sorted({*old, *new}) if _differ(old, new, key)
    ]
    if old_rest or new_rest:
        changed.append("code, or the content of a table or record")
    return ", ".join(_some(changed) if len(changed) > SHOWN + 1 else changed) or "their set"


def _differ(old: Mapping[str, Any], new: Mapping[str, Any], key: str) -> bool:
    """Tell whether a key is in one of two mappings alone, or has another value there."""
    return (key in old) != (key in new) or old.get(key) != new.get(key)


def _values(text: str) -> tuple[dict[str, Any], list[str]]:
    """Return configuration keys with their values, and the other params, of a comma-separated list of literals."""
    try:
        params = ast.literal_eval(f"[{text}]")
    except (SyntaxError, ValueError):
        return {}, [text]  # "<nothing exclusive>", or a value that has no literal
    keys: dict[str, Any] = {}
    rest = []
    for value in params:
        try:
            section = json.loads(value)
        except (TypeError, ValueError):
            section = None
        if isinstance(section, dict):
            keys.update(_flat(section))
        else:
            rest.append(str(value))
    return keys, rest


def _flat(section: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in section.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{at}{name}.")
        else:
            yield f"{at}{name}", value


def _short(values: Mapping[str, Any], key: str) -> str:
    text = json.dumps(values[key], ensure_ascii=False) if key in values else "nothing"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
