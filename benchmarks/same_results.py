"""Compare two folders of a run's results to the last bit: what a change of the code that should change no number left.

    python benchmarks/same_results.py results/before results/after

Tables are compared column by column, arrays and archives of arrays array by array, JSON value by value. What tells of
the run itself (logs, times, versions, digests of files, pages and drawings) is left out. It ends with 1 where a value,
column or file of the first folder is missing or another in the second; what the second has beside is listed alone.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

LEFT_OUT_FOLDERS = frozenset({"logs", "benchmarks"})
LEFT_OUT = frozenset({"manifest.json", "test_reads.tsv", "record_sheet.tsv"})
OF_THE_RUN = frozenset({"versions", "sha256", "digest", "schema_version", "training_device"})
"""Keys of JSON that tell of the run and its format, not of its numbers."""


@dataclass(frozen=True)
class Difference:
    """What differs: `gone` from the second folder, `other` there, or `added` to it."""

    kind: str
    place: str
    detail: str = ""


def compare(before: Path, after: Path) -> Iterator[Difference]:
    """Yield the differences of two folders of results, file by file."""
    names = sorted({*_files(before), *_files(after)})
    for name in names:
        if not (after / name).is_file():
            yield Difference("gone", name)
        elif not (before / name).is_file():
            yield Difference("added", name)
        else:
            yield from compare_file(before / name, after / name, name)


def compare_file(before: Path, after: Path, place: str) -> Iterator[Difference]:
    """Yield the differences of two files of one kind."""
    yield from _compare_values(_content(before), _content(after), place)


def _files(folder: Path) -> Iterator[str]:
    for file in folder.rglob("*"):
        name = file.relative_to(folder)
        if file.is_file() and not LEFT_OUT_FOLDERS & set(name.parts) and name.name not in LEFT_OUT and _is_read(file):
            yield name.as_posix()


def _is_read(file: Path) -> bool:
    return file.suffix in {".parquet", ".tsv", ".csv", ".npz", ".npy", ".json", ".zip"}


def _content(file: Path) -> Any:
    """Return a file as a mapping of names to values, or as one value."""
    if file.suffix == ".npy":
        return np.load(file, mmap_mode="r", allow_pickle=False)
    if file.suffix == ".json":
        return json.loads(file.read_text(encoding="utf-8"))
    if file.suffix in {".npz", ".zip"}:
        return _archive(file.read_bytes())
    return _columns(file)


def _archive(content: bytes) -> dict[str, Any]:
    """Return the members of an archive: arrays, archives of arrays, and other files as they are."""
    members: dict[str, Any] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            member = archive.read(name)
            if name.endswith(".npy"):
                members[name] = np.load(io.BytesIO(member), allow_pickle=False)
            elif name.endswith((".npz", ".zip")):
                members[name] = _archive(member)
            else:
                members[name] = member
    return members


def _columns(file: Path) -> dict[str, Any]:
    import pandas as pd

    if file.suffix == ".parquet":
        table = pd.read_parquet(file)
    else:
        table = pd.read_csv(file, sep="\t" if file.suffix == ".tsv" else ",", dtype=str, keep_default_na=False)
    return {str(name): table[name].to_numpy() for name in table.columns}


def _compare_values(before: Any, after: Any, place: str) -> Iterator[Difference]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted({*before, *after} - OF_THE_RUN):
            inner = f"{place}: {name}"
            if name not in after:
                yield Difference("gone", inner)
            elif name not in before:
                yield Difference("added", inner)
            else:
                yield from _compare_values(before[name], after[name], inner)
    elif isinstance(before, np.ndarray) and isinstance(after, np.ndarray):
        yield from _compare_arrays(before, after, place)
    elif type(before) is not type(after) or (before != after and not (before != before and after != after)):
        yield Difference("other", place, f"{_short(before)} -> {_short(after)}")


def _compare_arrays(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any], place: str) -> Iterator[Difference]:
    if before.shape != after.shape or before.dtype != after.dtype:
        yield Difference("other", place, f"{before.dtype} {before.shape} -> {after.dtype} {after.shape}")
    elif before.dtype.hasobject:
        differ = [k for k, pair in enumerate(zip(before.flat, after.flat, strict=True)) if not _same(*pair)]
        if differ:
            k = differ[0]
            yield Difference("other", place, f"{len(differ)} of {before.size}, first {before.flat[k]!r} at {k}")
    elif np.ascontiguousarray(before).tobytes() != np.ascontiguousarray(after).tobytes():
        equal = before == after
        if before.dtype.kind in "fc":
            equal |= np.isnan(before) & np.isnan(after)
        yield Difference("other", place, f"{np.count_nonzero(~equal)} of {before.size} values, the others in bits")


def _same(one: Any, other: Any) -> bool:
    return bool(one is other or one == other or (one != one and other != other))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="folder of a run's results, such as results/demo of the former code")
    parser.add_argument("after", type=Path, help="folder of the same run by the changed code")
    arguments = parser.parse_args()
    for folder in (arguments.before, arguments.after):
        if not any(_files(folder)):
            parser.error(f"{folder}: no results; expected the folder of a run")
    found = list(compare(arguments.before, arguments.after))
    for kind in ("gone", "other", "added"):
        for difference in found:
            if difference.kind == kind:
                print(f"{kind:6} {difference.place} {difference.detail}".rstrip())
    counted = len(set(_files(arguments.before)))
    wrong = sum(difference.kind != "added" for difference in found)
    print(f"{counted} files compared: {wrong} differences, {len(found) - wrong} additions")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
