"""A configuration for a folder of one's own recordings: predictions by a given bundle, and a few of them explained."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from beatlens.corpora.folder import Folder
from beatlens.corpora.strays import find_strays, in_words

CASES = {"max_cases": 6, "max_windows": 0}
"""Explained beats, few enough that a page comes within a minute."""
LONGEST_NAME = 60


def run_name(folder: Path) -> str:
    """Return a folder's name as a name of a run: letters, digits, dots, dashes and ``_``, for all else too."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", folder.name).strip("_.-")
    return plain[:LONGEST_NAME].rstrip("_.-") or "recordings"


def overlay(folder: Path, name: str, bundle: str) -> dict[str, Any]:
    """Return what a configuration for the folder says beside the defaults.

    Parameters
    ----------
    folder
        With the recordings.
    name
        Of the run and of the corpus.
    bundle
        Folder of the trained bundle.

    Raises
    ------
    ValueError
        Where the folder isn't there or holds no WFDB header, or the name can't be one.
    """
    if name != run_name(Path(name)):
        raise ValueError(f"NAME={name}: expected letters, digits, dots, dashes and _, at most {LONGEST_NAME} of them")
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; expected one with recordings (make predict FOLDER=...)")
    names = Folder.open(folder).entries
    if not any(name.lower().endswith(".hea") for name in names):
        found = in_words(find_strays(names, ())) or f"{len(names)} files, none of them a recording that is known here"
        raise ValueError(
            f"{folder}: no recording; expected WFDB records, each a header .hea with a .dat or .mat. Found: {found}. "
            "Tables of strips need a configuration: see 'Your own recordings' in README.md"
        )
    corpus = {"name": name, "format": "wfdb", "role": "predict", "folder": str(folder.resolve())}
    # One record that can't be read is listed with its reason, and is no reason to do without the others.
    return {
        "run": name,
        "bundle": bundle,
        "shards": 1,
        "max_bad_fraction": 1.0,
        "corpora": [corpus],
        "cases": dict(CASES),
    }


def write_overlay(value: Mapping[str, Any], results: Path) -> Path:
    """Write the configuration to ``<results>/<run>/predict.yaml`` and return that path.

    Raises
    ------
    ValueError
        Where a run of this name is there already, of something else.
    """
    from beatlens.core.files import write_text

    run_folder = results / str(value["run"])
    path = run_folder / "predict.yaml"
    if run_folder.exists() and _folder_of(path) != value["corpora"][0]["folder"]:
        raise ValueError(
            f"{run_folder} is there already and belongs to another run; name this one: make predict NAME=..."
        )
    write_text(path, yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True))
    return path


def _folder_of(path: Path) -> str | None:
    if not path.is_file():
        return None
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    return str(value["corpora"][0]["folder"])
