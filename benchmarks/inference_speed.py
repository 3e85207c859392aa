"""Single-lead beats a second of prediction, by stage, and as a share of what the machine can multiply.

    PYTHONPATH=src python benchmarks/inference_speed.py results/mitdb [--lead II] [--repeats 5] [--device cuda]

The run's bundle and the detected beats of its records, of which the bundle is given one lead; processes of one thread,
as the workflow predicts its shards (one process on a GPU). A prediction is everything from the shard's tables in memory
to the table of predictions: cutting beats, RR features, similarity to prototypes, network, calibration, reasons.
What the stages leave is the network and the making of the table. Its rate of the network's multiplications stands
beside that of a square float32 matmul by the same processes in the same run, per CPU second, so that other work on the
machine weighs on both alike. Rates per CPU second are times the processes.
"""

from __future__ import annotations

from measure import ROOT, Clock, Stages, machine, processes, show, stage_seconds  # isort: split

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

import beatlens.inputs.network_inputs
import beatlens.prediction.predict
from beatlens.core.files import read_table
from beatlens.inputs.look_alikes import LookAlikes
from beatlens.inputs.network_inputs import prepare_record
from beatlens.models.build import make_deterministic
from beatlens.prediction.bundle import Bundle
from beatlens.prediction.predict import network_outputs, predict_beats
from beatlens.shards.shard import Shard

STAGES: Stages = {
    "beats and RR features": [(beatlens.inputs.network_inputs, "prepare_record")],
    "prototypes": [(beatlens.prediction.predict, "prototype_features")],
    "look-alikes": [(beatlens.prediction.predict, "look_alikes_of"), (LookAlikes, "say"), (LookAlikes, "shift")],
    "reasons": [(beatlens.prediction.predict, "reasons")],
}
SIZE, PRODUCTS = 1024, 20
"""Of the matrices, and how many products are timed."""

prepared: dict[str, Any] = {}
"""What a process keeps between calls."""


def load(results: Path, lead: str, device: str) -> None:
    """Load bundle and beats into this process and predict a record."""
    make_deterministic(1, device)
    bundle = Bundle.load(results / "model/bundle")
    bundle = replace(bundle, spec=replace(bundle.spec, leads=(lead,), bank=bundle.bank.for_leads((lead,))))
    records = read_table(results / "records.tsv")
    tables = []
    for path in sorted((results / "preprocess").iterdir()):
        if path.is_dir():
            shard = Shard(path)
            beats = shard.beats()
            for (corpus, record), own in beats.groupby(["corpus", "record"], sort=False):
                if lead in shard.leads(corpus, record):
                    tables.append((shard, own.reset_index(drop=True)))
    if not tables:
        raise ValueError(f"{results}: no record has the lead {lead}")
    splits = dict(zip(zip(records["corpus"], records["record"], strict=True), records["split"], strict=True))
    prepared.update(bundle=bundle, network=bundle.network(device), tables=tables, splits=splits, device=device)
    predict(tables[0])


def predict(entry: tuple[Shard, pd.DataFrame]) -> int:
    """Predict the beats of a record; return their number."""
    shard, beats = entry
    own = prepared
    return len(predict_beats(shard, beats, own["splits"], own["bundle"], own["network"], device=own["device"]))


def share_of_records(number: int, n: int) -> dict[str, float]:
    """Predict every n-th record from a number on."""
    with stage_seconds(STAGES) as spent:
        beats = sum(predict(entry) for entry in prepared["tables"][number::n])
    return {"beats": float(beats), **spent}


def matmul(_: int) -> dict[str, float]:
    """Return wall and CPU seconds of the products."""
    a, b = torch.rand(2, SIZE, SIZE, device=prepared["device"])
    out = torch.empty_like(a)
    torch.mm(a, b, out=out)
    wait()
    clock = Clock()
    for _ in range(PRODUCTS):
        torch.mm(a, b, out=out)
    wait()
    return {"wall": clock.wall, "cpu": clock.cpu}


def wait() -> None:
    if prepared["device"] == "cuda":
        torch.cuda.synchronize()


def network_flops(_: int) -> float:
    """Return floating-point operations of the network for a beat, those of the neighbours of a chunk included."""
    shard, beats = prepared["tables"][0]
    spec = prepared["bundle"].spec
    inputs = prepare_record(shard, beats, spec)
    with FlopCounterMode(display=False) as counter:
        network_outputs(inputs, spec, prepared["network"], prepared["device"])
    return float(counter.get_total_flops() / len(inputs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="?", help="results/<run> up to the bundle")
    parser.add_argument("--lead", default="II")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    arguments = parser.parse_args()
    results = (arguments.results or ROOT / "results/mitdb").resolve()
    gpu = arguments.device == "cuda"
    if gpu and not torch.cuda.is_available():
        parser.error("--device cuda, but torch finds no CUDA device")
    n = 1 if gpu else arguments.processes
    print(f"{results.name}, {arguments.device}; {machine()}, torch {torch.__version__}")
    rows: list[dict[str, float]] = []
    with processes(n, load, results, arguments.lead, arguments.device) as pool:
        flops = pool.apply(network_flops, (0,))
        for _ in range(arguments.repeats):
            clock = Clock()
            parts = pool.map(partial(share_of_records, n=n), range(n), chunksize=1)
            wall = clock.wall
            products = pool.map(matmul, range(n), chunksize=1)
            total = {name: sum(part[name] for part in parts) for name in parts[0]}
            peak = {name: 2 * SIZE**3 * PRODUCTS * n * n / sum(part[name] for part in products) for name in products[0]}
            rows.append(total | {"wall": wall, "peak": peak["wall" if gpu else "cpu"]})
    middle = {name: median(row[name] for row in rows) for name in rows[0]}
    beats = middle["beats"]
    rate = beats / middle["wall"] if gpu else n * beats / middle["all"]
    network = n * beats / middle["rest"] * flops
    share = median(n * row["beats"] / (row["wall"] if gpu else row["rest"]) * flops / row["peak"] for row in rows)
    micro = {stage: 1e6 * middle[stage] / beats for stage in [*STAGES, "rest", "all"]}
    show(
        f"{beats:,.0f} beats of lead {arguments.lead}, {n} processes of one thread, median of {arguments.repeats}",
        [
            ("beats a wall second", "1,000,000" if gpu else "40,000", "", f"{beats / middle['wall']:,.0f}"),
            *([] if gpu else [("beats a CPU second, times processes", "40,000", "", f"{rate:,.0f}")]),
            *(
                (f"  {name.replace('rest', 'network and table')}, CPU us a beat", "", "", f"{micro[name]:.1f}")
                for name in micro
            ),
            ("beats a second by the network alone", "", "", f"{network / flops:,.0f}"),
            ("network, MFLOP a beat", "", "", f"{flops / 1e6:.2f}"),
            ("network, GFLOP/s", "", "", f"{network / 1e9:.0f}"),
            (f"matmul of {SIZE}, GFLOP/s", "", "", f"{middle['peak'] / 1e9:.0f}"),
            ("network's share of the matmul", "", "90 %", f"{share:.0%}"),
        ],
    )


if __name__ == "__main__":
    main()
