"""What it costs to watch a training: CPU seconds of the maps beside those of the training, in one run.

    PYTHONPATH=src python benchmarks/watch_cost.py results/demo [--epochs 4]
    PYTHONPATH=src python benchmarks/watch_cost.py results/mitdb [--epochs 2]

The network of the run is trained for some epochs with a watch (section ``watch`` of config/config.yaml, every epoch).
What is spent in the watch's calls is taken apart from the rest by the same clock in the same process, so that the load
of the machine weighs on both alike. Choosing the beats and writing the table of drift, which happen once, count with
the run's number of epochs. Nothing of a test patient is read.
"""

from __future__ import annotations

from measure import ROOT, Clock, machine, processes, show  # isort: split

import argparse
import copy
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from beatlens.core.files import read_table
from beatlens.explain.watch.settings import WatchSettings
from beatlens.explain.watch.watch import watch_training
from beatlens.learning.train_and_bundle import TrainingJob, input_spec, train_model
from beatlens.shards.learning_shards import sealed

MUST = {"demo": "15 %", "mitdb": "2 %"}


def spend(results: Path, epochs: int) -> dict[str, float]:
    """Return CPU seconds of an epoch, of its maps and of what happens once, with the beats and the run's epochs."""
    config = yaml.safe_load((results / "run_config.yaml").read_text(encoding="utf-8"))
    defaults = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    total = config["training"]["epochs"]
    watched = defaults["watch"] | {"every": 1}
    records = read_table(results / "records.tsv")
    shards = sealed([path for path in sorted((results / "preprocess").iterdir()) if path.is_dir()], records)
    spec = input_spec(config, results / "prototypes/library.csv", results / "prototypes/waves.npz")
    settings: dict[str, Any] = copy.deepcopy(config) | {"watch": watched, "device": "cpu"}
    settings["training"]["epochs"] = epochs
    spent = {"once": 0.0, "maps": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        job = TrainingJob(shards, records, spec, settings, Path(folder) / "state.npz", "key")
        clock = Clock()
        watch = watch_training(job, Path(folder) / "watch")
        spent["once"] += clock.cpu

        def counted(epoch: int, network: Any) -> None:
            clock = Clock()
            watch(epoch, network)
            spent["maps"] += clock.cpu

        clock = Clock()
        train_model(replace(job, callbacks=[counted]))
        training = clock.cpu - spent["maps"]
        clock = Clock()
        watch.hand_over()
        spent["once"] += clock.cpu
        size = sum(path.stat().st_size for path in (Path(folder) / "watch").glob("[0-9]*.npz")) / epochs
    per_epoch = WatchSettings(**watched).epochs(total)
    return {
        "epoch": training / epochs,
        "maps": spent["maps"] / epochs,
        "once": spent["once"],
        "share": (spent["once"] + len(per_epoch) * spent["maps"] / epochs) / (total * training / epochs),
        "beats": len(watch.cohort.cases),
        "total": total,
        "kilobytes": size / 1000,
    }


def nothing() -> None:
    """Prepare nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="results/<run> up to the prototypes")
    parser.add_argument("--epochs", type=int, default=4)
    arguments = parser.parse_args()
    name = arguments.results.name
    print(f"{name}; {machine()}")
    with processes(1, nothing) as pool:
        found = pool.apply(spend, (arguments.results, arguments.epochs))
    show(
        f"Watching {found['beats']:.0f} beats for {found['total']:.0f} epochs, by {arguments.epochs} of them",
        [
            ("CPU seconds of an epoch without its maps", "", "", f"{found['epoch']:.2f}"),
            ("CPU seconds of the maps of an epoch", "", "", f"{found['maps']:.3f}"),
            ("CPU seconds once a training", "", "", f"{found['once']:.2f}"),
            ("share of the training", MUST.get(name, ""), "", f"{100 * found['share']:.1f} %"),
            ("kilobytes of an epoch's file", "", "", f"{found['kilobytes']:.0f}"),
        ],
    )


if __name__ == "__main__":
    main()
