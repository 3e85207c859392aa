"""New patterns: a class that no part of the model has seen must come to review, and alert where its patients are alike.

    PYTHONPATH=src python benchmarks/left_out_class.py V LBBB --seeds 1 2 3 4

For each class and seed a model is trained on a made corpus without the class (results/without_<class>_<seed>; about a
minute). Printed are how many of its beats are in review, how many would be with the largest limit of the distance for
every class, how many beats of known classes are, and the alerts with the labels of their beats.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from beatlens.alerts.registry import remember
from beatlens.core.files import read_json, read_table
from beatlens.prediction.bundle import Bundle

ROOT = Path(__file__).resolve().parents[1]
OVERLAY: dict[str, Any] = {
    "corpora": [
        {"name": "synthetic41", "format": "synthetic", "role": "train", "labels": "config/labels/synthetic.csv"}
    ],
    "synthetic": {"seed": 41, "ambulatory_patients": 70, "clinical_patients": 24},
    "split": {"fractions": {"train": 0.35, "select": 0.05, "calibrate": 0.25, "test": 0.35}},
    "model": {"members": 1},
    "training": {"epochs": 12},
}


def run_without(name: str, seed: int, classes: list[str], cores: int) -> Path:
    """Train without a class and look for new patterns; return the folder of results."""
    run = f"without_{name}_{seed}"
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as overlay:
        known = [other for other in classes if other != name]
        yaml.safe_dump({**OVERLAY, "run": run, "seed": seed, "classes": known}, overlay)
        overlay.flush()
        command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--configfile", overlay.name]
        target = f"results/{run}/alerts/alerts.csv"
        done = subprocess.run([*command, "--", target], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-4000:])
    return ROOT / "results" / run


def describe(name: str, results: Path) -> list[str]:
    """Return lines on what became of the class that was left out."""
    beats = read_table(results / "predictions" / "beats.parquet")
    test = beats[beats["split"] == "test"]
    own, known = test[test["label"] == name], test[~test["label"].isin([name, "none", ""])]
    limit = max(read_json(results / "model" / "bundle" / "bundle.json")["thresholds"]["distance"])
    others = own["reason"].str.replace("far_from_prototypes", "").str.strip(";") != ""
    alerts = read_table(results / "alerts" / "alerts.csv")
    return [
        f"{name}: {len(own)} test beats of {own['patient'].nunique()} patients; in review {own['review'].mean():.3f}, "
        f"with the largest limit for all {(others | (own['distance'] > limit)).mean():.3f}; of known classes "
        f"{known['review'].mean():.3f}; {len(alerts)} alerts",
        *(
            f"  {row.n_beats} beats of {row.n_patients} patients, cohesion {row.cohesion:.2f}, stability "
            f"{row.stability:.2f}, labels {row.label_mix}, seen in {row.seen_in or 'no other run'}"
            for row in alerts.itertuples()
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    classes = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))["classes"]
    parser.add_argument("left_out", nargs="+", choices=classes, metavar="class", help=f"one of {', '.join(classes)}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4], help="of the networks")
    parser.add_argument("--cores", type=int, default=2)
    arguments = parser.parse_args()
    done: list[Path] = []
    try:
        for name in arguments.left_out:
            for seed in arguments.seeds:
                done.append(run_without(name, seed, classes, arguments.cores))
                print("\n".join([f"seed {seed}", *describe(name, done[-1])]), flush=True)
    finally:
        for results in done:  # what was made up is no pattern that another run has seen before
            bundle = Bundle.load(results / "model" / "bundle")
            remember(ROOT / "results" / "registry", bundle.geometry, bundle.signal, results.name, [])


if __name__ == "__main__":
    main()
