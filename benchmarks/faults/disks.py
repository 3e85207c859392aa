"""Disks that fill up while a job writes (a limit on the size of a file): the error is told, half a file never stays."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Iterator

from faults.ground import Ground, contents, judge_rerun
from faults.trial import LOST, SILENT, SURVIVED, TOLD, Trial

KIND = "full disk"
MESSAGES = ("File too large", "No space left", "Errno 27", "Errno 28")


def trials(ground: Ground) -> Iterator[Trial]:
    """Yield every trial."""
    yield from ground.map(lambda number: _trial(ground, number), range(1 if ground.quick else 5))


def _trial(ground: Ground, number: int) -> Trial:
    project = ground.copy(f"{KIND} {number}")
    results = project / "results" / "own"
    wanted = contents(results)
    sizes = sorted((results / name).stat().st_size for name in wanted)
    limit = ground.random(KIND, number).randint(sizes[len(sizes) // 2], sizes[-1] - 1)
    shutil.rmtree(results)
    answer = ground.run(project, ground.target, limits={resource.RLIMIT_FSIZE: limit})
    found = contents(results)
    half = sorted(name for name in found if found[name] != wanted.get(name))
    if answer.code == 0:
        outcome = (SURVIVED, "") if found == wanted else (SILENT, f"differ: {half}")
    elif half:
        outcome = SILENT, f"half a file: {half}"
    elif not any(words in answer.said for words in MESSAGES):
        outcome = LOST, answer.end
    else:
        outcome = judge_rerun(ground.run(project, ground.target), wanted, results)
        outcome = (TOLD, "went on with room") if outcome[0] == SURVIVED else outcome
    shutil.rmtree(project)
    return Trial(KIND, f"no file above {limit} bytes", *outcome)
