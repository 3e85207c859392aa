"""The model of a run trained again with several seeds: mean and spread of its scores on the test patients.

    snakemake --cores 2 results/mitdb/{prototypes/library.csv,run_config.yaml} --configfile config/mitdb.yaml
    PYTHONPATH=src python benchmarks/model_seeds.py results/mitdb [--seeds 1 2 3 4 5] [--jobs 2] [--output FILE]
        [--bundles FOLDER]

Everything but the seed is that of the run: shards, splits, prototypes, settings. Each seed has networks of its own for
calibration too. Scores come at detected peaks (missed and extra beats count) and at annotated ones, for all test
patients and without each list of ``evaluate.leave_out``; the interval is the patient bootstrap's, averaged over seeds.
``held out`` is what the same networks reach on training patients left out in turn: what choices should be made by.
This reads the test patients: once, at the end. With --bundles each seed's bundle is kept as FOLDER/<seed>, for
explain_model_seeds.py.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from beatlens.core.files import read_table
from beatlens.evaluate.predictions.classification import evaluate_classification
from beatlens.evaluate.predictions.probabilities import auroc, rank_histogram
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.learning.make_bundle import bundle_model
from beatlens.learning.train_and_bundle import TrainingJob, input_spec, model_description, train_with_held_out
from beatlens.models.build import network_to_arrays
from beatlens.prediction.predict import predict_beats
from beatlens.shards.shard import Shard

METRICS = (
    *("accuracy", "macro_f1", "aurc", "error_at_90_coverage", "ece", "review_rate"),
    *("accepted_wrong", "accepted_wrong_at_90_coverage"),
)


def one_seed(results: Path, seed: int, bundles: Path | None) -> pd.DataFrame:
    """Train, calibrate and score with one seed: a table of scope, class, metric, value, lo, hi."""
    settings: dict[str, Any] = yaml.safe_load((results / "run_config.yaml").read_text()) | {"seed": seed}
    shards = [Shard(path) for path in sorted((results / "preprocess").iterdir())]
    records = read_table(results / "records.tsv")
    spec = input_spec(settings, results / "prototypes" / "library.csv", results / "prototypes" / "waves.npz")
    start = time.perf_counter()
    job = TrainingJob(shards, records, spec, settings)
    trained, held_out = train_with_held_out(job)
    seconds = time.perf_counter() - start
    model = model_description(job, trained)
    scales = pd.concat([shard.records for shard in shards])
    bundle = bundle_model(
        records,
        spec,
        weights=network_to_arrays(trained.network),
        model=model,
        held_out=held_out,
        settings=settings,
        scales=scales,
    )
    if bundles is not None:
        bundle.save(bundles / str(seed))

    chosen = records[records["split"].isin(["test", "paced"])]
    splits = dict(zip(zip(chosen["corpus"], chosen["record"], strict=True), chosen["split"], strict=True))
    tables = {}
    for peaks in ("detected", "annotated"):
        parts = []
        for shard in shards:
            beats = shard.beats(peaks)
            wanted = [key in splits for key in zip(beats["corpus"], beats["record"], strict=True)]
            parts.append(
                predict_beats(
                    shard, beats[wanted].reset_index(drop=True), splits, bundle, trained.network, device=trained.device
                )
            )
        tables[peaks] = pd.concat(parts, ignore_index=True)
    metrics, _ = evaluate_classification(
        tables["detected"], tables["annotated"], bundle.classes, EvaluateSettings.read(settings["evaluate"]), seed
    )
    metrics = metrics[(metrics["split"] == "test") & ~metrics["scope"].str.startswith("patient:")]
    rows = metrics[metrics["metric"].isin(METRICS) | (metrics["metric"].isin(["f1", "precision", "recall"]))].to_dict(
        "records"
    )
    rows += [extra("annotated: all", name, value) for name, value in unknown(tables["annotated"]).items()]
    for prefix, table in (("", tables["detected"]), ("annotated: ", tables["annotated"])):
        test = table[(table["split"] == "test") & (table["label"] == "S")]
        accepted = (test["pred"] == "N") & ~test["review"]
        rows.append(extra(f"{prefix}all", "S accepted as N", float(accepted.mean())))
    reached = bundle.provenance["calibration"]
    probability = bundle.calibration.probabilities(held_out.logits)
    for k, name in enumerate(bundle.classes):
        truth, pred = held_out.target == k, probability.argmax(axis=1) == k
        rows.append({**extra("held out", "f1", 2 * (truth & pred).sum() / (truth.sum() + pred.sum())), "class": name})
    rows += [extra("held out", "accuracy", 1 - reached["error"]), extra("held out", "macro_f1", reached["macro_f1"])]
    rows += [extra("held out", "ece", reached["expected_calibration_error"])]
    rows.append(extra("training", "seconds", seconds))
    return pd.DataFrame(rows)[["scope", "class", "metric", "value", "lo", "hi"]]


def unknown(annotated: pd.DataFrame) -> dict[str, float]:
    """Return how well paced beats are told from the beats of test patients, by each score of strangeness."""
    paced = (annotated["split"] == "paced") & (annotated["label"] == "Q")
    known = (annotated["split"] == "test") & annotated["label"].isin(["N", "S", "V"])
    both = annotated[paced | known]
    group = paced[paced | known].to_numpy().astype(np.int64)
    confidence = both[[name for name in both if name.startswith("p_") and name != "p_noise"]].max(axis=1)
    scores = {"distance": both["distance"], "uncertainty": 1 - confidence, "p_noise": both["p_noise"]}
    nobody = np.zeros(len(both), dtype=np.int64)
    return {
        f"paced auroc, {name}": float(
            auroc(rank_histogram(score.to_numpy(), group, n_groups=2, patient=nobody, n_patients=1, max_bins=None))[0]
        )
        for name, score in scores.items()
    } | {"paced reviewed": float(both["review"][group == 1].mean())}


def extra(scope: str, metric: str, value: float) -> dict[str, Any]:
    return {"scope": scope, "class": "all", "metric": metric, "value": float(value), "lo": np.nan, "hi": np.nan}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--output", type=Path, help="CSV of every seed's scores")
    parser.add_argument("--bundles", type=Path, help="folder to keep each seed's bundle in")
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        tables = list(pool.map(one_seed, repeat(arguments.results), arguments.seeds, repeat(arguments.bundles)))
    every = pd.concat([table.assign(seed=seed) for seed, table in zip(arguments.seeds, tables, strict=True)])
    if arguments.output:
        every.to_csv(arguments.output, index=False)
    grouped = every.groupby(["scope", "class", "metric"], sort=False)
    table = grouped["value"].agg(["mean", "std", "min", "max"]).join(grouped[["lo", "hi"]].mean())
    print(table.round(4).to_string())


if __name__ == "__main__":
    main()
