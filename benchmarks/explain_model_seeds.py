"""Do models that differ in nothing but their seed explain alike? Agreement between every two of several bundles.

    PYTHONPATH=src python benchmarks/explain_model_seeds.py results/mitdb FOLDER/1 FOLDER/2 ... [--cases 30]

The bundles are of the run's training patients, each with a seed of its own: those that model_seeds.py keeps. Beats,
classes and signals are those of the run's cases; each bundle explains them with the run's settings and one seed of the
explainer. Printed are means over cases and pairs of bundles, all pairs and those in which both models give the
explained class the highest probability.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml

from beatlens.core.files import read_table, write_table
from beatlens.evaluate.explanations.agreement import agreement
from beatlens.evaluate.probes.shared import cell_values
from beatlens.explain.case.choice import case_rows
from beatlens.explain.case.target import Target
from beatlens.explain.explainer import Explainer
from beatlens.explain.settings import ExplainSettings
from beatlens.inputs.record_view import RecordViews
from beatlens.models.network import BeatNetwork
from beatlens.prediction.bundle import Bundle
from beatlens.prediction.predict import Beside, predict_beats
from beatlens.shards.shard import Shard


def predict(shard: Shard, bundle: Bundle, network: BeatNetwork, folder: Path) -> None:
    """Write what explaining needs of a bundle's predictions of a shard."""
    splits, beats = dict.fromkeys(shard.beat_records(), ""), shard.beats()
    beside = Beside()
    write_table(folder / "beats.parquet", predict_beats(shard, beats, splits, bundle, network, beside=beside))
    write_table(folder / "look_alikes.parquet", pd.concat(beside.references, ignore_index=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="results/<run> whose cases are explained")
    parser.add_argument("bundles", type=Path, nargs="+", help="bundle of each seed")
    parser.add_argument("--cases", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = yaml.safe_load((arguments.run / "run_config.yaml").read_text(encoding="utf-8"))
    settings, top_share = ExplainSettings.read(config["explain"]), config["probes"]["top_share"]
    cases = read_table(arguments.run / "explanations" / "cases.csv").head(arguments.cases)
    shards = [Shard(path) for path in sorted((arguments.run / "preprocess").iterdir()) if path.is_dir()]
    values: dict[str, list[list[np.ndarray]]] = {method: [] for method in settings.methods}
    predicted: list[list[bool]] = []
    temporary = tempfile.mkdtemp()
    for path in arguments.bundles:
        bundle = Bundle.load(path)
        own: dict[str, list[np.ndarray]] = {method: [] for method in settings.methods}
        likely = []
        network = bundle.network()
        folders = [Path(temporary) / f"{path.name}.{shard.path.name}" for shard in shards]
        for shard, folder in zip(shards, folders, strict=True):
            predict(shard, bundle, network, folder)
        views = RecordViews(shards, folders, bundle.spec)
        explainer = Explainer(views, bundle, network, settings, config["seed"])
        for case in case_rows(cases):
            probe = explainer.prepare(case)
            for method in settings.methods:
                own[method].append(cell_values(probe, method))
            on = np.ones((1, len(probe.engine.instance.record.leads), len(probe.edges) - 1), dtype=bool)
            full = [
                probe.engine.cell_values(on, np.ones(1, bool), probe.edges, Target(probe.target.kind, k, "probability"))
                for k in range(len(bundle.classes))
            ]
            likely.append(int(np.argmax(full)) == probe.target.class_index)
        predicted.append(likely)
        for method in settings.methods:
            values[method].append(own[method])
        shutil.rmtree(temporary, ignore_errors=True)
        print(f"{path}: {len(likely)} cases, class kept in {sum(likely)}; load {os.getloadavg()[0]:.1f}", flush=True)
    for method in settings.methods:
        for name, agreed in (("all", False), ("class kept by both", True)):
            rows = [
                agreement(values[method][a][k], values[method][b][k], top_share)
                for a, b in combinations(range(len(arguments.bundles)), 2)
                for k in range(len(cases))
                if not agreed or (predicted[a][k] and predicted[b][k])
            ]
            means = {metric: np.nanmean([row[metric] for row in rows]) for metric in rows[0]} if rows else {}
            print(f"{method}, {name}, {len(rows)} pairs:", ", ".join(f"{k} {v:.3f}" for k, v in means.items()))


if __name__ == "__main__":
    main()
