"""The documentation of every option as Markdown tables, made from the schema so that the two can't differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from beatlens.core.allowed import allowed_values

BEGIN, END = "<!-- options: begin (make docs) -->", "<!-- options: end -->"


def document(text: str, schema: Mapping[str, Any]) -> str:
    """Return a page with the tables between its markers made anew.

    Raises
    ------
    ValueError
        Where the page hasn't got the two markers.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"no tables to replace; expected one line {BEGIN!r} and one line {END!r}")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n" + "\n".join(tables(schema)) + f"\n{END}{rest.split(END)[1]}"


def tables(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of one table for the options on top and one for each section."""
    top = {name: option for name, option in schema["properties"].items() if not _is_section(option)}
    yield "### The run\n"
    yield from _table("", top)
    for name, option in schema["properties"].items():
        if _is_section(option):
            yield f"### `{name}`\n\n{option['description']}\n"
            yield from _table(f"{name}.", option["properties"])
        elif isinstance(option.get("items"), Mapping) and option["items"].get("type") == "object":
            required = ", ".join(option["items"]["required"])
            yield f"### `{name}`\n\nKeys of an entry of the list; {required} are required.\n"
            yield from _table(f"{name}[].", option["items"]["properties"])


def _is_section(option: Mapping[str, Any]) -> bool:
    return option.get("type") == "object" and "properties" in option


def _table(prefix: str, options: Mapping[str, Any]) -> Iterator[str]:
    yield "| key | default | allowed | meaning |"
    yield "|---|---|---|---|"
    for name, option in options.items():
        if _is_section(option):
            yield from list(_table(f"{prefix}{name}.", option["properties"]))[2:-1]
            continue
        default = f"`{json.dumps(option['default'], ensure_ascii=False)}`" if "default" in option else ""
        cells = (f"`{prefix}{name}`", default, allowed_values(option), option["description"])
        yield "| " + " | ".join(cell.replace("|", "\\|").strip() for cell in cells) + " |"
    yield ""
