"""What the schema of the configuration refuses, in words: for a configuration and for the sections of a bundle."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from beatlens.config.cross_checks import guess
from beatlens.core.allowed import allowed_values
from beatlens.core.options import Problem

MAX_INTEGER = 2**63 - 1


@cache
def _validator() -> Any:
    """Return a validator for which an integer is written as one, a number is finite, and a pattern holds for all text.

    JSON Schema takes 2.0 for an integer, has no word for NaN, and Python's ``$`` also matches before a last newline.
    """
    from jsonschema import Draft202012Validator, ValidationError, validators

    def integer(checker: Any, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_INTEGER

    def number(checker: Any, value: Any) -> bool:
        return integer(checker, value) or (isinstance(value, float) and math.isfinite(value))

    def pattern(validator: Any, expected: str, value: Any, schema: Any) -> Iterator[ValidationError]:
        if isinstance(value, str) and not re.search(expected.replace("$", r"\Z"), value):
            yield ValidationError(f"{value!r} doesn't match {expected!r}")

    types = Draft202012Validator.TYPE_CHECKER.redefine_many({"integer": integer, "number": number})
    return validators.extend(Draft202012Validator, {"pattern": pattern}, type_checker=types)  # type: ignore[no-untyped-call]


def schema_problems(config: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what the schema refuses, by key; a number that is none, or too large for any use, is refused everywhere."""
    for error in sorted(_validator()(schema).iter_errors(config), key=lambda error: list(map(str, error.path))):
        path = list(error.absolute_path)
        if error.validator == "additionalProperties" and isinstance(error.schema.get("properties"), Mapping):
            known = error.schema["properties"]
            for key in error.instance:
                if key not in known:
                    yield dotted([*path, key]), error.instance[key], _known_keys(str(key), known, path, schema)
        elif error.validator == "required":
            missing = sorted(set(error.schema["required"]) - set(error.instance))
            yield dotted(path), error.instance, f"the keys {', '.join(missing)} as well"
        elif error.validator == "type" and "properties" in error.schema:
            keys = ", ".join(error.schema["properties"])
            yield dotted(path), error.instance, f"a section with some of the keys {keys}"
        else:
            yield dotted(path), error.instance, _no_number(error.instance) + _in_words(error.schema)


def _in_words(schema: Mapping[str, Any]) -> str:
    return re.sub("^array", "a list", allowed_values(schema))


def _no_number(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "a finite number: "
    too_large = isinstance(value, int) and abs(value) > MAX_INTEGER
    return f"at most {MAX_INTEGER}: " if too_large else ""


def dotted(path: Sequence[str | int]) -> str:
    """Return a key as ``section.key`` or ``corpora[0].name``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".") or "the configuration"


def _known_keys(key: str, known: Mapping[str, Any], path: Sequence[str | int], schema: Mapping[str, Any]) -> str:
    names = [name.strip() for name in re.split(r"[.:]", key)]
    if len(names) > 1:
        nested = "".join(f"{name}: {{" for name in names[:-1]) + f"{names[-1]}: ...{'}' * (len(names) - 1)}"
        return f"a key inside its section, with a space after each colon: {nested}"
    elsewhere = [dotted([*place, name]) for place, name in _all_keys(schema) if name == key]
    hint = guess(key, known) or (f" (did you mean {elsewhere[0]}?)" if elsewhere else "")
    return f"one of the keys {', '.join(map(str, known))}{hint}"


def _all_keys(schema: Mapping[str, Any], place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, inner in schema.get("properties", {}).items():
        yield place, name
        yield from _all_keys(inner, (*place, name))
