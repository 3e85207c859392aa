"""Messages for faults of a command line to which Snakemake answers with a traceback, by waiting, or not at all.

The profiles ask this module, since they alone run before Snakemake reads ``--config`` and ``--configfile``. Imports the
standard library and yaml alone.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from beatlens.config.strict_yaml import parse_yaml, read_yaml

_FILE_OPTIONS = ("--configfile", "--configfiles")
_ENTRY_OPTIONS = ("--config", "-C")


def fault(words: Sequence[str]) -> str | None:
    """Return what is wrong with the configuration on a command line, None where nothing is.

    Parameters
    ----------
    words
        The command line behind the program.
    """
    given = list(_values(words))
    faults = [_file_fault(option, word) for option, word in given if option in _FILE_OPTIONS]
    entries = [word for option, word in given if option in _ENTRY_OPTIONS]
    faults += [*map(_entry_fault, entries), *map(_value_fault, entries)]  # a value cut at a blank is told by its rest
    return next((found for found in faults if found is not None), None)


def _values(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the values of the options that name a configuration."""
    option = ""
    for word in words:
        if word.startswith("-"):
            option, _, word = word.partition("=")
            if not word:
                continue
        if option in (*_FILE_OPTIONS, *_ENTRY_OPTIONS):
            yield option, word


def _file_fault(option: str, word: str) -> str | None:
    if not Path(word).exists():
        example = ".venv/bin/snakemake report --configfile my.yaml"
        return f"{option} {word}: no such file; targets stand before the options, as in: {example}"
    try:
        value = read_yaml(word)
    except (OSError, ValueError) as error:
        return f"{option} {error}"
    if isinstance(value, dict) and "__use_yte__" in value:
        return f"{option} {word}: the key __use_yte__, which runs code; expected a configuration of plain values"
    if not isinstance(value, dict):
        return f"{option} {word}: expected keys of the configuration, as in config/README.md"
    return None


def _entry_fault(word: str) -> str | None:
    key, equals, value = word.partition("=")
    if re.fullmatch(r"[a-zA-Z_][\w-]*\w", key) and equals:
        return None
    names = key.split(".")
    if equals and len(names) > 1 and all(names):
        value = f"{names.pop()}: {value}"
        while len(names) > 1:
            value = f"{names.pop()}: {{{value}}}"
        nested = shlex.quote(f"{names[0]}={{{value}}}")
        return f"--config {word}: expected --config {nested}, since Snakemake takes no key with a dot; {_LISTED}"
    return f"--config {word}: expected KEY=VALUE, in quotes where it has spaces: {_EXAMPLE}; {_LISTED}"


def _value_fault(word: str) -> str | None:
    key, _, value = word.partition("=")
    try:
        parse_yaml(value)
    except ValueError as error:
        return f"--config {key}: {json.dumps(value)}; expected a value in YAML, such as 3, [N, V] or {{a: 1}} ({error})"
    return None


_EXAMPLE = "--config seed=2 'cases={per_class: 1}'"
_LISTED = "config/README.md lists the keys"
