"""The configuration: defaults, an overlay that changes what it names, and checks that say what is allowed.

config/config.yaml holds every default, workflow/schemas/config.schema.yaml what a value may be; this module merges,
checks against the schema and then checks what a schema can't say (low cut below high cut, classes that exist, files
that are there). It imports neither numpy nor Snakemake, so that a wrong configuration is refused within a second.
"""

from __future__ import annotations

import csv
import difflib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

Problem = tuple[str, Any, str]
"""Dotted key, the value found, what is allowed."""

CANDIDATE_SECTIONS = ("model", "training", "look_alikes", "prototypes", "beats", "leads")
"""What a candidate of the selection may change: what mining and training take from beats that are there already."""
CANDIDATE_BEATS = ("before_s", "after_s", "context", "max_log_ratio")
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
    """Merge an overlay into the defaults and check the result.

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
    problems = list(schema_problems(config, schema))
    if not problems:
        problems = list(meaning_problems(config, [work_dir, root]))
    if not problems:
        problems = list(candidate_problems(config, schema, [work_dir, root]))
    if problems:
        raise ConfigError(problems)
    return config


def typed_entries(entries: Sequence[str]) -> dict[str, Any]:
    """Return ``KEY=VALUE`` entries of a command line with their values read as YAML.

    Snakemake's ``--config`` leaves numbers inside lists and mappings as text, and ``null`` anywhere.
    """
    pairs = (entry.partition("=") for entry in entries)
    return {key: yaml.safe_load(value) for key, _, value in pairs}


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


def find_file(path: str, folders: Sequence[Path]) -> Path | None:
    """Return a file or folder that the configuration names, in the first of `folders` that has it."""
    for folder in folders:
        if (folder / path).exists():
            return folder / path
    return None


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
        else:
            yield dotted(path), error.instance, allowed_values(error.schema)


def meaning_problems(config: Mapping[str, Any], folders: Sequence[Path]) -> Iterator[Problem]:
    """Yield what a schema can't say; `config` has passed the schema."""
    signal, beats, model, split = config["signal"], config["beats"], config["model"], config["split"]
    nyquist = signal["fs"] / 2
    low, high = signal["band_hz"]
    if not low < high < nyquist:
        yield "signal.band_hz", signal["band_hz"], f"low cut < high cut < {nyquist:g} Hz (half of signal.fs)"
    if signal["notch_hz"] is not None and not signal["notch_hz"] < nyquist:
        yield "signal.notch_hz", signal["notch_hz"], f"less than {nyquist:g} Hz (half of signal.fs), or null"
    if beats["context"] % 2 == 0:
        yield "beats.context", beats["context"], "an odd number, with the target beat in the middle"
    for name in ("before_s", "after_s"):
        if config["look_alikes"][name] > beats[name]:
            yield f"look_alikes.{name}", config["look_alikes"][name], f"at most beats.{name}, {beats[name]:g}"
    if not beats["short_mean_beats"] < beats["long_mean_beats"]:
        yield (
            "beats.short_mean_beats",
            beats["short_mean_beats"],
            f"less than beats.long_mean_beats, {beats['long_mean_beats']}",
        )
    if len(model["kernels"]) != len(model["channels"]):
        yield "model.kernels", model["kernels"], f"as many as model.channels, {len(model['channels'])}"
    if any(kernel % 2 == 0 for kernel in model["kernels"]):
        yield "model.kernels", model["kernels"], "odd numbers"
    lowest, highest = config["training"]["noise_snr_db"]
    if lowest > highest:
        yield "training.noise_snr_db", [lowest, highest], "the lower ratio first"
    total = math.fsum(split["fractions"].values())
    if not math.isclose(total, 1, abs_tol=1e-6):
        yield "split.fractions", split["fractions"], f"shares that add up to 1 (they add up to {total:g})"
    if (split["scheme"] == "table") != (split["table"] is not None):
        yield "split.table", split["table"], "a file with the scheme table, and null with any other"
    for method in sorted(set(config["fusion"]["weights"]) - set(config["explain"]["methods"])):
        yield f"fusion.weights.{method}", config["fusion"]["weights"][method], "one of explain.methods as name"
    yield from _path_problems(config, folders)
    yield from _corpus_problems(config, folders)


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


def _path_problems(config: Mapping[str, Any], folders: Sequence[Path]) -> Iterator[Problem]:
    wanted = [(f"{name}.table", config[name]["table"]) for name in ("split", "select")] + [("bundle", config["bundle"])]
    for number, corpus in enumerate(config["corpora"]):
        wanted += [(f"corpora[{number}].{key}", corpus.get(key)) for key in ("labels", "patients")]
    for key, value in [*wanted, ("data_dir", config["data_dir"])]:
        if value is None:
            continue
        if ".." in Path(value).parts:
            yield key, value, "a path inside the working directory or the project without '..', or an absolute path"
        elif key != "data_dir" and find_file(value, folders) is None:
            yield key, value, "a path that exists (looked for in the working directory and in the project)"


def _corpus_problems(config: Mapping[str, Any], folders: Sequence[Path]) -> Iterator[Problem]:
    corpora = config["corpora"]
    names = [corpus["name"] for corpus in corpora]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield "corpora", name, "each name once"
    if sum(corpus["format"] == "synthetic" for corpus in corpora) > 1:
        yield "corpora", names, "at most one corpus of format synthetic"
    roles = [corpus["role"] for corpus in corpora]
    if config["bundle"] is None and "train" not in roles:
        yield "corpora", roles, "at least one with role train, or a trained bundle (the key bundle)"
    if set(roles) == {"noise"}:
        yield "corpora", roles, "at least one with a role other than noise"
    for number, corpus in enumerate(corpora):
        rate = [key for key in ("fs", "duration_s") if corpus.get(key) is not None]
        if corpus["format"] == "strips" and len(rate) != 1:
            allowed = "fs (Hz) or duration_s (of a strip), one of them: the tables of strips give no rate"
            yield f"corpora[{number}]", dict(corpus), allowed
        for key in ("fs", "duration_s", "lead", "units_per_mv"):
            if corpus["format"] != "strips" and corpus.get(key) is not None:
                yield f"corpora[{number}].{key}", corpus[key], "nothing: the key is for the format strips alone"
    known: set[str] = set()
    for number, corpus in enumerate(corpora):
        table = corpus.get("labels")
        if table is None:
            if corpus["role"] == "train":
                yield f"corpora[{number}].labels", None, "a label table, since the role is train"
            continue
        file = find_file(table, folders)
        if file is not None:
            with file.open(encoding="utf-8", newline="") as lines:
                rows = csv.DictReader(line for line in lines if not line.startswith("#"))
                if "class" not in (rows.fieldnames or ()):
                    yield f"corpora[{number}].labels", table, "a CSV with the columns symbol, aux and class"
                    return
                known |= {row["class"] for row in rows if row["class"]}
    if known:
        for unknown in [name for name in config["classes"] if name not in known]:
            yield "classes", unknown, f"a class of the label tables: {', '.join(sorted(known))}{_guess(unknown, known)}"


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
    elsewhere = [dotted([*place, name]) for place, name in _all_keys(schema) if name == key]
    hint = _guess(key, known) or (f" (did you mean {elsewhere[0]}?)" if elsewhere else "")
    return f"one of the keys {', '.join(map(str, known))}{hint}"


def _all_keys(schema: Mapping[str, Any], place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, inner in schema.get("properties", {}).items():
        yield place, name
        yield from _all_keys(inner, (*place, name))


def _guess(word: str, known: Mapping[str, Any] | set[str]) -> str:
    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""


def _short(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 120 else text[:117] + "..."
