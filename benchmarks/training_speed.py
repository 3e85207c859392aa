"""Training windows a second, each beat of a batch encoded once, beside encoding the beats of each window anew.

    PYTHONPATH=src python benchmarks/training_speed.py results/mitdb [--batches 8] [--repeats 5]

The network, the batches (the run's own training beats, augmented) and the optimiser are the same; the plain way sees
every window's context beats apart from those of all other windows, without padding. That both give the same logits is
asserted in evaluation mode (in training mode batch norm sees a beat as often as it is encoded). A step is forward,
loss, backward and update, by one process with one thread, as the workflow trains; gathering a batch (cutting beats,
augmentation, prototypes) costs ours as shown, and the plain way is given it for the same price. CPU seconds, medians
over repetitions, ours and the plain way in turn.
"""

from __future__ import annotations

from measure import ROOT, Clock, machine, processes, show  # isort: split

import argparse
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np
import torch
import yaml

from beatlens.core.files import read_table
from beatlens.learning.augmentation import Augmentation
from beatlens.learning.batches import Batch, TrainingSet
from beatlens.learning.objective import class_weights, forward, losses, to_tensors
from beatlens.learning.settings import TrainingSettings
from beatlens.learning.train_and_bundle import input_spec
from beatlens.models.build import make_deterministic
from beatlens.models.hybrid import HybridNet
from beatlens.models.settings import ModelSettings, NetworkConfig
from beatlens.shards.shard import Shard
from beatlens.signals.added_noise import noise_sources


def each_window_anew(batch: Batch) -> Batch:
    """Return a batch of the same targets in which no two windows share a beat."""
    n_targets, width = batch.windows.shape
    slots = np.arange(width)
    valid = slots < batch.lengths[:, None]
    beats = batch.windows[valid]
    first = np.cumsum(batch.lengths) - batch.lengths
    wave_of = np.full((batch.n_beats, len(batch.lead_ids)), -1)
    wave_of[batch.row, batch.column] = np.arange(len(batch.row))
    waves = wave_of[beats]
    row, column = np.nonzero(waves >= 0)
    chosen = waves[row, column]
    return replace(
        batch,
        waves=batch.waves[chosen],
        typical=batch.typical[chosen],
        row=row,
        column=column,
        n_beats=len(beats),
        rr=batch.rr[beats],
        windows=np.where(valid, first[:, None] + slots, 0),
    )


class Trainer:
    """A network and all that a step needs.

    Parameters
    ----------
    config
        Sizes of the network.
    settings
        Section ``training``.
    counts
        (K,) beats of each class.
    """

    def __init__(self, config: NetworkConfig, settings: TrainingSettings, counts: np.ndarray) -> None:
        torch.manual_seed(0)
        self.network, self.settings = HybridNet(config), settings
        self.weights = torch.from_numpy(class_weights(counts, settings.class_weight_power))
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-3, fused=True)

    def step(self, batch: Batch) -> None:
        """Do a step of training."""
        tensors = to_tensors(batch, "cpu")
        logits, gate = forward(self.network, tensors, batch.n_beats)
        total, _, _ = losses(logits, gate, tensors, self.weights, self.settings.gate_loss_weight)
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0, foreach=False)
        self.optimizer.step()

    def logits(self, batch: Batch) -> np.ndarray:
        """Return each member's class logits (n, members, K) in evaluation mode."""
        self.network.eval()
        with torch.inference_mode():
            return forward(self.network, to_tensors(batch, "cpu"), batch.n_beats)[0].numpy()

    def seconds(self, batches: list[Batch]) -> float:
        """Return the CPU seconds of a step for each batch."""
        self.network.train()
        clock = Clock()
        for batch in batches:
            self.step(batch)
        return clock.cpu


def compare(results: Path, n_batches: int, repeats: int) -> dict[str, float]:
    """Return CPU seconds of gathering and of steps by both ways, beats encoded by both, and the windows."""
    config = yaml.safe_load((results / "run_config.yaml").read_text(encoding="utf-8"))
    make_deterministic(1, "cpu")
    shards = [Shard(path) for path in sorted((results / "preprocess").iterdir()) if path.is_dir()]
    spec = input_spec(config, results / "prototypes/library.csv", results / "prototypes/waves.npz")
    training = TrainingSet(shards, read_table(results / "records.tsv"), "train", spec)
    settings = TrainingSettings.read(config["training"])
    noise = noise_sources(shards, "train", spec.geometry.fs, tuple(config["signal"]["band_hz"]), config["seed"])
    sizes = (
        len(spec.classes),
        spec.geometry.length,
        len(spec.beats.rr_features),
        spec.bank.n_features,
        spec.beats.context,
    )
    trainer = Trainer(NetworkConfig(ModelSettings.read(config["model"]), *sizes), settings, training.class_counts)

    def gather() -> list[Batch]:
        rng = np.random.default_rng(0)
        return list(islice(training.batches(settings.batch_beats, rng, noise, Augmentation.of(settings)), n_batches))

    ours = gather()
    plain = [each_window_anew(batch) for batch in ours]
    pairs = zip(ours, plain, strict=True)
    difference = max(float(np.abs(trainer.logits(own) - trainer.logits(other)).max()) for own, other in pairs)
    if difference > 1e-4:
        raise AssertionError(f"logits differ by {difference}; expected the same")
    spent: dict[str, list[float]] = {"gather": [], "ours": [], "plain": []}
    for _ in range(repeats + 1):
        clock = Clock()
        gather()
        spent["gather"].append(clock.cpu)
        spent["ours"].append(trainer.seconds(ours))
        spent["plain"].append(trainer.seconds(plain))
    ratios = [plain / own for own, plain in zip(spent["ours"][1:], spent["plain"][1:], strict=True)]
    return {name: median(values[1:]) for name, values in spent.items()} | {
        "ratio": median(ratios),
        "difference": difference,
        "windows": sum(len(batch.target) for batch in ours),
        "own_waves": sum(len(batch.waves) for batch in ours),
        "plain_waves": sum(len(batch.waves) for batch in plain),
        "context": spec.beats.context,
    }


def nothing() -> None:
    """Prepare nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="results/<run> up to the prototypes", nargs="?")
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    results = arguments.results or ROOT / "results/mitdb"
    print(f"{results.name}; {machine()}, torch {torch.__version__}")
    with processes(1, nothing) as pool:
        found = pool.apply(compare, (results, arguments.batches, arguments.repeats))
    windows, both = found["windows"], found["gather"]
    show(
        f"Training, {windows} windows of {found['context']} beats in {arguments.batches} batches, one thread",
        [
            ("windows a CPU second, ours", "", "", f"{windows / found['ours']:,.0f}"),
            ("windows a CPU second, every window's beats anew", "", "", f"{windows / found['plain']:,.0f}"),
            ("ratio of the steps", "4", "", f"{found['ratio']:.2f}"),
            ("ratio with gathering", "", "", f"{(both + found['plain']) / (both + found['ours']):.2f}"),
            ("windows a CPU second with gathering, ours", "", "", f"{windows / (both + found['ours']):,.0f}"),
            ("waves encoded, ours and plain", "", "", f"{found['own_waves']:,} and {found['plain_waves']:,}"),
            ("largest difference in logits", "1e-4", "", f"{found['difference']:.0e}"),
        ],
    )


if __name__ == "__main__":
    main()
