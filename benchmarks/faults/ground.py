"""Where faults are tried: a finished tiny run, copies of it, and Snakemake called in them as a user would."""

from __future__ import annotations

import hashlib
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from faults.trial import LOST, SILENT, SURVIVED

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("Snakefile", "workflow", "profiles", "scripts", "src", "config", "envs", "tests/workflow/tiny.yaml")
TINY = "tests/workflow/tiny.yaml"
OWN = "own.yaml"
OWN_RUN = """\
run: own
bundle: results/tiny/model/bundle
allow_made_bundle: true
shards: 1
max_bad_fraction: 1.0
cases: {max_cases: 2, max_windows: 0}
corpora:
  - {name: own, format: wfdb, role: predict}
"""
"""Recordings predicted by the tiny run's bundle: a few seconds of work in six jobs."""
CPU_S = 90
"""CPU seconds that a process may take, many times what any needs: finds endless loops, however busy the machine."""
MEMORY_BYTES = 8 << 30
"""Address space that a process may take; torch alone takes some GB."""
LIMIT_S = 1200.0
"""Longest time of a run in seconds, which finds those that wait for ever."""
OUR_ERRORS = ("ValueError", "ConfigError", "RecordFault", "TimeoutError", "ReplacedError")
"""Errors that are messages: what was found where, and what was expected."""
FRAME = ("WorkflowError", "RuleException", "CalledProcessError")
"""Errors by which Snakemake says that there was one."""
_ERRORS = re.compile(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception|Fault))(?:: | in file |$)", re.M)
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Answer:
    """What a command said, its exit status (None where it didn't end in time) and how long it took."""

    code: int | None
    said: str
    seconds: float

    @property
    def crashed(self) -> bool:
        """Whether it ended by an error that isn't one of our messages, by a limit, or not at all."""
        if self.code is None or self.code < 0:
            return True
        errors = [name for name in _ERRORS.findall(self.said) if name not in FRAME]
        limit = "CPU time limit exceeded" in self.said or "Killed" in self.said
        return self.code > 0 and (limit or bool(errors and errors[-1] not in OUR_ERRORS))

    @property
    def end(self) -> str:
        """The last of what it said that isn't Snakemake's frame."""
        frame = ("Shutting down", "Complete log", "Elapsed time", "Exiting", "This might take", "WorkflowError", "[")
        lines = [line for line in self.said.splitlines() if line.strip() and not line.strip().startswith(frame)]
        return f"exit {self.code}: " + " / ".join(line.strip() for line in lines[-4:])[-600:]


