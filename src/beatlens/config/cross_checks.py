"""What a schema can't say of a configuration: values that only go with others, files that are there, known classes."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from beatlens.config.diagnosis_checks import diagnosis_problems
from beatlens.config.reviewed_checks import reviewed_problems
from beatlens.config.sections import Configuration
from beatlens.core.options import OptionError, Problem, Settings
from beatlens.core.text_tables import read_rows
from beatlens.corpora.label_table import LabelTable
from beatlens.corpora.settings import CorpusSettings
from beatlens.explain.watch.settings import WatchSettings
from beatlens.figures.paper.colour_maps import check_colour_map

SPLIT_COLUMNS = ("corpus", "record", "split")
WITH_ATTENTION = frozenset({"crossmodal"})
"""Values of ``model.name`` whose network has attention."""
TABLES = {"split": SPLIT_COLUMNS, "select": SPLIT_COLUMNS, "seed_mining": ("beat_id", "label")}
"""Sections whose ``table`` is a file with these columns."""


def find_file(path: str, folders: Sequence[Path]) -> Path | None:
    """Return a file or folder that the configuration names, in the first of `folders` that has it."""
    for folder in folders:
        if (folder / path).exists():
            return folder / path
    return None


def meaning_problems(config: Mapping[str, Any], folders: Sequence[Path]) -> Iterator[Problem]:
    """Yield what a schema can't say; `config` has passed the schema, and has what a given bundle decides."""
    yield from _section_problems(config)
    for method in sorted(set(config["fusion"]["weights"]) - set(config["explain"]["methods"])):
        yield f"fusion.weights.{method}", config["fusion"]["weights"][method], "one of explain.methods as name"
    for section in ("explain", "watch"):
        of_attention = [name for name in config[section]["methods"] or () if name.startswith("attention")]
        if of_attention and config["model"]["name"] not in WITH_ATTENTION:
            allowed = "methods other than these, or a network with attention (model.name: crossmodal): "
            yield f"{section}.methods", of_attention, f"{allowed}{config['model']['name']} has none"
    yield from _figure_problems(config)
    if config["bundle"] is None:
        yield from _network_problems(config)
    yield from _path_problems(config, folders)
    yield from _table_problems(config, folders)
    if "beats" in config["targets"]:
        yield from _split_problems(config, folders)
    yield from _corpus_problems(config, folders)
    if "diagnoses" in config["targets"]:
        yield from diagnosis_problems(config, folders)


