"""Speed of an explained diagnosis: the engine's reuse against the naive re-run of the whole chain, as a ratio.

    PYTHONPATH=src python benchmarks/diagnosis_speed.py [--repeats 5] [--naive-masks 20]

A made 12-lead record of 10 s with 12 beats, a network of the configuration's sizes with random weights, 1,000 masks:

1. KernelSHAP of each wave in each lead over all beats and the rhythm (49 players): seconds, sampling of the coalitions
   and the fit included, nothing kept from one run to the next; beside the re-run, timed on --naive-masks masks and
   scaled.
2. The whole explanation, with the evidence of cells and the beats' scale.

Times are CPU seconds of one thread, the best of --repeats, which another load of the machine changes little. The table
ends with the largest difference in logits between ours and the re-run.
"""

from __future__ import annotations

from measure import ROOT, Clock  # sets threads before numpy is imported

# isort: split
import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import yaml

from beatlens.core.leads import STANDARD_LEADS, lead_id
from beatlens.explain.case.baselines import fill_signal
from beatlens.explain.diagnoses.engine import RecordEngine
from beatlens.explain.diagnoses.instance import RecordInstance
from beatlens.explain.diagnoses.methods import TABLE
from beatlens.explain.diagnoses.players import waves_in_leads
from beatlens.explain.diagnoses.settings import DiagnosisExplanationSettings
from beatlens.explain.diagnoses.target import DiagnosisTarget
from beatlens.explain.methods.refine import solve
from beatlens.explain.players.coalition import Players
from beatlens.explain.settings import ExplainSettings
from beatlens.inputs.diagnoses.record_example import RecordExample
from beatlens.inputs.network_inputs import typical_beats
from beatlens.learning.diagnoses.settings import DiagnosisSettings
from beatlens.learning.diagnoses.training import network_config
from beatlens.models.diagnosis import DiagnosisNetwork
from beatlens.shards.shard import BeatGeometry, cut_beats

CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
GEOMETRY = BeatGeometry.from_seconds(CONFIG["signal"]["fs"], CONFIG["beats"]["before_s"], CONFIG["beats"]["after_s"])
MASKS, SECONDS, BEATS = 1000, 10, 12


class Logistic:
    """A calibration that changes nothing."""

    slope, offsets = 1.0, (0.0,) * 9

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return probabilities of logits."""
        return 1 / (1 + np.exp(-logits.astype(np.float64)))


def make_record() -> RecordExample:
    rng = np.random.default_rng(0)
    n_samples = int(SECONDS * GEOMETRY.fs)
    r_index = np.linspace(GEOMETRY.before, n_samples - GEOMETRY.after, BEATS).astype(np.int64)
    signal = (rng.normal(size=(12, n_samples)) * 0.2).astype(np.float32)
    return RecordExample(
        corpus="benchmark",
        record="record",
        patient="benchmark/patient",
        leads=STANDARD_LEADS,
        lead_ids=np.array([lead_id(lead) for lead in STANDARD_LEADS]),
        geometry=GEOMETRY,
        signal=signal,
        lead_scale=np.ones(12, dtype=np.float32),
        r_index=r_index,
        next_r=np.append(r_index[1:], n_samples),
        typical=typical_beats(cut_beats(signal, r_index, GEOMETRY)),
        rr_s=np.diff(r_index) / GEOMETRY.fs,
        beat_scale=np.ones(12, dtype=np.float32),
    )


def naive_logits(
    record: RecordExample, network: DiagnosisNetwork, signal: np.ndarray, rhythm: np.ndarray
) -> np.ndarray:
    waves, intervals = record.waves_of(signal), record.intervals_of(signal)
    with torch.inference_mode():
        of_leads, between = (torch.from_numpy(np.array(part)).flatten(0, 1) for part in (waves, intervals))
        features = network.encode_leads(of_leads, between).view(len(record), 12, -1)
        present = torch.ones(features.shape[:2], dtype=torch.bool)
        beats = network.mix_leads(features, present, torch.from_numpy(record.lead_ids))
        pooled = network.pool(beats, torch.zeros(len(record), dtype=torch.long), 1)
        return np.asarray(network.classify(pooled, torch.from_numpy(rhythm)[None]).numpy()[0])


def masked(engine: RecordEngine, target: DiagnosisTarget, masks: np.ndarray, players: Players) -> np.ndarray:
    return engine.values(masks, players, target)


def best(run: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        clock = Clock()
        run()
        times.append(clock.cpu)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--naive-masks", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = DiagnosisNetwork(network_config(DiagnosisSettings(), 9, GEOMETRY)).eval()
    record, target = make_record(), DiagnosisTarget(0, "logit")
    usual = (record.typical + 0.1).astype(np.float32)
    instance = RecordInstance(record, usual)
    section = DiagnosisExplanationSettings(samples=MASKS)
    settings = section.explain_settings(ExplainSettings(), "AF")

    def engine(baseline: str) -> RecordEngine:
        return RecordEngine(instance, network, calibration=Logistic(), baseline=baseline)

    players = waves_in_leads(instance, rhythm=True)
    print("baseline        waves in leads s   whole s   encodings   naive s   ratio")
    for baseline in ("contrast_beat", "interpolation"):

        def one_set(baseline: str = baseline) -> RecordEngine:
            made = engine(baseline)
            solve(partial(masked, made, target), players, "kernelshap", settings, 1)
            return made

        def whole(baseline: str = baseline) -> None:
            TABLE["kernelshap"](engine(baseline), target, settings, 1)

        ours, all_s, made = best(one_set, arguments.repeats), best(whole, arguments.repeats), one_set()
        naive, difference = float("nan"), float("nan")
        if baseline == "contrast_beat":
            rng = np.random.default_rng(1)
            masks = rng.random((arguments.naive_masks, len(players))) < 0.5
            cells, on = players.cells_on(masks), players.rhythm_on(masks)
            fill, lengths = fill_signal(instance, baseline), np.diff(players.edges)
            shown = [np.where(np.repeat(one, lengths, axis=1), record.signal, fill) for one in cells]
            rhythms = np.where(on[:, None], record.rhythm, record.constant_rhythm)
            again: list[np.ndarray] = []

            def rerun(pairs: list[tuple[np.ndarray, np.ndarray]], into: list[np.ndarray]) -> None:
                into[:] = [naive_logits(record, network, *pair) for pair in pairs]

            pairs = list(zip(shown, rhythms, strict=True))
            naive = best(partial(rerun, pairs, again), 1) * MASKS / arguments.naive_masks
            difference = float(np.abs(np.array(again) - engine(baseline).logits(cells, on, players.edges)).max())
        print(
            f"{baseline:15} {ours:16.2f} {all_s:9.2f} {made.n_encoded:11d} {naive:9.1f} {naive / ours:7.0f}", flush=True
        )
        if np.isfinite(difference):
            print(f"largest difference of logits {difference:.1e}", flush=True)


if __name__ == "__main__":
    main()
