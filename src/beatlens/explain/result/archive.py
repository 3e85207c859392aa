"""One archive a method and shard, and how the archives of all shards become one file a case.

Cases are known only once there are predictions. So a shard's job can't declare one file a case; it declares one
archive.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from beatlens.core.files import atomic_directory, atomic_path
from beatlens.explain.result.attribution import Attribution

_TIME = (1980, 1, 1, 0, 0, 0)
"""Time stamp of every member, so that the same attributions are the same bytes."""


def write_archive(path: str | Path, attributions: Iterable[Attribution]) -> list[str]:
    """Write attributions as ``<case>.npz`` into a zip file; return the cases, in the order given."""
    cases: list[str] = []
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for attribution in attributions:
            case = attribution.meta.case
            if case in cases:
                raise ValueError(f"{path}: case {case!r} twice; expected each case once")
            cases.append(case)
            archive.writestr(zipfile.ZipInfo(f"{case}.npz", _TIME), attribution.to_bytes())
    return cases


def gather_archives(archives: Sequence[str | Path], cases: Sequence[str], output: str | Path) -> None:
    """Unpack archives into a directory of ``<case>.npz``.

    Raises
    ------
    ValueError
        Where a case is missing, is there twice, or wasn't asked for.
    """
    wanted = {f"{case}.npz": case for case in cases}
    source: dict[str, Path] = {}
    with atomic_directory(output) as directory:
        for path in map(Path, archives):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if name not in wanted:
                        raise ValueError(f"{path}: member {name!r} is no case of the case table")
                    if name in source:
                        raise ValueError(f"case {wanted[name]!r} is in {source[name]} and in {path}; expected one")
                    source[name] = path
                    (directory / name).write_bytes(archive.read(name))
        missing = [case for name, case in wanted.items() if name not in source]
        if missing:
            raise ValueError(f"{output}: no attribution of cases {missing}; expected every case once")


def load_case(directory: str | Path, case: str) -> Attribution:
    """Read one case of a gathered directory, and check that it is that case."""
    attribution = Attribution.load(Path(directory) / f"{case}.npz")
    if attribution.meta.case != case:
        raise ValueError(f"{directory}/{case}.npz holds case {attribution.meta.case!r}")
    return attribution
