"""Speed of explanations: ours, the naive batched re-run of the whole chain, and captum, in one run as ratios.

    PYTHONPATH=src python benchmarks/explain_speed.py [--threads 2] [--device cpu] [--repeats 5]

1. KernelSHAP of 200 samples on a 10-s record of 10 beats and two leads, 20 segments: explanations a second, sampling of
   the coalitions and the fit included, nothing kept from one to the next; beside captum's KernelShap (one perturbation
   a call, its default, and 200 a call) on the same network, signal, segments and baseline.
2. 4,096 masks on a 12-lead 10-s record of 12 beats and 20 segments: seconds, for a beat and for all beats (a window
   target), by baseline; beside the re-run in batches (of the size given, and of 256 waves, its best here), timed on
   --naive-masks masks and scaled.

The network has the configuration's sizes and random weights, and prototypes; times are the best of --repeats. Both
tables end with the largest difference in logits between ours and the re-run.
"""

from __future__ import annotations

import os

# As the workflow's jobs have them; they count only if set before the libraries start.
for name, value in {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
}.items():
    os.environ.setdefault(name, value)

import argparse  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402
from collections.abc import Callable  # noqa: E402
from functools import partial  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
import yaml  # noqa: E402

from beatlens.beats.settings import RR_FEATURES  # noqa: E402
from beatlens.core.leads import lead_id  # noqa: E402
from beatlens.decision.calibration import Calibration  # noqa: E402
from beatlens.explain.case.baselines import fill_signal  # noqa: E402
from beatlens.explain.case.instance import Instance  # noqa: E402
from beatlens.explain.case.target import Target  # noqa: E402
from beatlens.explain.engine.perturbation import PerturbationEngine  # noqa: E402
from beatlens.explain.methods.kernelshap import solve_kernelshap  # noqa: E402
from beatlens.explain.methods.sampling import shapley_coalitions  # noqa: E402
from beatlens.explain.players.coalition import Players, segment_players  # noqa: E402
from beatlens.inputs.prepared_record import PreparedRecord  # noqa: E402
from beatlens.inputs.prototype_bank import PrototypeBank  # noqa: E402
from beatlens.models.hybrid import HybridNet  # noqa: E402
from beatlens.models.settings import ModelSettings, NetworkConfig  # noqa: E402
from beatlens.shards.shard import BeatGeometry  # noqa: E402

CONFIG = yaml.safe_load((Path(__file__).parents[1] / "config/config.yaml").read_text(encoding="utf-8"))
CLASSES = tuple(CONFIG["classes"])
GEOMETRY = BeatGeometry.from_seconds(CONFIG["signal"]["fs"], CONFIG["beats"]["before_s"], CONFIG["beats"]["after_s"])
CONTEXT = CONFIG["beats"]["context"]
CALIBRATION = Calibration(1.0, (0.0,) * len(CLASSES), 1.0, 0.0)
SAMPLES, MASKS, SEGMENTS = 200, 4096, 20


def make_network(device: str) -> HybridNet:
    torch.manual_seed(0)
    settings = ModelSettings.read(CONFIG["model"])
    config = NetworkConfig(settings, len(CLASSES), GEOMETRY.length, len(RR_FEATURES), 2 * len(CLASSES), CONTEXT)
    return HybridNet(config).eval().to(device)


def make_bank(leads: tuple[str, ...]) -> PrototypeBank:
    rng = np.random.default_rng(1)
    n = CONFIG["prototypes"]["per_class"] * len(CLASSES)
    waves = rng.normal(size=(n, len(leads), GEOMETRY.length)).astype(np.float32)
    labels, names = np.array([CLASSES[k % len(CLASSES)] for k in range(n)]), np.array([f"x/{k}" for k in range(n)])
    return PrototypeBank(waves, np.ones((n, len(leads)), dtype=bool), leads, CLASSES, labels, names, names, 3)


