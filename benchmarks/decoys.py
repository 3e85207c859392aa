"""Do explanations show what makes the class, or whatever was changed? Planted truth against decoys, several corpora.

    PYTHONPATH=src python benchmarks/decoys.py 11 12 13 14 [--cores 2] [--beats 4] [--share 0.5]

For each corpus seed a corpus is made, a network trained and its correct beats listed by the workflow (the run
results/decoys-<seed>, as in the demo but for the seed). Of each class that has a shape of its own, the first beats that
have decoys are explained by the configured methods and fused. Printed are means over beats with intervals over
patients: on all decoys, on those that the model doesn't use (randomising them moves the log odds by less than 5 % of
full minus empty), and on the whole planted truth; beside them the nulls. The null ``uniform`` has the prevalence,
``target_change`` knows beat and baseline but no model.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml

from beatlens.core.bootstrap import patient_mean
from beatlens.core.files import read_table
from beatlens.evaluate.explanations.cases import record_labels, wrong_class
from beatlens.evaluate.explanations.decoys import case_decoys, decoy_scores
from beatlens.evaluate.explanations.truths import PLANTED, NullMaps, case_truths, localisation_scores
from beatlens.explain.case.choice import case_rows
from beatlens.explain.explainer import Explainer, explain_case
from beatlens.explain.result.attribution import Attribution
from beatlens.explain.result.fusion import fuse
from beatlens.explain.result.settings import FusionSettings
from beatlens.explain.settings import ExplainSettings
from beatlens.inputs.record_view import RecordViews
from beatlens.prediction.bundle import Bundle
from beatlens.shards.shard import Shard

CLASSES = ("V", "RBBB", "LBBB", "STE")
METRICS = ("auprc", "pointing_game", "decoy_mass", "decoy_use", "decoys_used")
DRAWS, LEVEL = 1000, 0.95


def make_run(seed: int, share: float, cores: int) -> Path:
    """Make a corpus, train on it and list correct beats; return the run's folder."""
    run = f"decoys-{seed}" if share == 0.5 else f"decoys-{seed}-{share:g}"
    corpus = f"{{name: {run}, format: synthetic, role: train, labels: config/labels/synthetic.csv}}"
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), f"results/{run}/explanations/cases.csv"]
    command += ["--config", f"run={run}", f"corpora=[{corpus}]", f"synthetic={{seed: {seed}, decoy_share: {share}}}"]
    command.append("cases={per_class: 24, outcomes: [correct], max_windows: 0, max_cases: 144}")
    subprocess.run(command, check=True)
    return Path("results", run)


def scored(run: Path, beats: int) -> Iterator[dict[str, object]]:
    """Explain beats with decoys, and yield their scores."""
    config = yaml.safe_load(Path("config/config.yaml").read_text(encoding="utf-8"))
    settings, fusion = ExplainSettings(**config["explain"]), FusionSettings(**config["fusion"])
    bundle = Bundle.load(run / "model" / "bundle")
    shards = [Shard(path) for path in sorted((run / "preprocess").iterdir()) if path.is_dir()]
    folders = [run / "predictions" / "shards" / shard.path.name for shard in shards]
    views = RecordViews(shards, folders, bundle.spec)
    explainer = Explainer(views, bundle, bundle.network(), settings, config["seed"])
    cases = read_table(run / "explanations" / "cases.csv")
    taken: Counter[str] = Counter()
    for case in case_rows(cases[cases["class"].isin(CLASSES) & (cases["target"] == "beat")]):
        if taken[case.case_class] >= beats:
            continue
        prepared = explainer.prepare(case)
        labels = record_labels(prepared, views, [])
        truth = case_truths(case, prepared.instance, labels).get(PLANTED)
        decoys = None if truth is None else case_decoys(prepared, labels)
        if truth is None or decoys is None:
            continue
        taken[case.case_class] += 1
        each: dict[str, Attribution] = {method: explain_case(prepared, method) for method in settings.methods}
        explained = {**each, "fused": fuse(each, fusion)}
        lengths = np.diff(prepared.edges)
        nulls = NullMaps.of(prepared.engine, lengths, wrong_class(prepared), config["evaluate"]["random_draws"], 1)
        for score in (
            *decoy_scores(prepared, explained, truth, decoys, nulls, seed=prepared.seed),
            *localisation_scores(explained, PLANTED, truth, nulls, lengths),
        ):
            scale = score.denominator or 1.0
            yield {
                "seed": run.name,
                "patient": f"{run.name}/{prepared.patient}",
                "case": f"{run.name}/{case.case}",
                "class": case.case_class,
                "method": score.method,
                "truth": score.truth,
                "metric": score.metric,
                "null": score.null_name,
                "value": score.value / scale,
                "null_value": score.null_value / scale,
            }


def show(table: pd.DataFrame) -> None:
    """Print each score of the fused explanation with its interval, by class and seed, and its nulls."""
    fused = table[(table["method"] == "fused") & table["metric"].isin(METRICS)]
    for (truth, metric), part in fused.groupby(["truth", "metric"], sort=False):
        once = part[part["null"] == part["null"].iloc[0]]
        found = patient_mean(once["value"].to_numpy(), once["patient"].tolist(), draws=DRAWS, level=LEVEL, seed=1)
        nulls = part.groupby("null", sort=False)["null_value"].mean().sort_values(ascending=False)
        by = [once.groupby(name, sort=False)["value"].mean() for name in ("class", "seed")]
        print(f"\n{metric}, {truth}: {found.value:.3f} ({found.lo:.3f} to {found.hi:.3f}), {len(once)} beats")
        print("  " + "; ".join(", ".join(f"{key} {value:.3f}" for key, value in each.items()) for each in by))
        print("  nulls: " + ", ".join(f"{name} {value:.3f}" for name, value in nulls.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seeds", type=int, nargs="+", help="seeds of made corpora")
    parser.add_argument("--beats", type=int, default=4, help="beats of each class and corpus")
    parser.add_argument("--share", type=float, default=0.5, help="synthetic.decoy_share")
    parser.add_argument("--cores", type=int, default=1, help="of the workflow")
    parser.add_argument("--table", type=Path, help="CSV to write all scores to")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for seed in arguments.seeds:
        rows += list(scored(make_run(seed, arguments.share, arguments.cores), arguments.beats))
        print(f"corpus seed {seed}: load {os.getloadavg()[0]:.1f}", flush=True)
    table = pd.DataFrame(rows)
    if arguments.table:
        table.to_csv(arguments.table, index=False)
    show(table)


if __name__ == "__main__":
    main()
