"""What a type allows, as a JSON schema: for options, whose annotations say it once for the file and for the program."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin


class Allowed:
    """Keywords of JSON Schema that narrow a type: ``Annotated[int, Allowed(minimum=1, maximum=9)]``."""

    def __init__(self, **keywords: Any) -> None:
        self.keywords = keywords


PositiveInt = Annotated[int, Allowed(minimum=1)]
NonNegativeInt = Annotated[int, Allowed(minimum=0)]
PositiveFloat = Annotated[float, Allowed(exclusiveMinimum=0)]
NonNegativeFloat = Annotated[float, Allowed(minimum=0)]
Share = Annotated[float, Allowed(minimum=0, maximum=1)]
PositiveShare = Annotated[float, Allowed(exclusiveMinimum=0, maximum=1)]
ShareBelowOne = Annotated[float, Allowed(minimum=0, exclusiveMaximum=1)]
OpenShare = Annotated[float, Allowed(exclusiveMinimum=0, exclusiveMaximum=1)]
Correlation = Annotated[float, Allowed(minimum=-1, maximum=1)]
Text = Annotated[str, Allowed(minLength=1)]

_SIMPLE = {bool: "boolean", int: "integer", float: "number", str: "string", NoneType: "null"}


def schema_of(hint: Any) -> dict[str, Any]:
    """Return the JSON schema of a type: a simple one, ``Literal``, ``Annotated``, a union, ``tuple`` or ``Mapping``.

    Raises
    ------
    TypeError
        For any other type.
    """
    origin, parts = get_origin(hint), get_args(hint)
    if hint in _SIMPLE:
        return {"type": _SIMPLE[hint]}
    if origin is Annotated:
        narrowed = schema_of(parts[0])
        for allowed in parts[1:]:
            narrowed |= allowed.keywords
        return narrowed
    if origin is Literal:
        return {"enum": list(parts)} if len(parts) > 1 else {"type": _SIMPLE[type(parts[0])], "const": parts[0]}
    if origin in {Union, UnionType}:
        return _schema_of_union([schema_of(part) for part in parts])
    if origin is tuple and parts[-1] is Ellipsis:
        return {"type": "array", "items": schema_of(parts[0])}
    if origin is tuple:
        return {"type": "array", "prefixItems": list(map(schema_of, parts)), "items": False, "minItems": len(parts)}
    if origin is Mapping:
        return (
            {"type": "object"} if parts[1] is Any else {"type": "object", "additionalProperties": schema_of(parts[1])}
        )
    if hasattr(hint, "schema"):
        schema: dict[str, Any] = hint.schema()
        return schema
    raise TypeError(f"{hint!r}; expected a type that can stand in a JSON schema")


def _schema_of_union(parts: list[dict[str, Any]]) -> dict[str, Any]:
    null = {"type": "null"}
    others = [part for part in parts if part != null]
    if len(others) == 1 and null in parts and "type" in others[0]:
        return {**others[0], "type": [others[0]["type"], "null"]}
    return {"oneOf": parts}


def _is_array(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, Integral) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value),
    "string": lambda value: isinstance(value, str),
    "null": lambda value: value is None,
    "array": _is_array,
    "object": lambda value: isinstance(value, Mapping),
}
_KEYWORDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "minimum": operator.ge,
    "exclusiveMinimum": operator.gt,
    "maximum": operator.le,
    "exclusiveMaximum": operator.lt,
    "minLength": lambda value, least: len(value) >= least,
    "minItems": lambda value, least: len(value) >= least,
    "uniqueItems": lambda value, _: all(item not in value[:place] for place, item in enumerate(value)),
    "pattern": lambda value, pattern: re.search(pattern.replace("$", r"\Z"), value) is not None,
    "prefixItems": lambda value, parts: len(value) == len(parts) and all(map(fits, value, parts)),
    "items": lambda value, part: part is False or all(fits(item, part) for item in value),
    "additionalProperties": lambda value, part: part is False or all(fits(item, part) for item in value.values()),
}


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Tell whether a value is what a schema of `schema_of` allows; a section inside it is checked on its own."""
    if "oneOf" in schema:
        return any(fits(value, part) for part in schema["oneOf"])
    if "const" in schema:
        return type(value) is type(schema["const"]) and bool(value == schema["const"])
    if "enum" in schema:
        return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in schema["enum"])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(_KINDS[kind](value) for kind in kinds):
        return False
    tests = ((test, schema[keyword]) for keyword, test in _KEYWORDS.items() if keyword in schema)
    return value is None or all(test(value, bound) for test, bound in tests)


def allowed_values(schema: Mapping[str, Any]) -> str:
    """Say in words what a (sub)schema allows."""
    if "oneOf" in schema:
        return ", or ".join(allowed_values(option) for option in schema["oneOf"])
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    kinds = schema.get("type", "any value")
    words = [" or ".join(kinds) if isinstance(kinds, list) else str(kinds)]
    if "prefixItems" in schema:
        words = [f"a list of {len(schema['prefixItems'])}: " + "; ".join(map(allowed_values, schema["prefixItems"]))]
    bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    words += [f"{sign} {schema[name]}" for name, sign in bounds.items() if name in schema]
    lengths = {"minItems": "entries >=", "minLength": "characters >="}
    if "prefixItems" not in schema:
        words += [f"{word} {schema[name]}" for name, word in lengths.items() if name in schema]
    words += ["each once"] if schema.get("uniqueItems") else []
    words += [f"matching {schema['pattern']}"] if "pattern" in schema else []
    if isinstance(schema.get("items"), Mapping) and schema["items"].get("type") != "object":
        words.append(f"of {allowed_values(schema['items'])}")
    return ", ".join(words)