def make_instance(leads: tuple[str, ...], n_beats: int, targets: list[int]) -> Instance:
    rng = np.random.default_rng(0)
    n_samples = int(10 * GEOMETRY.fs)
    r_index = np.linspace(GEOMETRY.before, n_samples - GEOMETRY.after, n_beats).astype(np.int64)
    half = CONTEXT // 2
    own = [np.arange(max(0, t - half), min(n_beats, t + half + 1)) for t in targets]
    windows = np.zeros((len(targets), CONTEXT), dtype=np.int64)
    for row, beats in zip(windows, own, strict=True):
        row[: len(beats)] = beats
    signal = rng.normal(size=(len(leads), n_samples)).cumsum(axis=1).astype(np.float32) * 0.1
    record = PreparedRecord(
        corpus="benchmark",
        record="record",
        patient="benchmark/patient",
        fs_file=GEOMETRY.fs,
        leads=leads,
        lead_scale=np.ones(len(leads), dtype=np.float32),
        lead_ids=np.array([lead_id(lead) for lead in leads]),
        geometry=GEOMETRY,
        stored=signal,
        rows=np.arange(len(leads)),
        typical=rng.normal(size=(len(leads), GEOMETRY.length)).astype(np.float32),
        r_index=r_index,
        rr=rng.normal(size=(n_beats, len(RR_FEATURES))).astype(np.float32),
        usual_rr_s=np.full(n_beats, 0.8),
        windows=np.zeros((n_beats, CONTEXT), dtype=np.int64),
        lengths=np.ones(n_beats, dtype=np.int64),
        positions=np.zeros(n_beats, dtype=np.int64),
    )
    return Instance(
        record=record,
        record_rows=np.arange(n_beats),
        rr_off=np.zeros(len(RR_FEATURES), dtype=np.float32),
        windows=windows,
        lengths=np.array([len(beats) for beats in own]),
        positions=np.array([t - beats[0] for t, beats in zip(targets, own, strict=True)]),
    )


