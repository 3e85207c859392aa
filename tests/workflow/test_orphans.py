"""Snakemake is killed alone, so that its job goes on while the next run makes the same files."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from beatlens.core.files import sha256_of


def wait_for(true: Callable[[], object], what: str, seconds: float = 600) -> None:
    """Wait until something is so; the test fails where it never is."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what} never came"
        time.sleep(0.005)


def job_in(log: Path) -> int:
    """Return the process of the job that a log names, 0 before there is one."""
    words = log.read_text(encoding="utf-8").split() if log.exists() else []
    return int(words[1].split("-")[-2]) if len(words) > 1 else 0


def alive(process: int) -> bool:
    """Tell whether a process runs, stopped or not."""
    stat = Path(f"/proc/{process}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def state_of(files: list[Path]) -> dict[str, tuple[str, int]]:
    """Return content and time of files."""
    return {file.name: (sha256_of(file), file.stat().st_mtime_ns) for file in files}


@pytest.mark.parametrize(
    ("log", "begun", "folder", "remade"),
    [
        ("preprocess/0of2.log", "preprocess/0of2/.signals.*.tmp.npy", "preprocess/0of2", "preprocess/0of2/signals.npy"),
        ("train.log", "logs/train.log", "model/training", "model/training/weights.npz"),
    ],
)
def test_an_orphaned_job_leaves_the_files_of_the_job_that_replaced_it(finished, log, begun, folder, remade):
    results = finished.results
    wanted = {file.name: sha256_of(file) for file in (results / folder).iterdir()}
    shutil.rmtree(results / folder)
    (results / "logs" / log).unlink()
    target = f"results/tiny/{remade}"
    with (finished.folder / "said").open("w") as said:
        process = subprocess.Popen(
            finished.command(target, "--cores", "1"), cwd=finished.folder, env=finished.environment,
            stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
    try:
        wait_for(lambda: job_in(results / "logs" / log) and list(results.glob(begun)), begun)
        orphan = job_in(results / "logs" / log)
        os.kill(orphan, signal.SIGSTOP)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        finished.snakemake("--unlock")
        finished.snakemake(target, "--cores", "1")
        files = [results / folder / name for name in wanted]
        before = state_of(files)
        assert {name: digest for name, (digest, _) in before.items()} == wanted
        assert alive(orphan)
        os.kill(orphan, signal.SIGCONT)
        wait_for(lambda: not alive(orphan), "the orphan's end")
    finally:
        os.killpg(process.pid, signal.SIGKILL) if alive(orphan) else None
    assert state_of(files) == before
    assert sorted(file.name for file in (results / folder).iterdir()) == sorted(wanted)
    assert "no longer names this job" in (finished.folder / "said").read_text(encoding="utf-8")
    assert finished.planned(target) == {}
