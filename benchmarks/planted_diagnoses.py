"""Do explained diagnoses show what makes them? Planted truth of made 12-lead records without decoys, several corpora.

    PYTHONPATH=src python benchmarks/planted_diagnoses.py 11 12 [--cores 2] [--cases 4] [--methods kernelshap]

For each corpus seed 100 records of 50 patients are made and preprocessed by the workflow (the run
results/planted-<seed>). Five networks are trained, each without a fold, as the workflow trains them; they aren't
calibrated, which only scales the explained log odds. Right cases of each diagnosis that has a shape of its own are
explained and scored on the planted spans. Printed are means over cases with intervals over patients, and beside them
the nulls: ``signal`` by the size of the signal, ``change`` by how far the baseline changes it, which knows the
contrast and not the model. ``lead_auc`` is over cases whose diagnosis changes some leads and not others. ``any lead``
is the truth in time: whether a sample belongs to the planted change of any lead.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from beatlens.core.bootstrap import patient_mean
from beatlens.core.leads import STANDARD_LEADS
from beatlens.corpora.diagnosis_table import DiagnosisTable, diagnosis_names
from beatlens.decision.diagnoses import DiagnosisDecision
from beatlens.evaluate.explanations.diagnoses.case_scores import record_nulls
from beatlens.evaluate.explanations.diagnoses.truths import RecordLabels, diagnosis_truths, truth_of
from beatlens.evaluate.explanations.localisation import Grid, Truth
from beatlens.evaluate.explanations.truths import PLANTED, localisation_scores
from beatlens.explain.diagnoses.cases import case_rows, codes_of, select_cases
from beatlens.explain.diagnoses.contrast import UsualBeats
from beatlens.explain.diagnoses.explainer import DiagnosisExplainer, PreparedDiagnosis, explain_diagnosis
from beatlens.explain.diagnoses.settings import DiagnosisExplanationSettings
from beatlens.explain.result.attribution import Attribution
from beatlens.explain.result.fusion import fuse
from beatlens.explain.result.settings import FusionSettings
from beatlens.explain.settings import ExplainSettings
from beatlens.inputs.diagnoses.record_features import load_examples, measure_records, record_logits
from beatlens.learning.diagnoses.cross_fit import classes_of, job_of
from beatlens.learning.diagnoses.record_labels import label_records
from beatlens.learning.diagnoses.settings import DiagnosisSettings
from beatlens.learning.diagnoses.training import network_config
from beatlens.models.diagnosis import DiagnosisNetwork
from beatlens.prediction.diagnoses.bundle import DiagnosisBundle
from beatlens.shards.shard import BeatGeometry, Shard

DIAGNOSES = ("RBBB", "LBBB", "PVC")
TABLE = Path("config/labels/snomed.csv")
GEOMETRY = BeatGeometry.from_seconds(200, 0.25, 0.4)
ANY_LEAD = "any lead"
SHOWN = {PLANTED: ("auprc", "lead_auc", "time_auc"), ANY_LEAD: ("joint_auc",)}
NULLS = ("signal", "change", "random")
DRAWS, LEVEL = 1000, 0.95


def make_run(seed: int, cores: int) -> Shard:
    """Make and preprocess a corpus."""
    run = f"planted-{seed}"
    corpus = f"{{name: {run}, format: synthetic, role: train, labels: config/labels/synthetic.csv, diagnoses: {TABLE}}}"
    made = "ambulatory_patients: 0, clinical_patients: 50, clinical_records: 2, decoy_share: 0.0"
    command = [sys.executable, "-m", "snakemake", "preprocess", "--cores", str(cores), "--config", f"run={run}"]
    command += ["targets=[diagnoses]", "shards=1", f"corpora=[{corpus}]", f"synthetic={{seed: {seed}, {made}}}"]
    subprocess.run(command, check=True)
    return Shard(Path("results", run, "preprocess", "0of1"))


def train(shard: Shard, seed: int) -> tuple[dict[int, DiagnosisBundle], pd.DataFrame]:
    """Return the network of each fold, and what each record is predicted to have by the one that never saw it."""
    settings, table = DiagnosisSettings(), DiagnosisTable.read(TABLE)
    records = shard.records.assign(database=shard.records["corpus"])
    labels = label_records(records, dict.fromkeys(records["corpus"], table), settings, seed)
    classes = classes_of(labels)
    config = network_config(settings, len(classes), GEOMETRY)
    examples = load_examples(
        [shard], list(zip(labels["corpus"], labels["record"], strict=True)), STANDARD_LEADS, GEOMETRY
    )
    job = job_of(
        labels, measure_records(examples, DiagnosisNetwork(config).eval(), STANDARD_LEADS), config, settings, seed
    )
    n = len(classes)
    as_it_is = DiagnosisDecision(1.0, (0.0,) * n, (0.5,) * n, 0.1, (0.0,) * n, 0.0)
    bundles, logits = {}, np.zeros((len(labels), n))
    for fold in job.folds:
        network, rows = job.train([fold]).network, np.flatnonzero(job.fold == fold)
        logits[rows] = record_logits(network, job.features.rows(rows))
        weights = {name: value.detach().numpy().copy() for name, value in network.state_dict().items()}
        names = dict(diagnosis_names([TABLE], classes))
        bundles[fold] = DiagnosisBundle(
            names, STANDARD_LEADS, GEOMETRY, config.to_json(), weights, as_it_is, {}, {}, {}, seed
        )
    duration = dict(zip(shard.records["record"], shard.records["duration_s"], strict=True))
    predicted = [";".join(np.array(classes)[row > 0]) for row in logits]
    return bundles, labels.assign(
        **{f"p_{name}": 1 / (1 + np.exp(-logits[:, k])) for k, name in enumerate(classes)},
        pred=predicted,
        review=False,
        n_beats=[len(example) for example in examples],
        duration_s=[duration[record] for record in labels["record"]],
    )


def any_lead(truth: Truth) -> Truth:
    """Return the truth in time, in one lead."""
    inside = np.asarray(truth.inside.any(axis=0, keepdims=True))
    return Truth(inside, np.ones_like(inside))


def scored(shard: Shard, seed: int, cases: int, methods: tuple[str, ...]) -> Iterator[dict[str, object]]:
    """Explain right cases and yield their scores."""
    bundles, predictions = train(shard, 1)
    bundle, settings = bundles[0], DiagnosisExplanationSettings(per_diagnosis=cases, outcomes=("correct",))
    usual = UsualBeats([shard], predictions, bundle.leads, bundle.geometry)
    explainer = DiagnosisExplainer(bundles, usual, [shard], settings, ExplainSettings(target="logit"), 1)
    codes = codes_of([DiagnosisTable.read(TABLE)], DIAGNOSES)
    for case in case_rows(select_cases(predictions, DIAGNOSES, bundle.classes, settings=settings, seed=1)):
        prepared = explainer.prepare(case)
        each = {method: explain_diagnosis(prepared, method) for method in methods}
        shown = fuse(each, FusionSettings()) if len(each) > 1 else next(iter(each.values()))
        labels = RecordLabels(case.diagnosis, codes[case.diagnosis], truth_of(shard, case.corpus, case.record), ())
        grid = Grid(shown.leads, shown.fs, 0.0, shown.values.shape[1])
        truth = diagnosis_truths(labels, grid, prepared.instance.r_index).get(PLANTED)
        if truth is not None:
            key = {"seed": seed, "diagnosis": case.diagnosis, "patient": f"{seed}/{case.patient}", "case": case.case}
            one = {"prevalence": truth.inside.mean(), "rhythm": shown.meta.rhythm_share}
            for scores in case_scores(prepared, shown, truth):
                yield {**key, **one, **scores}


def case_scores(prepared: PreparedDiagnosis, shown: Attribution, truth: Truth) -> Iterator[dict[str, object]]:
    """Yield the scores of one explanation, lead by lead and in time, each with its nulls."""
    lengths = np.diff(prepared.edges)
    nulls = record_nulls(prepared, lengths, 3, 1)
    scores = list(localisation_scores({"shown": shown}, PLANTED, truth, nulls, lengths))
    in_time = {name: [np.sum(one, axis=0, keepdims=True) for one in maps] for name, maps in nulls.maps.items()}
    summed = Attribution(
        np.maximum(shown.values, 0).sum(axis=0, keepdims=True), ("any",), shown.fs, shown.start_s, shown.meta
    )
    scores += localisation_scores({"shown": summed}, ANY_LEAD, any_lead(truth), type(nulls)(in_time), lengths)
    for score in scores:
        if score.metric in SHOWN[score.truth] and score.null_name in NULLS:
            yield {
                "metric": f"{score.truth} {score.metric}",
                "value": score.value,
                "null": score.null_name,
                "null_value": score.null_value,
            }


def show(table: pd.DataFrame) -> None:
    """Print each score with its interval over patients and its nulls, by diagnosis."""
    for (diagnosis, metric), part in table.groupby(["diagnosis", "metric"], sort=False):
        once = part[part["null"] == NULLS[0]]
        known = once["value"].notna()
        if not known.any():
            continue
        found = patient_mean(once["value"].to_numpy(), once["patient"].tolist(), draws=DRAWS, level=LEVEL, seed=1)
        nulls = part[part["value"].notna()].groupby("null", sort=False)["null_value"].mean()
        print(
            f"{diagnosis} {metric}: {found.value:.3f} ({found.lo:.3f} to {found.hi:.3f}), {known.sum()} cases; nulls "
            + ", ".join(f"{name} {value:.3f}" for name, value in nulls.items())
        )
    once = table.drop_duplicates(["seed", "case"]).groupby("diagnosis", sort=False)
    print(once[["prevalence", "rhythm"]].mean().round(3).to_string())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seeds", type=int, nargs="+", help="seeds of made corpora")
    parser.add_argument("--cases", type=int, default=4, help="cases of each diagnosis and corpus")
    parser.add_argument("--methods", nargs="+", default=["kernelshap"], help="methods; two or more are fused")
    parser.add_argument("--cores", type=int, default=1, help="of the workflow")
    parser.add_argument("--table", type=Path, help="CSV to write all scores to")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, object]] = []
    for seed in arguments.seeds:
        rows += scored(make_run(seed, arguments.cores), seed, arguments.cases, tuple(arguments.methods))
    table = pd.DataFrame(rows)
    if arguments.table:
        table.to_csv(arguments.table, index=False)
    show(table)


if __name__ == "__main__":
    main()