class Naive:
    """The whole chain again for each mask: perturbed signal, beats, encoder, prototypes, rhythm, heads."""

    def __init__(self, instance: Instance, network: HybridNet, bank: PrototypeBank, device: str) -> None:
        self.instance, self.network, self.bank, self.device = instance, network, bank, device
        self.index = torch.from_numpy(np.stack([instance.beat_samples(k) for k in range(len(instance.r_index))]))
        self.prototypes = torch.from_numpy(bank.waves).to(device)
        self.by_class = [torch.from_numpy(np.flatnonzero(bank.labels == name)) for name in CLASSES]

    def logits(self, signal: torch.Tensor) -> torch.Tensor:
        """Return logits (M, n_targets, K) of signals (M, L, n_samples)."""
        instance, n = self.instance, len(signal)
        n_beats, n_leads, n_targets = len(instance.r_index), len(instance.record.leads), len(instance.positions)
        waves = signal[:, :, self.index].permute(0, 2, 1, 3).reshape(n * n_beats, n_leads, -1)
        typical = torch.from_numpy(instance.record.typical).to(self.device).repeat(n * n_beats, 1)
        features = self.network.encode_leads(waves.reshape(n * n_beats * n_leads, -1), typical)
        features = features.view(n * n_beats, n_leads, -1)
        present = torch.ones(features.shape[:2], dtype=torch.bool, device=self.device)
        embeddings = self.network.mix_leads(
            features, present, torch.from_numpy(instance.record.lead_ids).to(self.device)
        )
        offset = torch.arange(n, device=self.device)[:, None, None] * n_beats

        def move(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(array).to(self.device)

        targets = (move(instance.target_rows) + offset[:, 0]).reshape(-1)
        target_waves = waves[targets]
        top = torch.einsum("nlt,plt->np", target_waves, self.prototypes)
        norm = target_waves.pow(2).sum((1, 2))[:, None] * self.prototypes.pow(2).sum((1, 2))
        similarity = torch.where(norm > 0, top / norm.sqrt(), 0.0).clamp(-1, 1)
        best = [similarity[:, columns].topk(self.bank.top_similar, dim=1).values for columns in self.by_class]
        prototype = torch.stack([*(b[:, 0] for b in best), *(b.mean(1) for b in best)], dim=1)
        logits, _ = self.network.classify(
            embeddings,
            move(instance.rr).repeat(n, 1),
            prototype,
            (move(instance.windows) + offset).reshape(n * n_targets, -1),
            move(instance.lengths).repeat(n),
            move(instance.positions).repeat(n),
        )
        return logits.view(n, n_targets, -1)

    def run(self, masks: np.ndarray, players: Players, fill: np.ndarray, batch: int) -> np.ndarray:
        """Return logits of masks without rhythm players, with a baseline that needs no anchors."""
        instance, parts = self.instance, []
        signal = torch.from_numpy(instance.record.signal).to(self.device)
        filled = signal.clone()
        filled[:, instance.start : instance.stop] = torch.from_numpy(fill).to(self.device)
        lengths = np.diff(players.edges)
        with torch.inference_mode():
            for first in range(0, len(masks), batch):
                cells = players.cells_on(masks[first : first + batch])
                on = torch.ones((len(cells), *signal.shape), dtype=torch.bool)
                on[:, :, instance.start : instance.stop] = torch.from_numpy(np.repeat(cells, lengths, axis=2))
                parts.append(self.logits(torch.where(on.to(self.device), signal, filled)).cpu().numpy())
        return np.concatenate(parts)


def best(run: Callable[[], object], repeats: int, device: str) -> float:
    """Return the shortest of some runs, after one that warms up."""
    times = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return min(times[1:])


def segments(instance: Instance) -> Players:
    edges = np.linspace(instance.start, instance.stop, SEGMENTS + 1).astype(np.int64)
    return segment_players(instance.record.leads, edges, rhythm=False)


def kernelshap(network: HybridNet, device: str, repeats: int) -> None:
    from captum.attr import KernelShap

    leads = ("II", "V1")
    instance, bank = make_instance(leads, 10, [5]), make_bank(leads)
    players, target = segments(instance), Target("beat", 2, "logit")
    rates = {}
    for baseline in ("lead_mean", "zero", "median_beat", "interpolation"):

        def explain(baseline: str = baseline) -> object:
            engine = PerturbationEngine(
                instance, network, bank=bank, calibration=CALIBRATION, baseline=baseline, device=device
            )
            coalitions = shapley_coalitions(len(players), SAMPLES, np.random.default_rng(0))
            return solve_kernelshap(coalitions, engine.values(coalitions.masks, players, target))

        rates[f"ours, {baseline}"] = 1 / best(explain, repeats, device)
    naive = Naive(instance, network, bank, device)
    feature = torch.from_numpy(np.repeat(np.arange(SEGMENTS), np.diff(players.edges)))
    mask = torch.zeros(instance.record.signal.shape[1], dtype=torch.long)
    mask[instance.start : instance.stop] = feature
    signal = torch.from_numpy(instance.record.signal)[None].to(device)
    mean = signal.mean(dim=2, keepdim=True).expand_as(signal).contiguous()

    def forward(signals: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            probability = naive.logits(signals)[:, 0].softmax(1)[:, 2]
        return torch.logit(probability)

    method = KernelShap(forward)
    for name, per_call, times in (("captum, default", 1, 1), ("captum, batched", SAMPLES, repeats)):

        def attribute(per_call: int = per_call) -> object:
            return method.attribute(
                signal,
                baselines=mean,
                feature_mask=mask.expand_as(signal).to(device),
                n_samples=SAMPLES,
                perturbations_per_eval=per_call,
            )

        rates[name] = 1 / best(attribute, times, device)
    print(f"\nKernelSHAP, {SAMPLES} samples, 10 beats, two leads: explanations a second")
    reference = rates["ours, lead_mean"]
    for name, rate in rates.items():
        print(f"  {name:24s} {rate:9.2f}   ours (lead_mean) is {reference / rate:7.1f} x")


def many_masks(network: HybridNet, device: str, repeats: int, naive_masks: int, naive_batch: int) -> None:
    leads = tuple(CONFIG["leads"])
    bank = make_bank(leads)
    for what, targets in (("one beat", [6]), ("a window of all beats", list(range(12)))):
        instance = make_instance(leads, 12, targets)
        players = segments(instance)
        masks = np.random.default_rng(0).random((MASKS, len(players))) < 0.5
        print(f"\n{MASKS:,} masks, 12 leads, 12 beats, {SEGMENTS} segments, {what}: seconds")
        few, fill = masks[:naive_masks], fill_signal(instance, "lead_mean")
        naive = Naive(instance, network, bank, device)
        slow = {}
        for batch in sorted({naive_batch, max(1, 256 // (12 * 12))}, reverse=True):
            slow[batch] = best(partial(naive.run, few, players, fill, batch), 1, device) * MASKS / naive_masks
            print(f"  re-run, {batch:4d} masks a batch {slow[batch]:8.2f}")
        for baseline in ("lead_mean", "zero", "median_beat", "interpolation"):
            run = partial(outputs, instance, network, bank, baseline, device, players, masks)
            own = best(run, repeats, device)
            ratios = ", ".join(f"{value / own:7.1f} x the re-run in batches of {key}" for key, value in slow.items())
            print(f"  ours, {baseline:13s}      {own:8.3f}   {ratios}")
            if baseline == "lead_mean":
                error = np.abs(run()[: len(few)] - naive.run(few, players, fill, naive_batch)).max()
                print(f"    largest difference in logits {error:.1e}")


def outputs(
    instance: Instance,
    network: HybridNet,
    bank: PrototypeBank,
    baseline: str,
    device: str,
    players: Players,
    masks: np.ndarray,
) -> np.ndarray:
    engine = PerturbationEngine(instance, network, bank=bank, calibration=CALIBRATION, baseline=baseline, device=device)
    return engine.outputs(players.cells_on(masks), players.rhythm_on(masks), players.edges)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--naive-masks", type=int, default=128)
    parser.add_argument("--naive-batch", type=int, default=16)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.filterwarnings("ignore", module="captum")
    network = make_network(arguments.device)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{arguments.device}, {arguments.threads} threads, torch {torch.__version__}; load of the machine {load}")
    kernelshap(network, arguments.device, arguments.repeats)
    many_masks(network, arguments.device, arguments.repeats, arguments.naive_masks, arguments.naive_batch)


if __name__ == "__main__":
    main()
