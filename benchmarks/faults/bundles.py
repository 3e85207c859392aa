"""Bundles of which one value was edited: refused before anything is predicted."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from faults.ground import OWN, Ground
from faults.trial import LOST, SILENT, TOLD, Trial

KIND = "edited bundle"
REMOVED = object()


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value of a JSON object that holds no other."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from leaves(part, (*path, key))
    if not items and path:
        yield path


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a JSON object with another value at a path, or without it."""
    result = copy.deepcopy(value)
    place = result
    for key in path[:-1]:
        place = place[key]
    if new is REMOVED:
        del place[path[-1]]
    else:
        place[path[-1]] = new
    return result


def other(value: Any) -> Any:
    """Return a value of the same type that isn't the same."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"{value}x" if isinstance(value, str) else "x"


def trials(ground: Ground) -> Iterator[Trial]:
    """Yield every trial: each value NaN, another or removed, and each array file cut or with a flipped bit."""
    folder = ground.copy("bundles") / "results/tiny/model/bundle"
    project = folder.parents[3]
    whole = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    paths = list(leaves(whole))
    rng = ground.random(KIND)
    for path in rng.sample(paths, min(len(paths), 6 if ground.quick else 120)):
        value = whole
        for key in path:
            value = value[key]
        for name, new in {"NaN": float("nan"), "another": other(value), "removed": REMOVED}.items():
            (folder / "bundle.json").write_text(json.dumps(changed(whole, path, new)), encoding="utf-8")
            yield Trial(KIND, f"{'.'.join(map(str, path))}: {name}", *_load(project))
    (folder / "bundle.json").write_text(json.dumps(whole, indent=1, sort_keys=True), encoding="utf-8")
    for file in ("weights.npz", "prototypes.npz"):
        content = (folder / file).read_bytes()
        for number in range(1 if ground.quick else 10):
            bit = rng.randrange(8 * len(content))
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << bit % 8
            (folder / file).write_bytes(flipped if number % 2 else content[: bit // 8])
            yield Trial(KIND, f"{file}: {'bit' if number % 2 else 'cut at bit'} {bit}", *_load(project))
        (folder / file).write_bytes(content)
    shutil.rmtree(project)


def _load(project: Path) -> tuple[str, str]:
    """Do what a run does with a given bundle first: read the configuration, then load the bundle."""
    import yaml

    from beatlens.config.load import ConfigError, load_config
    from beatlens.prediction.bundle import Bundle

    try:
        load_config(yaml.safe_load((project / OWN).read_text(encoding="utf-8")), project, project)
        Bundle.load(project / "results/tiny/model/bundle")
    except ConfigError as error:
        return TOLD, str(error)[:200]
    except ValueError as error:
        return (TOLD if "bundle" in str(error) else LOST), str(error)[:200]
    except Exception as error:  # noqa: BLE001 - a crash is what a trial looks for
        return LOST, f"{type(error).__name__}: {error}"[:200]
    return SILENT, "loaded"
