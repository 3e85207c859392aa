"""What a given bundle decides of the configuration: a network can be asked only about what it was trained for.

Its classes, leads, conditioning, detector, beats and quality rules replace the defaults. Where the user states another
value for one of them, the configuration is refused. So is a bundle of made records alone, on real recordings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from beatlens.config.cross_checks import find_file
from beatlens.config.schema import schema_problems
from beatlens.core.options import Problem
from beatlens.core.user_files import read_bytes
from beatlens.prediction.bundle_file import parse_bundle_json
from beatlens.prediction.bundled_sections import DECIDED, decided_sections

MAX_BUNDLE_BYTES = 20_000_000
"""Largest ``bundle.json``."""


def decided_by_bundle(
    overlay: Mapping[str, Any], defaults: Mapping[str, Any], schema: Mapping[str, Any], folders: Sequence[Path]
) -> tuple[dict[str, Any], list[Problem]]:
    """Return what a bundle decides, and what is wrong with the bundle or with the overlay beside it.

    Of its network the name alone, since what can be asked of a network hangs on it.

    Parameters
    ----------
    overlay
        What the user gave, ``bundle`` among it; what it states of these sections must be what the bundle has. The
        defaults, of which the user has said nothing, give way.
    defaults
        config/config.yaml.
    schema
        Of the configuration; what it refuses there it refuses of a bundle.
    folders
        Where the bundle is looked for.
    """
    bundle = overlay["bundle"]
    folder = find_file(bundle, folders)
    if folder is None or ".." in Path(bundle).parts:
        return {}, []  # named as a path that can't be used
    file = folder / "bundle.json"
    try:
        value: Any = parse_bundle_json(read_bytes(file, MAX_BUNDLE_BYTES), file)
    except (OSError, ValueError, RecursionError) as error:
        return {}, [("bundle", bundle, f"the folder of a bundle, with a bundle.json that can be read ({error})")]
    decided, known = {name: value.get(name) for name in DECIDED}, decided_sections(defaults)
    for name, default in known.items():
        keys = set(default) if isinstance(default, Mapping) else None
        if type(decided[name]) is not type(default) or (keys is not None and set(decided[name]) != keys):
            return {}, [("bundle", bundle, f"a bundle that says what its {name} are; {file} says {decided[name]!r}")]
    whole = {name: {**defaults[name], **part} if isinstance(part, Mapping) else part for name, part in decided.items()}
    sections = {"properties": {name: schema["properties"][name] for name in DECIDED}}
    for key, found, allowed in schema_problems(whole, sections):
        return {}, [("bundle", bundle, f"a bundle with {key} {allowed}; {file} says {found!r}")]
    if not isinstance(value.get("origin"), Mapping):
        return {}, [("bundle", bundle, f"a bundle that says what it learnt from; {file} has no origin")]
    network = value.get("network")
    if not isinstance(network, Mapping) or not isinstance(network.get("settings"), Mapping):
        return {}, [("bundle", bundle, f"a bundle that says what its network is; {file} says {network!r}")]
    stated = {name: part for name, part in decided_sections({**known, **overlay}).items() if name in overlay}
    problems = [*_contradictions(stated, decided, f"{bundle}/bundle.json"), *_made_for_real(value, overlay, bundle)]
    return {**decided, "model": {"name": network["settings"].get("name")}}, problems


def named_after_bundle(problems: Iterable[Problem], bundle: str | None) -> list[Problem]:
    """Return problems with those of sections that a bundle decides named after its file; as they are without one."""
    return [
        (f"{bundle}/bundle.json: {key}" if bundle and re.split(r"[.\[]", key)[0] in DECIDED else key, value, allowed)
        for key, value, allowed in problems
    ]


def _made_for_real(value: Mapping[str, Any], overlay: Mapping[str, Any], bundle: str) -> Iterator[Problem]:
    """Yield what is wrong where a bundle of made records meets recordings."""
    from beatlens.prediction.origin import real_corpora

    real, origin = real_corpora(overlay.get("corpora", ())), value["origin"]
    if origin["made"] and real and not overlay.get("allow_made_bundle"):
        made = ", ".join(corpus["name"] for corpus in origin["corpora"] if not corpus["noise"])
        yield (
            "bundle",
            bundle,
            f"a bundle that learnt from recordings, such as models/mitdb, since {', '.join(real)} holds recordings: "
            f"this one has seen made records alone ({made}), and what it says of a real heart means nothing. To see it "
            "all the same, with a warning on every page, set allow_made_bundle: true",
        )


def _contradictions(
    stated: Mapping[str, Any], decided: Mapping[str, Any], file: str, at: str = ""
) -> Iterator[Problem]:
    for key, value in stated.items():
        if isinstance(value, Mapping):
            yield from _contradictions(value, decided[key], file, f"{at}{key}.")
        elif value != decided[key]:
            words = json.dumps(decided[key], ensure_ascii=False)
            yield f"{at}{key}", value, f"{words}, that of {file}, or nothing: the given bundle decides it"