def _section_problems(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what doesn't go together inside a section: the settings say it (`beatlens.core.options.Settings`)."""
    for name, section in Configuration.types().items():
        if isinstance(section, type) and issubclass(section, Settings):
            yield from _refused(section, config[name])
    for number, corpus in enumerate(config["corpora"]):
        for key, value, allowed in _refused(CorpusSettings, corpus):
            yield key.replace("[]", f"[{number}]"), value, allowed


def _refused(section: type[Settings], value: Mapping[str, Any]) -> Sequence[Problem]:
    try:
        section.read(value)
    except OptionError as error:
        return error.problems
    return ()


def _figure_problems(config: Mapping[str, Any]) -> Iterator[Problem]:
    figures = config["figures"]
    allowed = check_colour_map(figures["colour_map"])
    if allowed:
        yield "figures.colour_map", figures["colour_map"], allowed
    watched = WatchSettings.read(config["watch"]).kinds(attention=config["model"]["name"] in WITH_ATTENTION)
    wanted = {"methods": ["fused", *config["explain"]["methods"]], "watch": watched}
    if isinstance(figures["classes"], list):
        wanted["classes"] = config["classes"]
    for key, names in wanted.items():
        for name in sorted(set(figures[key] or ()) - set(names)):
            yield f"figures.{key}", name, f"some of {', '.join(names)}{guess(name, set(names))}"


def _network_problems(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with a network and its training; a run with a given bundle has neither."""
    beats, training = config["beats"], config["training"]
    for name in ("before_s", "after_s"):
        if config["look_alikes"][name] > beats[name]:
            yield f"look_alikes.{name}", config["look_alikes"][name], f"at most beats.{name}, {beats[name]:g}"
    rhythm_classes = config["look_alikes"]["rhythm_classes"]
    if training["rhythm_fraction"] and (len(rhythm_classes) != 2 or not set(rhythm_classes) <= set(config["classes"])):
        allowed = (
            f"0, since look_alikes.rhythm_classes, {rhythm_classes}, aren't a normal and a premature one of classes"
        )
        yield "training.rhythm_fraction", training["rhythm_fraction"], allowed


def _split_problems(config: Mapping[str, Any], folders: Sequence[Path]) -> Iterator[Problem]:
    split, folds = config["split"], config["training"]["folds"]
    if split["table"] is None:
        place, n_aside = "split.fractions.calibrate", split["fractions"]["calibrate"]
    else:
        file = find_file(split["table"], folders)
        if file is None:
            return
        try:
            rows = [row.values for row in read_rows(file, SPLIT_COLUMNS, exact=False, comments=True)]
        except (OSError, ValueError):
            return  # named among the paths
        place, n_aside = split["table"], sum(row["split"] == "calibrate" for row in _of_run(rows, config["corpora"]))
    if config["bundle"] is None and folds and n_aside:
        yield "training.folds", folds, f"0, since {place} sets patients aside in the split calibrate"
    if config["bundle"] is None and not folds and not n_aside:
        yield "training.folds", folds, f"2 or more, since {place} sets nobody aside in the split calibrate"


def _of_run(rows: Sequence[Mapping[str, str]], corpora: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, str]]:
    """Yield the rows of a split table that are of records the run takes."""
    taken = {corpus["name"]: corpus.get("records") for corpus in corpora if corpus["role"] in {"train", "test"}}
    for row in rows:
        records = taken.get(row["corpus"], ())
        if records is None or row["record"] in records:
            yield row


def _table_problems(config: Mapping[str, Any], folders: Sequence[Path]) -> Iterator[Problem]:
    for section, columns in TABLES.items():
        table = config.get(section, {}).get("table")
        file = find_file(table, folders) if table is not None else None
        if file is not None:
            expected = f"a CSV with the columns {', '.join(columns[:-1])} and {columns[-1]}, and rows"
            try:
                if not read_rows(file, columns, exact=False, comments=True):
                    yield f"{section}.table", table, expected
            except (OSError, ValueError) as error:
                yield f"{section}.table", table, f"{expected} ({error})"


def _path_problems(config: Mapping[str, Any], folders: Sequence[Path]) -> Iterator[Problem]:
    wanted = [(f"{name}.table", config[name]["table"]) for name in ("split", "select", "seed_mining")] + [
        ("bundle", config["bundle"]),
        ("diagnoses.bundle", config["diagnoses"]["bundle"]),
    ]
    for number, corpus in enumerate(config["corpora"]):
        wanted += [(f"corpora[{number}].{key}", corpus.get(key)) for key in ("labels", "patients", "diagnoses")]
        wanted += [(f"corpora[{number}].reviewed", table) for table in corpus.get("reviewed") or ()]
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
    for number, corpus in enumerate(corpora):
        if corpus.get("folder") is not None and not (folders[0] / corpus["folder"]).is_dir():
            yield f"corpora[{number}].folder", corpus["folder"], "a folder that exists"
    roles = [corpus["role"] for corpus in corpora]
    trains = {"beats": config["bundle"], "diagnoses": config["diagnoses"]["bundle"]}
    if any(trains[target] is None for target in config["targets"]) and "train" not in roles:
        yield "corpora", roles, "at least one with role train, or a trained bundle (the key bundle)"
    if set(roles) == {"noise"}:
        yield "corpora", roles, "at least one with a role other than noise"
    known: set[str] = set()
    for number, corpus in enumerate(corpora):
        people = find_file(corpus["patients"], folders) if corpus.get("patients") else None
        if people is not None:
            try:
                read_rows(people, ("record", "patient"))
            except (OSError, ValueError) as error:
                yield f"corpora[{number}].patients", corpus["patients"], f"a CSV of record and patient ({error})"
        table = corpus.get("labels")
        if table is None:
            if corpus["role"] == "train" and not corpus.get("diagnoses") and not corpus.get("reviewed"):
                yield f"corpora[{number}].labels", None, "a label table, since the role is train"
            continue
        file = find_file(table, folders)
        if file is not None:
            try:
                known |= set(LabelTable.read(file).classes)
            except (OSError, ValueError) as error:
                yield f"corpora[{number}].labels", table, f"a CSV with the columns symbol, aux and class ({error})"
                return
    yield from reviewed_problems(corpora, {*known, *config["classes"]}, folders)
    unknowns = [name for name in config["classes"] if name not in known] if "beats" in config["targets"] else []
    # The classes of a given bundle are what they are; labels may know only some of them.
    if known and (config["bundle"] is None or len(unknowns) == len(config["classes"])):
        for unknown in unknowns:
            yield "classes", unknown, f"a class of the label tables: {', '.join(sorted(known))}{guess(unknown, known)}"


def guess(word: str, known: Mapping[str, Any] | set[str]) -> str:
    """Return a hint at the known word that is most like a wrong one, "" where none is."""
    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""
