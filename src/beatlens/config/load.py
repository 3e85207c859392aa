"""The configuration: defaults, an overlay that changes what it names, and checks that say what is allowed.

config/config.yaml holds every default, workflow/schemas/config.schema.json what a value may be; both are made from the
settings (`beatlens.config.sections`). This module merges and checks against the schema. What a schema can't say is
checked by `beatlens.config.cross_checks`. A given bundle decides some sections (`beatlens.config.bundle_overrides`).
Without a bundle it imports neither numpy nor Snakemake, so that a wrong configuration is refused within a second.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from beatlens.config.bundle_overrides import decided_by_bundle, named_after_bundle
from beatlens.config.cross_checks import meaning_problems
from beatlens.config.schema import schema_problems
from beatlens.config.strict_yaml import parse_yaml, read_yaml
from beatlens.core.options import Problem

CANDIDATE_SECTIONS = ("model", "training", "look_alikes", "prototypes", "beats", "leads")
"""What a candidate of the selection may change: what mining and training take from beats that are there already."""
CANDIDATE_BEATS = ("before_s", "after_s", "context", "max_log_ratio", "rate")
"""Keys of ``beats`` among these; the others shape the beat tables, which all candidates share."""
DIAGNOSIS_SECTIONS = ("diagnoses",)
"""What a candidate may change where diagnoses are learnt and beats aren't."""
CANDIDATE_DIAGNOSES = (
    "members", "width", "heads", "steps", "beats", "learning_rate", "weight_decay", "dropout", "lead_dropout",
)  # fmt: skip
"""Keys of ``diagnoses`` among these; the others say what is learnt of whom, which all candidates share."""


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
    defaults = read_yaml(root / "config" / "config.yaml")
    schema = json.loads((root / "workflow" / "schemas" / "config.schema.json").read_text(encoding="utf-8"))
    config = merge(defaults, overlay)
    folders = [work_dir, root]
    problems = list(schema_problems(config, schema))
    if not problems and config["bundle"] is not None:
        decided, problems = decided_by_bundle(overlay, defaults, schema, folders)
        config = merge(config, decided)
    if not problems:
        problems = named_after_bundle(meaning_problems(config, folders), config["bundle"])
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
        For a value that is no YAML, or a key that comes twice.
    """
    result: dict[str, Any] = {}
    problems: list[Problem] = []
    for entry in entries:
        key, _, value = entry.partition("=")
        if key in result:
            problems.append((key, value, f"each key once; it is {_short(result[key])} already"))
        try:
            result[key] = parse_yaml(value)
        except ValueError as error:
            problems.append((key, value, f"a value in YAML, such as 3, [N, V] or {{per_class: 1}} ({error})"))
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
    sections = CANDIDATE_SECTIONS if "beats" in config["targets"] else DIAGNOSIS_SECTIONS
    if candidates and sections is DIAGNOSIS_SECTIONS and config["select"]["folds"] < 3:
        yield "select.folds", config["select"]["folds"], "3 or more where diagnoses are learnt: a choice is tested too"
    known = {name: schema["properties"][name] for name in sections}
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
    for key, value in change.get("diagnoses", {}).items():
        if key not in CANDIDATE_DIAGNOSES:
            allowed = f"one of the keys {', '.join(CANDIDATE_DIAGNOSES)}: all candidates learn the same"
            yield f"diagnoses.{key}", value, allowed
    if "folds" in change.get("training", {}):
        yield "training.folds", change["training"]["folds"], "nothing: select.folds is that of all candidates"
    if not set(change.get("leads", [])) <= set(config["leads"]):
        yield "leads", change["leads"], f"some of the run's leads: {', '.join(config['leads'])}"


def _short(value: Any) -> str:
    try:
        text = json.dumps(value, default=str, ensure_ascii=False)
    except (ValueError, TypeError):  # a number of thousands of digits, a key that is none
        text = f"{type(value).__name__} that can't be shown"
    return text if len(text) <= 120 else text[:117] + "..."
