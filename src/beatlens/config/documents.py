"""What is made from the settings: the schema of the configuration, and config/config.yaml with a comment at each key.

The text below a field is read from the source, since Python keeps none at run time.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml

from beatlens.config.sections import Configuration
from beatlens.core.options import Settings, plain

HEAD = """\
# The embedded demo and the default of every option, made by `make docs` from the settings in src/beatlens: edit those.
# Overlays (config/mitdb.yaml, your own) change what they name and nothing else. config/README.md documents each key.
"""
COMMENT_COLUMN = 26
MOST_LISTED = 8
"""Alternatives that a comment lists; more are in config/README.md."""


def schema_text() -> str:
    """Return workflow/schemas/config.schema.json."""
    top = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Configuration of beatlens"}
    return json.dumps({**top, **described(Configuration)}, indent=1, ensure_ascii=False) + "\n"


def described(section: type[Settings]) -> dict[str, Any]:
    """Return the JSON schema of a section with the meaning of each option and its default."""
    options, said = {}, meanings(section)
    for name, option in section.schema()["properties"].items():
        inner = _section_of(section.types()[name])
        if inner and option["type"] == "object":
            options[name] = described(inner)
            continue
        options[name] = {"description": said[name], **option}
        if inner:
            options[name]["items"] = described(inner)
        default = section.default(name)
        if default is not MISSING and not (default is None and section.may_lack(name)):
            options[name]["default"] = plain(default)
    meaning = " ".join((inspect.getdoc(section) or "").split())
    return {"description": meaning, **section.schema(), "properties": options}


def meanings(section: type[Settings]) -> Mapping[str, str]:
    """Return the meaning of each option of a section, but for the sections inside it, which have their own.

    Raises
    ------
    ValueError
        Where an option has none.
    """
    found: dict[str, str] = {}
    for part in section.__mro__:
        if part is Settings:  # what a section inherits from, up to here, has options too
            break
        body = ast.parse(inspect.cleandoc(inspect.getsource(part))).body[0].body  # type: ignore[attr-defined]
        for field, below in zip(body, [*body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                    found[field.target.id] = " ".join(str(below.value.value).split())
    for name, hint in section.types().items():
        if name not in found and not (isinstance(hint, type) and issubclass(hint, Settings)):
            raise ValueError(f"{section.__name__}.{name}: no text below it; expected what the option means")
    return found


def config_text() -> str:
    """Return config/config.yaml."""
    return HEAD + "\n" + "\n".join(_lines(Configuration(), "")).replace("\n\n\n", "\n\n").strip() + "\n"


def _lines(settings: Settings, indent: str) -> Iterator[str]:
    said = meanings(type(settings))
    for name, hint in settings.types().items():
        value = getattr(settings, name)
        if isinstance(value, Settings) and not indent:
            yield ""
            yield _commented(f"{name}:", _sentence(hint))
            yield from _lines(value, "  ")
            yield ""
        elif isinstance(value, tuple) and any(isinstance(item, Settings) for item in value):
            yield ""
            yield f"{name}:"
            for item in value:
                yield from _entry(item)
        else:
            yield _commented(f"{indent}{name}: {_flow(plain(value))}", _comment(hint, said.get(name, "")))


def _entry(settings: Settings) -> Iterator[str]:
    hints, said = settings.types(), meanings(type(settings))
    for number, (name, value) in enumerate(plain(settings).items()):
        sign = "  - " if number == 0 else "    "
        yield _commented(f"{sign}{name}: {_flow(value)}", _comment(hints[name], said[name]))


def _comment(hint: Any, meaning: str) -> str:
    """Return the first sentence of an option's meaning, with the alternatives that it doesn't name."""
    if isinstance(hint, type) and issubclass(hint, Settings):
        return _sentence(hint)
    said = _first(meaning)
    choices = _alternatives(hint)
    named = all(re.search(rf"\b{re.escape(choice)}\b", said) for choice in choices)
    return said if named or len(choices) > MOST_LISTED else f"{said} ({', '.join(choices[:-1])} or {choices[-1]})"


def _alternatives(hint: Any) -> tuple[str, ...]:
    """Return the words that an option, or each entry of its list, is one of; none for any other option."""
    if get_origin(hint) is Literal:
        return tuple(map(str, get_args(hint))) if len(get_args(hint)) > 1 else ()
    return _alternatives(get_args(hint)[0]) if get_origin(hint) in {Annotated, tuple} else ()


def _sentence(section: type[Settings]) -> str:
    return _first(inspect.getdoc(section) or "")


def _first(meaning: str) -> str:
    """Return the first sentence, in plain text."""
    return " ".join(meaning.split()).split(". ")[0].removesuffix(".").replace("`", "")


def _commented(text: str, comment: str) -> str:
    return f"{text:{COMMENT_COLUMN - 1}} # {comment}"


def _flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return value if yaml.safe_load(value) == value else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def _section_of(hint: Any) -> type[Settings] | None:
    """Return the settings that an option is, or a list of which it is; None for any other option."""
    if isinstance(hint, type) and issubclass(hint, Settings):
        return hint
    parts = get_args(hint)
    return _section_of(parts[0]) if parts and get_origin(hint) is not Literal else None
