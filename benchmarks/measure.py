"""What the speed and memory benchmarks share: processes like the workflow's jobs, clocks, and the table they print.

Import it before numpy: it sets what numeric libraries read when they start.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
JOB_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
}
"""As the workflow gives it to its jobs; what concerns memory counts in processes started from here alone."""
os.environ.update(JOB_ENVIRONMENT)

Row = tuple[str, str, str, str]


def _prepare(barrier: Any, prepare: Callable[..., None], arguments: Sequence[Any]) -> None:
    prepare(*arguments)
    barrier.wait()


@contextmanager
def processes(n: int, prepare: Callable[..., None], *arguments: Any) -> Iterator[Any]:
    """Give a pool of `n` fresh processes, each of which has run `prepare(*arguments)`: imports and first calls."""
    context = get_context("spawn")
    barrier = context.Barrier(n + 1)
    with context.Pool(n, _prepare, (barrier, prepare, arguments)) as pool:
        barrier.wait(timeout=300)
        yield pool


class Clock:
    """Wall and CPU seconds of this process since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    @property
    def wall(self) -> float:
        """Wall seconds."""
        return time.perf_counter() - self._wall

    @property
    def cpu(self) -> float:
        """CPU seconds of all threads."""
        return time.process_time() - self._cpu


Stages = Mapping[str, Sequence[tuple[Any, str]]]
"""Stage to (module or class, name): the functions in which its time is spent, as they are called."""


@contextmanager
def stage_seconds(stages: Stages) -> Iterator[dict[str, float]]:
    """Give a dictionary that takes the CPU seconds of each stage, of the rest and of all inside the block."""
    spent = dict.fromkeys(stages, 0.0)

    def counted(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            clock = Clock()
            try:
                return function(*arguments, **options)
            finally:
                spent[stage] += clock.cpu

        return run

    originals = [(place, name, getattr(place, name)) for places in stages.values() for place, name in places]
    for stage, places in stages.items():
        for place, name in places:
            setattr(place, name, counted(stage, getattr(place, name)))
    clock = Clock()
    try:
        yield spent
    finally:
        total = clock.cpu
        for place, name, function in originals:
            setattr(place, name, function)
        spent |= {"rest": total - sum(spent.values()), "all": total}


def seconds(run: Callable[[], object], repeats: int) -> float:
    """Return the median CPU seconds of `run`, which has run once before."""
    run()
    spent = []
    for _ in range(repeats):
        clock = Clock()
        run()
        spent.append(clock.cpu)
    return median(spent)


def machine() -> str:
    """Return what the figures depend on beside the code."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{len(os.sched_getaffinity(0))} cores, load of the machine {load}"


def show(title: str, rows: Sequence[Row]) -> None:
    """Print a table of what is measured, what it must be, the aim, and the figure."""
    table = [("", "must", "aim", "measured"), *rows]
    widths = [max(len(row[k]) for row in table) for k in range(4)]
    print(f"\n{title}")
    for row in table:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  " + "  ".join(cells).rstrip())
