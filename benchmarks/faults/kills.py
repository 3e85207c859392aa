"""Kills and signals at random moments: of everything, of Snakemake alone, and as a user ends a run."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from faults.ground import OWN, TINY, Answer, Ground, contents, judge_rerun
from faults.trial import SILENT, Trial

GROUP, ALONE, ENDED = "kill of the process group", "kill of Snakemake alone", "SIGTERM and SIGINT"
NUMBERS = {GROUP: 25, ALONE: 6, ENDED: 10}


@dataclass(frozen=True)
class Work:
    """What is under way: a target, what is removed so that it is made anew, and its time in runs of own recordings.

    The ground's own target stands first, without a name.
    """

    target: str
    config: str
    run: str
    removed: tuple[str, ...]
    share: float


WORKS = (
    Work("", OWN, "own", ("",), 1.0),
    Work("results/tiny/model/bundle/bundle.json", TINY, "tiny", ("model",), 1.3),
    Work("preprocess", TINY, "tiny", ("preprocess", "records.tsv", "status.tsv", "../corpora"), 1.0),
)


def trials(ground: Ground) -> Iterator[Trial]:
    """Yield every trial."""
    numbers = {ENDED: 1} if ground.quick else NUMBERS
    plan = [(kind, number) for kind, count in numbers.items() for number in range(count)]
    yield from ground.map(lambda item: _trial(ground, *item), plan)


def _trial(ground: Ground, kind: str, number: int) -> Trial:
    rng = ground.random(kind, number)
    work = WORKS[number % len(WORKS)]
    target = work.target or ground.target
    project = ground.copy(f"{kind} {number}")
    results = project / "results" / work.run
    wanted = contents(results)
    for name in work.removed:
        place = results / name
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    moment = rng.uniform(0, work.share) * ground.run_s
    process = ground.start(project, target, config=work.config)
    while kind == ALONE and not _jobs(project) and process.poll() is None:
        time.sleep(0.02)
    time.sleep(moment / 3 if kind == ALONE else moment)
    name = f"{target} after {moment:.2f} s"
    jobs: list[int] = []
    if kind == GROUP:
        os.killpg(process.pid, signal.SIGKILL)
    elif kind == ALONE:
        jobs = _jobs(project)
        os.kill(process.pid, signal.SIGKILL)
        if number % 2:  # an orphan so slow that it outlives the next run
            for job in jobs:
                _send(job, signal.SIGSTOP)
    else:
        os.kill(process.pid, rng.choice([signal.SIGTERM, signal.SIGINT]))
    process.wait(120)
    half = _half_files(results, wanted)
    shutil.rmtree(project / ".snakemake" / "locks", ignore_errors=True)  # what --unlock does
    answer = ground.run(project, target, config=work.config)
    outcome = _judge(answer, wanted, results, work)
    for job in jobs:
        _send(job, signal.SIGCONT)
    if jobs:
        _wait(jobs)
        name += f", {len(jobs)} jobs going on"
        outcome = outcome if answer.code else _judge(answer, wanted, results, work)
    if half:
        outcome = SILENT, f"half a file: {half}"
    shutil.rmtree(project)
    return Trial(kind, name, *outcome)


def _judge(answer: Answer, wanted: dict[str, str], results: Path, work: Work) -> tuple[str, str]:
    made = {name: digest for name, digest in wanted.items() if (results / name).exists() or _asked(name, work)}
    return judge_rerun(answer, made, results)


def _asked(name: str, work: Work) -> bool:
    """Tell whether a file is among those that the target needs; what comes after it is made by another run."""
    return any(name.startswith(part) for part in work.removed) and name not in {"model/training/state.npz"}


def _half_files(results: Path, wanted: dict[str, str]) -> str:
    """Return files with a final name whose content is neither that of before nor unfinished under another name."""
    found = {name: digest for name, digest in contents(results).items() if ".tmp" not in name and name in wanted}
    return ", ".join(sorted(name for name, digest in found.items() if digest != wanted[name]))


def _jobs(project: Path) -> list[int]:
    """Return the processes that run programs of a project."""
    scripts = f"{project}/scripts/".encode()
    found = []
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        try:
            words = (place / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if len(words) > 1 and words[1].startswith(scripts):
            found.append(int(place.name))
    return found


def _send(process: int, number: signal.Signals) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        pass


def _wait(jobs: list[int]) -> None:
    for _ in range(6000):
        if not any(Path(f"/proc/{job}").exists() for job in jobs):
            return
        time.sleep(0.1)
    for job in jobs:
        _send(job, signal.SIGKILL)
