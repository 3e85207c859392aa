"""Peak memory of the workflow's programs at 48 and at 480 records: it should not grow with the records.

    PYTHONPATH=src python benchmarks/memory.py DATA/mitdb [--pieces 1 10] [--shards 4]

The 48 records are cut into pieces of 3 minutes, each a record and a patient of its own: one or ten of each, so that
what there is to hold grows tenfold. The programs run as the workflow's jobs do, with the same number of shards both
times, two jobs at once; training does one epoch. Anonymous memory is what a program holds; signals are mapped files
whose pages the kernel takes back at need, so the resident size, which counts them too, stands beside it. Of programs
that run once a shard the largest job counts.
"""

from __future__ import annotations

from measure import JOB_ENVIRONMENT, ROOT, machine, show  # isort: split

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from beatlens.config.load import load_config, merge
from beatlens.corpora.index import update_sheet

PIECE_S = 180
MUST_RATIO = 1.2
"""Above this share of the memory at the smaller size, memory has grown."""


@dataclass(frozen=True)
class Peak:
    """Largest memory of a program in MB, and its wall seconds."""

    anonymous: float
    resident: float
    seconds: float


def cut_records(source: Path, folder: Path, pieces: int) -> None:
    """Write headers and annotations of pieces of each record; the signal files are the whole ones."""
    import wfdb

    folder.mkdir(parents=True)
    for header in sorted(source.glob("*.hea")):
        name = header.stem
        shutil.copy(source / f"{name}.dat", folder)
        first, *signals = [line for line in header.read_text().splitlines() if line and not line.startswith("#")]
        fs = float(first.split()[2])
        length = round(PIECE_S * fs)
        found = wfdb.rdann(str(source / name), "atr")
        symbol, aux = np.array(found.symbol), np.array(found.aux_note, dtype=object)
        for piece in range(pieces):
            own, start = f"{name}_{piece}", piece * length
            lines = [f"{own} {len(signals)} {fs:g} {length}"]
            for line in signals:
                file, _, rest = line.split(maxsplit=2)
                lines.append(f"{file} 212+{start * len(signals) * 3 // 2} {rest}")
            (folder / f"{own}.hea").write_text("\n".join(lines) + "\n")
            inside = (found.sample >= start) & (found.sample < start + length)
            wfdb.wrann(
                own,
                "atr",
                found.sample[inside] - start,
                symbol[inside].tolist(),
                aux_note=aux[inside].tolist(),
                write_dir=str(folder),
            )


def peak_of(program: str, *arguments: Any, settings: dict[str, Any], log: Path) -> Peak:
    """Run a program of scripts/ and watch its memory."""
    command = [sys.executable, str(ROOT / f"scripts/{program}.py"), *map(str, arguments)]
    command += ["--settings", json.dumps(settings)]
    environment = os.environ | JOB_ENVIRONMENT | {"PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": "0"}
    largest = {"RssAnon": 0, "VmRSS": 0}
    began = time.perf_counter()
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            for line in status.read_text().splitlines():
                name, _, value = line.partition(":")
                if name in largest:
                    largest[name] = max(largest[name], int(value.split()[0]))
            time.sleep(0.01)
    if process.returncode:
        raise RuntimeError(f"{program} failed:\n{log.read_text()[-3000:]}")
    return Peak(largest["RssAnon"] / 1024, largest["VmRSS"] / 1024, time.perf_counter() - began)


def largest(peaks: Sequence[Peak]) -> Peak:
    return Peak(max(p.anonymous for p in peaks), max(p.resident for p in peaks), sum(p.seconds for p in peaks))


