"""AUROC of the noise gate on patients and stretches of noise that it hasn't seen.

    snakemake --cores 2 results/mitdb/{prototypes/library.csv,run_config.yaml} --configfile config/mitdb.yaml
    PYTHONPATH=src python benchmarks/noise_gate.py results/mitdb [--folds 3] [--snr 12 6 0 -6]

Networks are trained without each fold of the training patients, on the first half of each noise record, and run over
the fold's patients as they are and with the second half of each noise record added to whole records, after
conditioning. Printed are the AUROC of the gate by noise record and ratio (with the interval over patients), clean beats
against the same beats with noise, and how many noisy beats it finds where it may lose 2 % of the clean beats of any
class, as in a run. No test patient is read.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from sklearn.metrics import roc_auc_score

from beatlens.core.files import read_table
from beatlens.core.seeds import derive_seed
from beatlens.inputs.labelled_records import gate_labels, records_of_split, split_beats
from beatlens.inputs.network_inputs import prepare_record
from beatlens.learning.held_out import HELD_OUT, fold_tables, spec_without
from beatlens.learning.train_and_bundle import TrainingJob, input_spec, train_model
from beatlens.prediction.predict import network_outputs
from beatlens.shards.shard import Shard
from beatlens.signals.added_noise import add_noise, noise_sources, noise_windows, qrs_amplitude

MAX_CLEAN_LOSS = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--snr", type=float, nargs="+", default=[12.0, 6.0, 0.0, -6.0])
    arguments = parser.parse_args()
    results = arguments.results
    settings: dict[str, Any] = yaml.safe_load((results / "run_config.yaml").read_text(encoding="utf-8"))
    shards = [Shard(path) for path in sorted((results / "preprocess").iterdir())]
    records = read_table(results / "records.tsv")
    spec = input_spec(settings, results / "prototypes" / "library.csv", results / "prototypes" / "waves.npz")
    band = tuple(settings["signal"]["band_hz"])
    sources = noise_sources(shards, "test", spec.geometry.fs, band, settings["seed"])
    clean: dict[str, np.ndarray] = {}
    noisy: dict[tuple[str, float], dict[str, np.ndarray]] = {}
    labels: list[np.ndarray] = []
    for fold, table in enumerate(fold_tables(records, spec.classes, arguments.folds, settings["seed"])):
        own = spec_without(spec, table)
        network = train_model(TrainingJob(shards, table, own, settings)).network
        print(f"fold {fold + 1} of {arguments.folds} trained", flush=True)
        for shard, beats in split_beats(shards, records_of_split(table, HELD_OUT)):
            inputs = prepare_record(shard, beats, own)
            rows = np.flatnonzero(gate_labels(beats) == 0)
            amplitude = qrs_amplitude(inputs.waves, own.geometry)
            clean[inputs.record.patient] = network_outputs(inputs, own, network).gates[rows]
            labels.append(beats["label"].to_numpy()[rows])
            for source in sources:
                rng = np.random.default_rng(derive_seed(settings["seed"], "gate", inputs.record.record, source.name))
                r_index = beats["r_index"].to_numpy(dtype=np.int64)
                added = noise_windows(source, r_index, len(inputs.record.leads), own.geometry, rng)
                for snr in arguments.snr:
                    waves, _ = add_noise(inputs.waves, added, amplitude, snr)
                    found = network_outputs(replace(inputs, waves=waves), own, network).gates[rows]
                    noisy.setdefault((source.name, snr), {})[inputs.record.patient] = found
    patients = sorted(clean)
    print("AUROC, noise record by ratio in dB:", *(f"{snr:>22g}" for snr in arguments.snr))
    rng = np.random.default_rng(settings["seed"])
    draws = [rng.choice(patients, len(patients)) for _ in range(200)]
    for source in sources:
        cells = []
        for snr in arguments.snr:
            own_scores = noisy[source.name, snr]
            value = _auroc(clean, own_scores, patients)
            low, high = np.quantile([_auroc(clean, own_scores, draw) for draw in draws], [0.025, 0.975])
            cells.append(f"{value:8.4f} ({low:.3f} to {high:.3f})")
        print(f"{source.name:>34}", *cells)
    scores, names = np.concatenate(list(clean.values())), np.concatenate(labels)
    limit = max(np.quantile(scores[names == name], 1 - MAX_CLEAN_LOSS) for name in spec.classes)
    print(f"share of noisy beats found by a gate that loses {MAX_CLEAN_LOSS:.0%} of the clean beats of no class:")
    for source in sources:
        found_shares = [np.concatenate(list(noisy[source.name, snr].values())) > limit for snr in arguments.snr]
        print(f"{source.name:>34}", *(f"{share.mean():22.3f}" for share in found_shares))


def _auroc(clean: dict[str, np.ndarray], noisy: dict[str, np.ndarray], patients: Any) -> float:
    scores = [part[name] for part in (clean, noisy) for name in patients]
    truth = np.repeat([0, 1], [sum(len(part[name]) for name in patients) for part in (clean, noisy)])
    return float(roc_auc_score(truth, np.concatenate(scores)))


if __name__ == "__main__":
    main()
