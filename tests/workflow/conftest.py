"""One finished run of the tiny configuration, made once for all workers; each test gets a copy of its own."""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WITH_TORCH = "with_torch.txt"
"""Beside a finished run: the programs that imported torch, a line each."""
NOTE_TORCH = """
import atexit, sys

def note():
    if "torch" in sys.modules:
        with open({file!r}, "a") as file:
            file.write(sys.argv[0] + chr(10))

atexit.register(note)
"""
"""Runs in each program of the finished run before the program does."""
PARTS = ("Snakefile", "workflow", "profiles", "scripts", "src", "config", "envs")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder as slow: they run Snakemake."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.slow)


@cache
def snakemake_server() -> subprocess.Popen[str]:
    """Return this worker's process that calls Snakemake; it ends with the worker."""
    program = Path(__file__).with_name("snakemake_server.py")
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    atexit.register(server.communicate)
    return server


class Project:
    """A copy of the project with its results, and ways to call Snakemake in it as a user would.

    The environment is deliberately bare: no activated virtual environment, nothing of the machine's but PATH.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results" / "tiny"
        cache = folder.parent / f"{folder.name}-cache"
        self.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(cache), "XDG_CACHE_HOME": str(cache)}

    def command(self, *arguments: str, config: str | None = "tests/workflow/tiny.yaml") -> list[str]:
        """Return the command line: targets first, since some options take any number of values."""
        chosen = ["--configfile", str(self.folder / config)] if config else []
        return [sys.executable, "-m", "snakemake", *arguments, *chosen]

    def snakemake(
        self, *arguments: str, cwd: Path | None = None, config: str | None = "tests/workflow/tiny.yaml", ok: bool = True
    ) -> str:
        """Call Snakemake and return what it said; with `ok` its exit status must be 0, without it must not."""
        file = self.folder.parent / f"{self.folder.name}-said"
        call = {
            "arguments": self.command(*arguments, config=config)[3:],
            "folder": str(cwd or self.folder),
            "environment": self.environment,
            "said": str(file),
        }
        server = snakemake_server()
        print(json.dumps(call), file=server.stdin, flush=True)
        status = int(server.stdout.readline())
        said = file.read_text(encoding="utf-8", errors="replace")
        assert (status == 0) is ok, said[-6000:]
        return said

    def planned(self, *arguments: str, **options: object) -> dict[str, int]:
        """Return how many jobs of each rule a dry run would run."""
        return job_counts(self.snakemake("--dry-run", *arguments, **options))  # type: ignore[arg-type]

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text that must be there in one of the project's files."""
        file = self.folder / path
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{path}: no {old!r}"
        file.write_text(text.replace(old, new), encoding="utf-8")


def job_counts(said: str) -> dict[str, int]:
    """Return the jobs by rule from the table that Snakemake prints; none where there is nothing to be done."""
    table = re.search(r"^job +count\n[- ]+\n(.*?)^total +\d+$", said, flags=re.M | re.S)
    if table is None:
        assert "Nothing to be done" in said, said[-6000:]
        return {}
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table.group(1), flags=re.M)}


def copy_project(target: Path, source: Path = ROOT) -> Project:
    """Copy a project's sources, without results."""
    target.mkdir(parents=True)
    for part in PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source / part, target / part)
    (target / "tests" / "workflow").mkdir(parents=True)
    shutil.copy2(source / "tests" / "workflow" / "tiny.yaml", target / "tests" / "workflow")
    return Project(target)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Return a function that makes a folder by its name unless another worker of pytest-xdist has, and returns it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder_of(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                make(folder)
                done.touch()
        return folder

    return folder_of


def finish(folder: Path) -> None:
    """Make a project and its run."""
    project = copy_project(folder)
    noting = folder / "src" / "sitecustomize.py"
    noting.write_text(NOTE_TORCH.format(file=str(folder / WITH_TORCH)), encoding="utf-8")
    project.snakemake("--cores", "2")
    noting.unlink()
    project.snakemake("--cores", "2")  # the sheet now knows the files of the corpus that the first call made


@pytest.fixture(scope="session")
def finished_folder(made_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """Return a project whose run has finished."""
    return made_once("finished", finish)


@pytest.fixture
def finished(finished_folder: Path, tmp_path: Path) -> Project:
    """Return a copy of the finished project, with the time stamps of the original."""
    folder = tmp_path / "project"
    subprocess.run(["cp", "-a", str(finished_folder), str(folder)], check=True)
    return Project(folder)


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """Return a project without results, as after a clone."""
    return copy_project(tmp_path / "fresh")


@pytest.fixture
def clone(finished: Project, tmp_path: Path) -> Project:
    """Return the sources of the finished project at another place, without results."""
    return copy_project(tmp_path / "clone", finished.folder)
