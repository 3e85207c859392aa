"""Run the campaign of faults, print and write its table, and end with 1 where anything was lost or silent."""

from __future__ import annotations

import argparse
import importlib
import os
import resource
import shutil
import sys
import time
from pathlib import Path

from faults.ground import Ground
from faults.trial import LOST, OUTCOMES, SILENT, Trial, fill, read_trials, table, write_trials

KINDS = ("kills", "disks", "damage", "swaps", "records", "tables", "hostile", "bundles", "downloads", "environments")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("results/faults"), help="folder of the campaign")
    parser.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=KINDS, help="kinds to try; the others' trials stay"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="trials at a time")
    parser.add_argument("--seed", type=int, default=1, help="of the moments, places and values of faults")
    parser.add_argument("--quick", action="store_true", help="a sample of each kind")
    parser.add_argument("--page", type=Path, help="page whose table is replaced, such as docs/reliability.md")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    ground = Ground(arguments.output, arguments.workers, arguments.seed, quick=arguments.quick)
    shutil.rmtree(ground.finished, ignore_errors=True)  # of an earlier state of the code
    ground.prepare()
    for kind in arguments.kinds:
        found: list[Trial] = []
        for trial in importlib.import_module(f"faults.{kind}").trials(ground):
            found.append(trial)
            if trial.outcome in {LOST, SILENT}:
                print(f"{trial.outcome}: {trial.kind}, {trial.name}: {trial.detail}", flush=True)
        write_trials(arguments.output / f"{kind}.jsonl", found)
        print(f"{kind}: {len(found)} trials, {time.monotonic() - began:.0f} s so far", flush=True)
    shutil.rmtree(ground.folder / "trials", ignore_errors=True)
    files = [arguments.output / f"{kind}.jsonl" for kind in KINDS]
    trials = [trial for file in files if file.exists() for trial in read_trials(file)]
    (arguments.output / "table.md").write_text(table(trials), encoding="utf-8")
    if arguments.page:
        fill(arguments.page, table(trials))
    print("\n" + table(trials))
    print(f"{time.monotonic() - began:.0f} s, {_cpu_s():.0f} s of CPU time")
    print("\n".join(f"{outcome}: {meaning}" for outcome, meaning in OUTCOMES.items()))
    return int(any(trial.outcome in {LOST, SILENT} for trial in trials))


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    sys.exit(main())
