"""CPU seconds and memory of explaining and scoring a case, of records of 30 minutes to 24 hours: they shouldn't grow.

    PYTHONPATH=src python benchmarks/case_cost.py results/demo [--record a01] [--hours 0.5 6 24]

A record of the run's made corpus is repeated until it is long enough, and goes with the run's bundle through the
programs, each run as the workflow's jobs are. Seconds are those of a whole job, imports too; a case's are what the job
takes beyond one without cases, the record's once-a-job preparation shared among them. Memory is the largest resident
size, mapped pages of the signal too.
"""

from __future__ import annotations

from measure import JOB_ENVIRONMENT, ROOT, machine, show  # isort: split

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from beatlens.config.load import load_config
from beatlens.corpora.index import update_sheet

MUST_RATIO = 1.2
"""Above this ratio of the longest record's figure to the shortest one's, the cost has grown."""
METHODS = ("lime", "kernelshap")
CASES = 17
"""Most cases of a record."""


@dataclass(frozen=True)
class Job:
    """CPU seconds and largest resident size (MB) of a program."""

    seconds: float
    megabytes: float


def run(program: str, settings: dict[str, Any], *arguments: Any) -> Job:
    """Run a program of scripts/ and return what the kernel counted for it."""
    command = [sys.executable, str(ROOT / f"scripts/{program}.py"), *map(str, arguments)]
    command += ["--settings", json.dumps(settings)]
    environment = os.environ | JOB_ENVIRONMENT | {"PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": "0"}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise RuntimeError(f"{program} failed:\n{output.read().decode()[-3000:]}")
    return Job(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def repeat_record(source: Path, folder: Path, hours: float) -> None:
    """Write a record again and again, one after the other, as a record of its own: ``long``.

    Never held as a whole: the kernel counts a job's memory from what the process that starts it has held.
    """
    import wfdb

    record = wfdb.rdrecord(str(source), physical=False)
    n, n_leads = round(hours * 3600 * record.fs), record.n_sig
    samples = record.d_signal.astype("<i2").tobytes()
    folder.mkdir(parents=True)
    with (folder / "long.dat").open("wb") as file:
        for left in range(n * n_leads * 2, 0, -len(samples)):
            file.write(samples[:left])
    units = zip(record.adc_gain, record.baseline, record.units, record.sig_name, strict=True)
    lines = [f"long.dat 16 {gain}({baseline})/{unit} 16 0 0 0 0 {name}" for gain, baseline, unit, name in units]
    (folder / "long.hea").write_text("\n".join([f"long {n_leads} {record.fs:g} {n}", *lines]) + "\n")


def jobs_of(source: Path, bundle: Path, hours: float, folder: Path) -> tuple[int, dict[str, Job], dict[str, Job]]:
    """Run the programs on a record; return its cases, what each job took, and what the same took without a case."""
    repeat_record(source, folder / "long", hours)
    corpus = {"name": "long", "format": "wfdb", "role": "predict"}
    most = {"per_class": CASES, "max_cases": CASES, "max_windows": 0}
    changes = {"bundle": str(bundle), "corpora": [corpus], "data_dir": str(folder), "cases": most}
    config = load_config(changes, ROOT, ROOT)
    sheet, shard, stored = folder / "sheet.tsv", folder / "shard", folder / "predictions"
    records, cases, none = folder / "records.tsv", folder / "cases.csv", folder / "none.csv"
    update_sheet(config["corpora"], sheet, folder, folder)
    found: dict[str, Job] = {}
    place = ["--sheet", sheet, "--data-root", f"long={folder / 'long'}", "--shard", 0, "--shards", 1]
    found["preprocess"] = run("preprocess", config, *place, "--output", shard)
    run("split", config, "--shards", shard, "--sheet", sheet, "--records", records, "--status", folder / "status.tsv")
    tables = ["--beats", stored / "beats.parquet", "--annotated", stored / "annotated.parquet"]
    tables += ["--look-alikes", stored / "look_alikes.parquet"]
    model = ["--bundle", bundle]
    found["predict"] = run("predict", config, "--shard", shard, "--records", records, *model, *tables)
    chosen = ["--beats", stored / "beats.parquet", "--records", records, "--output", cases]
    found["select_cases"] = run("select_cases", config, *chosen)
    table = pd.read_csv(cases)
    table.iloc[:0].to_csv(none, index=False)
    source_of = ["--shards", shard, "--predictions", stored, *model]
    idle: dict[str, Job] = {}
    for name, jobs in ((none, idle), (cases, found)):
        folders = []
        for method in METHODS:
            archive, output = folder / f"{method}.{name.stem}.zip", folder / f"{method}.{name.stem}"
            explain = ["--method", method, "--cases", name, "--shard", shard, *source_of, "--output", archive]
            jobs[method] = run("explain", config, *explain)
            run("gather_explanations", config, "--archives", archive, "--cases", name, "--output", output)
            folders.append(f"{method}={output}")
        regions = ["--regions", ROOT / "config/diagnostic_regions.csv"]
        scored = ["--cases", name, "--shard", shard, *source_of, "--methods", *folders, *regions]
        jobs["scores"] = run("score_cases", config, *scored, "--output", folder / "scores")
    return len(table), found, idle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="results/<run>, finished, whose bundle explains")
    parser.add_argument("--record", default="a01", help="record of the made corpus that is repeated")
    parser.add_argument("--hours", type=float, nargs="+", default=[0.5, 6.0, 24.0])
    arguments = parser.parse_args()
    os.environ.pop("BEATLENS_DATA", None)  # the records lie in a folder of their own
    print(machine())
    source = (arguments.run.parent / "corpora/synthetic" / arguments.record).resolve()
    bundle = (arguments.run / "model/bundle").resolve()
    cases, jobs, idle = [], [], []
    for hours in arguments.hours:
        with tempfile.TemporaryDirectory() as temporary:
            n, found, without = jobs_of(source, bundle, hours, Path(temporary))
        cases.append(n)
        jobs.append(found)
        idle.append(without)
    lengths = " -> ".join(f"{hours:g} h" for hours in arguments.hours)
    rows = []
    for program in jobs[0]:
        memory = " -> ".join(f"{found[program].megabytes:.0f}" for found in jobs)
        spent = " -> ".join(f"{found[program].seconds:.1f}" for found in jobs)
        rows.append((program, "", "", f"{spent} CPU s; {memory} MB"))
    for program in idle[0]:
        each = [
            (found[program].seconds - without[program].seconds) / max(n, 1)
            for n, found, without in zip(cases, jobs, idle, strict=True)
        ]
        text = " -> ".join(f"{seconds:.2f}" for seconds in each)
        rows.append((f"{program}, a case", f"<= {MUST_RATIO}", "", f"{text} CPU s, ratio {each[-1] / each[0]:.2f}"))
    show(f"Records of {lengths}; cases {cases}", rows)


if __name__ == "__main__":
    main()
