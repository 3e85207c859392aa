"""One finished run of the tiny configuration, made once for all workers; each test gets a copy of its own."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "workflow", "profiles", "scripts", "src", "config", "envs")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder as slow: they run Snakemake."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.slow)


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
        answer = subprocess.run(
            self.command(*arguments, config=config),
            cwd=cwd or self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        said = answer.stdout + answer.stderr
        assert (answer.returncode == 0) is ok, said[-6000:]
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
def finished_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project whose run has finished; the workers of pytest-xdist share it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "finished"
    with (shared / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = shared / "finished.done"
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            project = copy_project(folder)
            project.snakemake("--cores", "2")
            project.snakemake("--cores", "2")  # the sheet now knows the files of the corpus that the first call made
            done.touch()
    return folder


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