def run_programs(source: Path, pieces: int, n_shards: int, folder: Path) -> tuple[int, dict[str, Peak]]:
    """Run the programs from preprocessing to predictions; return the number of records and each one's peak."""
    corpus = {"name": "pieces", "format": "wfdb", "role": "train", "labels": str(ROOT / "config/labels/mitdb.csv")}
    changes = {
        "corpora": [corpus],
        "data_dir": str(folder),
        "split": {"scheme": "stratified", "table": None},
        "training": {"folds": 0, "epochs": 1},
    }
    overlay = yaml.safe_load((ROOT / "config/mitdb.yaml").read_text(encoding="utf-8"))
    config = load_config(merge(overlay, changes), ROOT, ROOT)
    cut_records(source, folder / "pieces", pieces)
    results, sheet = folder / "results", folder / "record_sheet.tsv"
    results.mkdir()
    n_records = len(update_sheet(config["corpora"], sheet, folder, results))
    found: dict[str, Peak] = {}

    def run(program: str, *arguments: Any, name: str = "") -> Peak:
        return peak_of(program, *arguments, settings=config, log=folder / f"{program}{name}.log")

    shards = [results / "preprocess" / f"{k}of{n_shards}" for k in range(n_shards)]
    tables = ["--shards", *shards, "--records", results / "records.tsv"]
    library = ["--library", results / "library.csv", "--waves", results / "waves.npz"]
    trained = ["--weights", results / "weights.npz", "--model", results / "model.json", "--held-out", results / "h.npz"]
    outputs = [(results / f"beats{k}.parquet", results / f"annotated{k}.parquet") for k in range(n_shards)]

    def preprocess(k: int) -> Peak:
        source = ["--data-root", f"pieces={folder / 'pieces'}", "--labels", f"pieces={corpus['labels']}"]
        place = ["--sheet", sheet, "--shard", k, "--shards", n_shards, "--output", shards[k]]
        return run("preprocess", *source, *place, name=str(k))

    def predict(k: int) -> Peak:
        records = ["--records", results / "records.tsv", "--bundle", results / "bundle"]
        beats, annotated = outputs[k]
        tables = ["--beats", beats, "--annotated", annotated, "--look-alikes", results / f"look_alikes{k}.parquet"]
        return run("predict", "--shard", shards[k], *records, *tables, name=str(k))

    with ThreadPoolExecutor(2) as pool:
        found["preprocess"] = largest(list(pool.map(preprocess, range(n_shards))))
        found["split"] = run("split", *tables, "--sheet", sheet, "--status", results / "status.tsv")
        rest = [["--" + name, results / f"{name}.out.csv"] for name in ("validation", "summary", "clusters")]
        space = ["--space", results / "space.npz"]
        found["mine_prototypes"] = run("mine_prototypes", *tables, *library, *sum(rest, []), *space)
        found["train"] = run("train", *tables, *library, *trained, "--history", results / "history.csv")
        found["bundle"] = run("bundle", *tables[-2:], *library, *trained, "--output", results / "bundle")
        found["predict"] = largest(list(pool.map(predict, range(n_shards))))
        beats, annotated = zip(*outputs, strict=True)
        joined = ["--output-beats", results / "beats.parquet", "--output-annotated", results / "annotated.parquet"]
        joined += ["--output-stretches", results / "stretches.parquet", "--output-remarks", results / "remarks.tsv"]
        noted = ["--stretches", *(shard / "stretches.parquet" for shard in shards)]
        noted += ["--remarks", *(shard / "remarks.tsv" for shard in shards)]
        predicted = ["--beats", *beats, "--annotated", *annotated]
        found["gather_predictions"] = run("gather_predictions", *predicted, *noted, *joined)
    return n_records, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pieces", type=int, nargs=2, default=[1, 10], help="of each record, at most 10")
    parser.add_argument("--shards", type=int, default=4)
    arguments = parser.parse_args()
    os.environ.pop("BEATLENS_DATA", None)  # the pieces lie in a folder of their own
    print(machine())
    sizes, peaks = [], []
    for pieces in arguments.pieces:
        with tempfile.TemporaryDirectory() as temporary:
            size, found = run_programs(arguments.folder.resolve(), pieces, arguments.shards, Path(temporary))
        sizes.append(size)
        peaks.append(found)
    few, many = peaks
    hours = (sizes[1] - sizes[0]) * PIECE_S / 3600
    rows = []
    for program, peak in few.items():
        other = many[program]
        must = f"<= {MUST_RATIO}" if program in {"preprocess", "train", "predict"} else ""
        text = f"{peak.anonymous:5.0f} -> {other.anonymous:5.0f} MB, ratio {other.anonymous / peak.anonymous:.2f}"
        text += f", {1000 * (other.anonymous - peak.anonymous) / hours:5.0f} MB for 1,000 h"
        text += (
            f"; resident {peak.resident:.0f} -> {other.resident:.0f} MB; {peak.seconds:.0f} -> {other.seconds:.0f} s"
        )
        rows.append((program, must, "", text))
    show(f"Peak anonymous memory of a job, {sizes[0]} -> {sizes[1]} records, {arguments.shards} shards", rows)


if __name__ == "__main__":
    main()
