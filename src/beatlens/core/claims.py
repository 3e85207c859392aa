"""Claims on outputs: a job's log names the job in its first line, and only that job gives files their final names.

When Snakemake alone is killed, its jobs go on. The next Snakemake removes the log of a job that it starts anew, and the
new job writes another. A job that no longer finds its name there has been replaced, be it from another machine, and
ends.
Temporary names hold machine, process and a random number, so that two jobs never write the same file.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

_HOST = re.sub(r"[^A-Za-z0-9-]", "_", platform.node().partition(".")[0])[:32] or "host"
_RANDOM = secrets.token_hex(6)


class ReplacedError(RuntimeError):
    """Another job makes this job's files now."""


@dataclass(frozen=True)
class _Claim:
    log: Path
    line: bytes


_claim: _Claim | None = None


def name() -> str:
    """Return the name of this process, which no other process of any machine has."""
    return f"{_HOST}-{os.getpid()}-{_RANDOM}"


def take(log: Path | None) -> None:
    """Begin the job's log with a line that names the job; without a log there is no claim, and nothing is checked."""
    global _claim
    _claim = None
    if log is None:
        return
    claim = _Claim(log, f"job {name()}\n".encode())
    log.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_of(log)
    try:
        temporary.write_bytes(claim.line)
        temporary.replace(log)  # a new file: a job that was replaced goes on writing to the old one
    finally:
        temporary.unlink(missing_ok=True)
    _claim = claim
    remove_leftovers(log)


def check() -> None:
    """Raise `ReplacedError` where the log names another job, or is gone."""
    if _claim is None:
        return
    try:
        with _claim.log.open("rb") as file:  # opened anew, so that a shared file system says what is there now
            line = file.readline(len(_claim.line))
    except FileNotFoundError:
        line = b""
    if line != _claim.line:
        raise ReplacedError(
            f"{_claim.log}: this log no longer names this job ({name()}), so another job makes its files; ending"
        )


def temporary_of(path: Path) -> Path:
    """Return the temporary path of this process beside `path`, hidden, with the same ending."""
    return path.with_name(f".{path.stem}.{name()}.tmp{path.suffix}")


def give_name(temporary: Path, path: Path) -> None:
    """Rename a temporary file or folder to its final path; `ReplacedError` where this job has been replaced."""
    check()
    temporary.replace(path)


def held() -> bool:
    """Tell whether this process is a job with a claim."""
    return _claim is not None


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files and folders that killed processes left beside `path`.

    Call it in a job with a claim, since any other writer has been replaced, or while holding a lock on `path`.
    """
    head, tail, in_use = f".{path.stem}.", f".tmp{path.suffix}", temporary_of(path).name
    for entry in path.parent.iterdir():
        middle = entry.name.removeprefix(head).removesuffix(tail)
        if entry.name == in_use or "." in middle or entry.name != f"{head}{middle}{tail}":
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