class Ground:
    """A finished tiny run in `folder`/finished and a place for trials beside it.

    Parameters
    ----------
    folder
        Where everything is put.
    workers
        Trials at a time.
    seed, quick
        Of the campaign; `quick` asks each kind for a sample.
    """

    def __init__(self, folder: Path, workers: int = 1, seed: int = 1, *, quick: bool = False) -> None:
        self.folder = folder.resolve()
        self.finished = self.folder / "finished"
        self.workers, self.seed, self.quick = workers, seed, quick
        self.target = "preprocess" if quick else "predict"  # what is made of own recordings
        self.run_s = 10.0  # how long the run of own recordings takes here, once it was made
        home = self.folder / "home"
        self.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "XDG_CACHE_HOME": str(home)}

    def prepare(self) -> None:
        """Make the run of the tiny configuration, with its report, unless it is there, and that of own recordings."""
        if not (self.finished / "results" / "tiny" / "manifest.json").exists():
            shutil.rmtree(self.finished, ignore_errors=True)
            for part in SOURCES:
                (self.finished / part).parent.mkdir(parents=True, exist_ok=True)
                copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
                copy(ROOT / part, self.finished / part)
            answer = self.run(self.finished, "--cores", "2", config=TINY)
            assert answer.code == 0, answer.said[-4000:]
        if not (self.finished / OWN).exists():
            own = self.finished / "data" / "own"
            own.mkdir(parents=True)
            for file in self.made.glob("a0[123].*"):
                if file.suffix in {".hea", ".dat", ".atr"}:
                    shutil.copy2(file, own)
            (self.finished / OWN).write_text(OWN_RUN, encoding="utf-8")
        made = "status.tsv" if self.quick else "predictions/strips.parquet"
        if not (self.finished / "results" / "own" / made).exists():
            answer = self.run(self.finished, self.target)
            assert answer.code == 0, answer.said[-4000:]
            self.run_s = answer.seconds

    @property
    def made(self) -> Path:
        """The records of the tiny run."""
        return self.finished / "results" / "corpora" / "synthetic"

    def random(self, *names: object) -> random.Random:
        """Return random numbers of a trial, the same at every run of the campaign."""
        return random.Random(f"{self.seed} {names}")

    def copy(self, name: str) -> Path:
        """Return a copy of the finished project for a trial."""
        target = self.folder / "trials" / name.replace("/", "_").replace(" ", "_")
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", str(self.finished), str(target)], check=True)
        return target

    def command(self, *arguments: str, config: str = OWN) -> list[str]:
        """Return a command line of Snakemake; a later `--cores` wins."""
        return [sys.executable, "-m", "snakemake", *arguments, "--configfile", config]

    def start(
        self,
        project: Path,
        *arguments: str,
        config: str = OWN,
        limits: Mapping[int, int] | None = None,
        **options: Any,
    ) -> subprocess.Popen[bytes]:
        """Start Snakemake in a process group of its own; what it says goes to the file `said` of the project.

        `limits` are those of each process by `resource.RLIMIT_*`, `options` those of `subprocess.Popen`.
        """
        every = {resource.RLIMIT_CPU: CPU_S, resource.RLIMIT_AS: MEMORY_BYTES, **(limits or {})}

        def limit() -> None:
            for key, value in every.items():
                resource.setrlimit(key, (value, value))

        options["preexec_fn"] = limit
        with (project / "said").open("wb") as said:
            given: dict[str, Any] = {"cwd": project, "env": self.environment, "stdout": said, "stderr": said} | options
            command = self.command(*arguments, *_cores(arguments), config=config)
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **given)

    def run(
        self, project: Path, *arguments: str, config: str = OWN, limit_s: float = LIMIT_S, **options: Any
    ) -> Answer:
        """Call Snakemake and wait for its end, or end it and all of its jobs when the time is up."""
        began = time.monotonic()
        process = self.start(project, *arguments, config=config, **options)
        try:
            code: int | None = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = None
        said = (project / "said").read_text(encoding="utf-8", errors="replace")
        return Answer(code, said, time.monotonic() - began)

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Apply a function to items, as many at a time as there are workers, and yield the results in order."""
        with ThreadPoolExecutor(self.workers) as pool:
            yield from pool.map(function, items)


def _cores(arguments: Sequence[str]) -> tuple[str, ...]:
    return () if "--cores" in arguments else ("--cores", "1")


def contents(folder: Path) -> dict[str, str]:
    """Return the sha256 of each result below a folder: not logs, times, the page of an unfinished run, and reads."""
    skipped = {"logs", "benchmarks"}
    names = {"record_sheet.tsv", "record_sheet.tsv.lock", "manifest.json", ".snakemake_timestamp", "test_reads.tsv"}
    names |= {"unfinished.html"}
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name not in names and not skipped & set(file.relative_to(folder).parts)
    }


def judge_rerun(answer: Answer, wanted: dict[str, str], results: Path) -> tuple[str, str]:
    """Return outcome and detail of a run that was started again after a fault."""
    if answer.code != 0:
        return LOST, answer.end
    found = contents(results)
    if rest := sorted(set(found) - set(wanted)):
        return LOST, f"left for good: {', '.join(rest[:3])}"
    differ = sorted(name for name in wanted if found.get(name) != wanted[name])
    return (SILENT, f"differ: {', '.join(differ[:3])}") if differ else (SURVIVED, "")
