"""Strict YAML: a key that comes twice, values nested without end or multiplied by aliases are refused in words.

Imports the standard library and yaml alone: it runs before Snakemake reads a configuration.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from beatlens.core.user_files import read_bytes

MAX_YAML_BYTES = 1_000_000
MAX_YAML_DEPTH = 30
MAX_YAML_NODES = 200_000
"""Values of a document with every alias written out."""
MAX_DIGITS = 100
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: str | Path) -> Any:
    """Read a YAML file; see `parse_yaml`.

    Raises
    ------
    ValueError
        With file, line and what was expected.
    OSError
        Where it can't be read.
    """
    content = read_bytes(path, MAX_YAML_BYTES)
    try:
        return parse_yaml(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: {error}; expected text in UTF-8") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def parse_yaml(text: str) -> Any:
    """Return the value of a YAML document, made of plain values alone.

    Raises
    ------
    ValueError
        With the line, for what is no YAML, a key that comes twice in a section, values nested deeper than
        `MAX_YAML_DEPTH`, more than `MAX_YAML_NODES` of them with all aliases written out, or a tag that isn't
        YAML's own.
    """
    try:
        _check_size(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _check_keys(node, "", set())
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise ValueError(f"{_in_words(error)}; expected YAML") from None


def _check_size(text: str) -> None:
    """Refuse a document that is too deep or too large, event by event, before anything is built of it."""
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []  # anchor, and how many values came before
    count = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1  # type: ignore[union-attr]
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise ValueError(f"line {line}: the alias *{event.anchor}; expected that of an earlier, whole value")
            count += sizes[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, count))
            count += 1
            if len(open_nodes) > MAX_YAML_DEPTH:
                raise ValueError(f"line {line}: values nested deeper than {MAX_YAML_DEPTH}; expected at most so deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor:
                sizes[anchor] = count - before
        if count > MAX_YAML_NODES:
            raise ValueError(f"line {line}: more than {MAX_YAML_NODES} values; expected at most so many")


def _check_keys(node: yaml.Node, place: str, seen: set[int]) -> None:
    """Refuse a mapping that names a key twice, of which the last would win in silence, and endless numbers."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:int" and len(node.value) > MAX_DIGITS:
        line = node.start_mark.line + 1
        raise ValueError(f"line {line}: {place} is a number of {len(node.value)} digits; expected at most {MAX_DIGITS}")
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            _check_keys(item, f"{place}[{number}]", seen)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[tuple[str, str], int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            path = f"{place}.{name}".lstrip(".")
            if isinstance(key, yaml.ScalarNode):
                first = lines.get((key.tag, key.value))
                if first is not None:
                    raise ValueError(f"line {line}: {path} again, after line {first}; expected each key once")
                lines[key.tag, key.value] = line
            _check_keys(value, path, seen)


def _in_words(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}: {problem}" if mark is not None else " ".join(problem.split())
