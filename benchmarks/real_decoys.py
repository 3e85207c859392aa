"""Do explanations of real beats show what was changed and means nothing? Decoys planted into records of a finished run.

    PYTHONPATH=src python benchmarks/real_decoys.py results/mitdb 106 119 208 223 [--class V] [--beats 6] [--share 0.5]

Decoys are planted into the conditioned signals of the named records (of DS1; DS2 is for testing alone), at detected
beats whatever their class. The run's bundle predicts them anew, and of the accepted, rightly predicted beats of the
class the first with decoys are explained and fused. What makes the class isn't known in real beats; its diagnostic
region (strict) stands for it. The network has never seen a decoy, so some are used: they are counted apart.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from decoys import LEVEL, show

from beatlens.core.files import read_table, write_table
from beatlens.core.record import DECOY
from beatlens.core.seeds import derive_seed
from beatlens.corpora.synthetic.decoys import plant_decoys
from beatlens.evaluate.explanations.cases import record_labels, wrong_class
from beatlens.evaluate.explanations.decoys import case_decoys, decoy_scores
from beatlens.evaluate.explanations.regions import read_regions
from beatlens.evaluate.explanations.truths import STRICT, NullMaps, case_truths
from beatlens.explain.case.choice import WindowSettings, case_rows, select_cases
from beatlens.explain.case.settings import CaseSettings
from beatlens.explain.explainer import Explainer, explain_case
from beatlens.explain.result.attribution import Attribution
from beatlens.explain.result.fusion import fuse
from beatlens.explain.result.settings import FusionSettings
from beatlens.explain.settings import ExplainSettings
from beatlens.inputs.record_view import RecordViews
from beatlens.prediction.bundle import Bundle
from beatlens.prediction.predict import Beside, predict_beats
from beatlens.shards.shard import TRUTH_COLUMNS, Shard


def planted(path: Path, folder: Path, names: list[str], share: float, seed: int) -> Shard:
    """Copy a shard, with decoys in the records of these names."""
    copy = Path(shutil.copytree(path, folder / path.name))
    shard, signals = Shard(path), np.load(path / "signals.npy")
    beats, rows = shard.beats(), []
    for row in shard.records.itertuples():
        if row.record not in names:
            continue
        own = beats[(beats["corpus"] == row.corpus) & (beats["record"] == row.record)]
        place = slice(row.offset, row.offset + row.n_leads * row.n_samples)
        signal, spans = plant_decoys(
            shard.signal(row.corpus, row.record),
            own["r_index"].tolist(),
            row.fs,
            share=share,
            seed=derive_seed(seed, "decoys", row.record),
        )
        signals[place] = signal.ravel()
        leads, r_samples = row.leads.split(";"), own["matched_r_sample"].tolist()
        for span in spans:
            times = span.start / row.fs, span.end / row.fs
            label, r_sample = DECOY + span.decoy.kind, r_samples[span.decoy.beat]
            rows.append((row.corpus, row.record, leads[span.lead], *times, label, r_sample))
    np.save(copy / "signals.npy", signals)
    write_table(copy / "truth.parquet", pd.DataFrame(rows, columns=list(TRUTH_COLUMNS)))
    return Shard(copy)


def scored(run: Path, names: list[str], arguments: argparse.Namespace, folder: Path) -> Iterator[dict[str, object]]:
    """Plant, predict, explain; yield scores."""
    config = yaml.safe_load((run / "run_config.yaml").read_text(encoding="utf-8"))
    settings, fusion = ExplainSettings(**config["explain"]), FusionSettings(**config["fusion"])
    window = WindowSettings(**{field.name: config["beats"][field.name] for field in fields(WindowSettings)})
    bundle = Bundle.load(arguments.bundle or run / "model" / "bundle")
    network = bundle.network()
    shards, folders, tables = [], [], []
    for path in sorted((run / "preprocess").iterdir()):
        if not set(Shard(path).records["record"]) & set(names):
            continue
        shard = planted(path, folder, names, arguments.share, arguments.seed)
        beats = shard.beats()
        beats = beats[beats["record"].isin(names)].reset_index(drop=True)
        beside, splits = Beside(), dict.fromkeys(shard.beat_records(), "test")
        tables.append(predict_beats(shard, beats, splits, bundle, network, beside=beside))
        predictions = folder / f"predictions-{path.name}"
        predictions.mkdir()
        write_table(predictions / "beats.parquet", tables[-1])
        write_table(predictions / "look_alikes.parquet", pd.concat(beside.references, ignore_index=True))
        shards.append(shard)
        folders.append(predictions)
    views = RecordViews(shards, folders, bundle.spec)
    explainer = Explainer(views, bundle, network, settings, config["seed"])
    chosen = CaseSettings(**{**config["cases"], "per_class": 400, "max_cases": 4000, "outcomes": ["correct"]})
    records = read_table(run / "records.tsv")
    cases = select_cases(
        pd.concat(tables, ignore_index=True), records, bundle.classes, settings=chosen, window=window, seed=1
    )
    regions = read_regions(Path("config/diagnostic_regions.csv"))
    taken: Counter[str] = Counter()
    cases = cases[(cases["class"] == getattr(arguments, "class")) & (cases["target"] == "beat")]
    for case in case_rows(cases):
        if taken[case.record] >= arguments.beats:
            continue
        prepared = explainer.prepare(case)
        labels = record_labels(prepared, views, regions)
        truth, decoys = case_truths(case, prepared.instance, labels).get(STRICT), case_decoys(prepared, labels)
        if truth is None or decoys is None:
            continue
        taken[case.record] += 1
        each: dict[str, Attribution] = {method: explain_case(prepared, method) for method in settings.methods}
        explained = {**each, "fused": fuse(each, fusion)}
        draws = config["evaluate"]["random_draws"]
        nulls = NullMaps.of(prepared.engine, np.diff(prepared.edges), wrong_class(prepared), draws, 1)
        for score in decoy_scores(prepared, explained, truth, decoys, nulls, seed=prepared.seed):
            scale = score.denominator or 1.0
            yield {
                "seed": case.record,
                "patient": prepared.patient,
                "case": case.case,
                "class": case.case_class,
                "method": score.method,
                "truth": score.truth.replace("planted", "region"),
                "metric": score.metric,
                "null": score.null_name,
                "value": score.value / scale,
                "null_value": score.null_value / scale,
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="results/<run> with preprocessed shards and a bundle")
    parser.add_argument("records", nargs="+", help="records that decoys are planted into")
    parser.add_argument("--bundle", type=Path, help="bundle, in place of the run's")
    parser.add_argument("--class", default="V", help="class whose beats are explained")
    parser.add_argument("--beats", type=int, default=6, help="beats of each record")
    parser.add_argument("--share", type=float, default=0.5, help="share of beats with decoys")
    parser.add_argument("--seed", type=int, default=1, help="of the decoys")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        table = pd.DataFrame(scored(arguments.run, arguments.records, arguments, Path(folder)))
    print(f"{table['case'].nunique()} beats of {table['patient'].nunique()} patients; intervals of {LEVEL:.0%}")
    show(table)


if __name__ == "__main__":
    main()
