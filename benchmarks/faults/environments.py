"""Odd environments: the results have the same bits."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from faults.ground import OWN, Ground, contents, judge_rerun
from faults.trial import Trial

KIND = "odd environment"


@dataclass(frozen=True)
class Odd:
    """What is odd: variables, the umask, standard streams, working directory, folder."""

    name: str
    variables: dict[str, str] = field(default_factory=dict)
    umask: int = -1
    closed: str = ""
    elsewhere: bool = False
    folder: str = ""


ODD = (
    Odd("LANG=C", {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0"}),
    Odd("a Turkish locale and another time zone", {"LANG": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati"}),
    Odd("umask 077", umask=0o077),
    Odd("another working directory", elsewhere=True),
    Odd("a path with a blank, a quote and an umlaut", folder="it's ä b"),
    Odd("eight threads of every library", {f"{name}_NUM_THREADS": "8" for name in ("OMP", "MKL", "OPENBLAS")}),
    Odd("another hash seed, no HOME, warnings as errors of Python", {"PYTHONHASHSEED": "7", "HOME": "/nonexistent"}),
    Odd("standard output and error closed", closed=">&- 2>&-"),
    Odd("all standard streams closed", closed="<&- >&- 2>&-"),
)


def trials(ground: Ground) -> Iterator[Trial]:
    """Yield every trial."""
    yield from ground.map(lambda number: _trial(ground, number), range(0, len(ODD), 20 if ground.quick else 1))


def _trial(ground: Ground, number: int) -> Trial:
    odd = ODD[number]
    project = ground.copy(f"environment {number}")
    if odd.folder:
        project = project.rename(project.with_name(odd.folder))
    wanted = contents(project / "results/own")
    shutil.rmtree(project / "results/own")
    options: dict[str, Any] = {"env": {**ground.environment, **odd.variables}, "umask": odd.umask}
    place = project
    if odd.elsewhere:
        place = project / "else where"
        place.mkdir()
        for name in ("data", "results", OWN):
            (project / name).rename(place / name)
        answer = ground.run(place, ground.target, "--snakefile", str(project / "Snakefile"), "--cores", "1", **options)
    elif odd.closed:
        (project / "snakemake").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@" {odd.closed}\n', encoding="utf-8")
        (project / "snakemake").chmod(0o755)
        answer = ground.run(place, ground.target, executable="./snakemake", **options)
    else:
        answer = ground.run(place, ground.target, **options)
    outcome = judge_rerun(answer, wanted, place / "results/own")
    shutil.rmtree(project)
    return Trial(KIND, odd.name, *outcome)
