"""What a given bundle decides of the configuration: a network can be asked only about what it was trained for.

Its classes, leads, conditioning, detector, beats and quality rules stand in for the defaults. Where the user states
another value for one of them, that is no wish that can be granted, and it is refused. So is a bundle that knows made
records alone, on real recordings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from beatlens.config.cross_checks import Problem, find_file
from beatlens.prediction.bundled_sections import DECIDED, decided_sections


def decided_by_bundle(
    overlay: Mapping[str, Any], defaults: Mapping[str, Any], bundle: str, folders: Sequence[Path]
) -> tuple[dict[str, Any], list[Problem]]:
    """Return what a bundle decides, and what is wrong with the bundle or with the overlay beside it.

    Parameters
    ----------
    overlay
        What the user gave; what it states of these sections must be what the bundle has. The defaults, of which the
        user has said nothing, give way.
    defaults
        config/config.yaml.
    bundle
        The key ``bundle``.
    folders
        Where it is looked for.
    """
    folder = find_file(bundle, folders)
    if folder is None or ".." in Path(bundle).parts:
        return {}, []  # named as a path that can't be used
    file = folder / "bundle.json"
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return {}, [("bundle", bundle, f"the folder of a bundle, with a bundle.json that can be read ({error})")]
    from beatlens.prediction.bundle import SCHEMA_VERSION  # numpy: only where a bundle is given

    found = value.get("schema_version") if isinstance(value, dict) else None
    if found != SCHEMA_VERSION:
        return {}, [("bundle", bundle, f"a bundle of schema version {SCHEMA_VERSION}; {file} says {found!r}")]
    decided, known = {name: value.get(name) for name in DECIDED}, decided_sections(defaults)
    for name, default in known.items():
        keys = set(default) if isinstance(default, Mapping) else None
        if type(decided[name]) is not type(default) or (keys is not None and set(decided[name]) != keys):
            return {}, [("bundle", bundle, f"a bundle that says what its {name} are; {file} says {decided[name]!r}")]
    if not isinstance(value.get("origin"), Mapping):
        return {}, [("bundle", bundle, f"a bundle that says what it learnt from; {file} has no origin")]
    stated = {name: part for name, part in decided_sections({**known, **overlay}).items() if name in overlay}
    problems = [*_contradictions(stated, decided, f"{bundle}/bundle.json"), *_made_for_real(value, overlay, bundle)]
    return decided, problems


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
