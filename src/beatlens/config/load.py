"""The configuration: defaults, an overlay that changes what it names, and checks that say what is allowed.

config/config.yaml holds every default, workflow/schemas/config.schema.yaml what a value may be; this module merges and
checks against the schema. What a schema can't say is checked by `beatlens.config.cross_checks`, and a given bundle
decides some sections (`beatlens.config.bundle_overrides`). Without a bundle it imports neither numpy nor Snakemake, so
that a wrong configuration is refused within a second.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from beatlens.config.bundle_overrides import decided_by_bundle
from beatlens.config.cross_checks import Problem, guess, meaning_problems

CANDIDATE_SECTIONS = ("model", "training", "look_alikes", "prototypes", "beats", "leads")
"""What a candidate of the selection may change: what mining and training take from beats that are there already."""
CANDIDATE_BEATS = ("before_s", "after_s", "context", "max_log_ratio", "rate")
"""Keys of ``beats`` among these; the others shape the beat tables, which all candidates share."""


class ConfigError(ValueError):
    """A configuration that can't be used; each problem names its key, the value found and what is allowed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        lines = [f"  {key}: {_short(value)}; expected {allowed}" for key, value, allowed in problems]
        super().__init__("the configuration can't be used:\n" + "\n".join(lines))


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with what `overlay` names: mappings are merged key by key, everything else is replaced."""
    result = dict(base)
    for key, value in overlay.items():
        old = result.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return result


def load_config(overlay: Mapping[str, Any], root: Path, work_dir: Path) -> dict[str, Any]:
    """Merge an overlay into the defaults and check the result; a given bundle decides what it was trained for.

    Parameters
    ----------
    overlay
        What the user gave (``--configfile``, ``--config``); may be empty.
    root
        The project: holds config/config.yaml and workflow/schemas.
    work_dir
        Where relative paths of the configuration are looked for first, and under `root` next.

    Raises
    ------
    ConfigError
        With every problem that was found.
    """
    defaults = yaml.safe_load((root / "config" / "config.yaml").read_text(encoding="utf-8"))
    schema = yaml.safe_load((root / "workflow" / "schemas" / "config.schema.yaml").read_text(encoding="utf-8"))
    config = merge(defaults, overlay)
    folders = [work_dir, root]
    problems = list(schema_problems(config, schema))
    if not problems and config["bundle"] is not None:
        decided, problems = decided_by_bundle(overlay, defaults, config["bundle"], folders)
        config = merge(config, decided)
    if not problems:
        problems = list(meaning_problems(config, folders))
    if not problems:
        problems = list(candidate_problems(config, schema, folders))
    if problems:
        raise ConfigError(problems)
    return config


def typed_entries(entries: Sequence[str]) -> dict[str, Any]:
    """Return ``KEY=VALUE`` entries of a command line with their values read as YAML.

    Snakemake's ``--config`` leaves numbers inside lists and mappings as text, and ``null`` anywhere.

    Raises
    ------
    ConfigError
        For a value that is no YAML.
    """
    result, problems = {}, []
    for entry in entries:
        key, _, value = entry.partition("=")
        try:
            result[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            problems.append((key, value, "a value in YAML, such as 3, [N, V] or {per_class: 1}"))
    if problems:
        raise ConfigError(problems)
    return result


def sections(config: Mapping[str, Any], *names: str) -> str:
    """Return sections as JSON text with sorted keys; a dotted name takes one entry of a section."""
    result: dict[str, Any] = {}
    for name in names:
        section, _, entry = name.partition(".")
        if entry:
            result.setdefault(section, {})[entry] = config[section][entry]
        else:
            result[section] = config[section]
    return json.dumps(result, sort_keys=True, allow_nan=False)


def schema_problems(config: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what the schema refuses, deepest first causes only."""
    from jsonschema import Draft202012Validator

    for error in sorted(Draft202012Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path))):
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
            yield dotted(path), error.instance, re.sub("^array", "a list", allowed_values(error.schema))


def candidate_config(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the configuration as a candidate of ``select.candidates`` has it."""
    changes = {candidate["name"]: candidate["change"] for candidate in config["select"]["candidates"]}
    return merge(config, changes[name])


def candidate_problems(
    config: Mapping[str, Any], schema: Mapping[str, Any], folders: Sequence[Path]
) -> Iterator[Problem]:
    """Yield what is wrong with the candidates of ``select``; all else of `config` is as it should be."""
    candidates = config["select"]["candidates"]
    names = [candidate["name"] for candidate in candidates]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield "select.candidates", name, "each name once"
    known = {name: schema["properties"][name] for name in CANDIDATE_SECTIONS}
    whole = {"type": "object", "additionalProperties": False, "properties": known}
    for number, candidate in enumerate(candidates):
        change = candidate["change"]
        changed = merge({key: config[key] for key in change if key in known}, change)
        problems = list(schema_problems(changed, whole)) or list(_untaken(config, change))
        for key, value, allowed in problems or meaning_problems(merge(config, change), folders):
            yield f"select.candidates[{number}].change.{key}", value, allowed


def _untaken(config: Mapping[str, Any], change: Mapping[str, Any]) -> Iterator[Problem]:
    for key, value in change.get("beats", {}).items():
        if key not in CANDIDATE_BEATS:
            yield f"beats.{key}", value, f"one of the keys {', '.join(CANDIDATE_BEATS)}: all candidates share the beats"
    if "folds" in change.get("training", {}):
        yield "training.folds", change["training"]["folds"], "nothing: select.folds is that of all candidates"
    if not set(change.get("leads", [])) <= set(config["leads"]):
        yield "leads", change["leads"], f"some of the run's leads: {', '.join(config['leads'])}"


def allowed_values(schema: Mapping[str, Any]) -> str:
    """Say in words what a (sub)schema allows."""
    for combined in ("oneOf", "anyOf"):
        if combined in schema:
            return ", or ".join(allowed_values(option) for option in schema[combined])
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
    lengths = {"minItems": "entries >=", "maxItems": "entries <=", "minLength": "characters >="}
    if "prefixItems" not in schema:
        words += [f"{word} {schema[name]}" for name, word in lengths.items() if name in schema]
    words += ["each once"] if schema.get("uniqueItems") else []
    words += [f"matching {schema['pattern']}"] if "pattern" in schema else []
    if isinstance(schema.get("items"), Mapping) and schema["items"].get("type") != "object":
        words.append(f"of {allowed_values(schema['items'])}")
    return ", ".join(words)


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


def _short(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 120 else text[:117] + "..."
