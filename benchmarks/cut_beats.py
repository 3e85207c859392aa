"""Beats at which a record ends: how often what a bundle says of them is right, by what of them was recorded.

    PYTHONPATH=src python benchmarks/cut_beats.py DATA/mitdb BUNDLE SCRATCH [--before]

Twelve seconds of DS1 that end so many ms after the R peak of a normal or ventricular beat (with ``--before``: that
begin before it). The reason ``cut_by_edge`` itself is left out of account, so that the table shows where its line
belongs.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from beatlens.beats.preprocess import PreprocessSettings, preprocess_record
from beatlens.beats.record_edges import CUT_BY_EDGE
from beatlens.config.load import load_config
from beatlens.corpora.label_table import LabelTable
from beatlens.corpora.wfdb.record import read_record
from beatlens.models.build import make_deterministic
from beatlens.prediction.bundle import Bundle
from beatlens.prediction.predict import predict_beats
from beatlens.shards.shard import Shard
from beatlens.shards.writer import ShardWriter

ROOT = Path(__file__).resolve().parents[1]
DS1 = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230".split()
PLACES_MS = (5, 20, 40, 60, 80, 100, 120, 150, 200, 250, 400)
LENGTH_S, WANTED = 12, {"N": 4, "V": 6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--before", action="store_true")
    arguments = parser.parse_args()
    make_deterministic(1, "cpu")
    overlay = yaml.safe_load((ROOT / "config" / "mitdb.yaml").read_text(encoding="utf-8"))
    settings = PreprocessSettings.from_config(load_config(overlay, ROOT, ROOT))
    table = LabelTable.read(ROOT / "config" / "labels" / "mitdb.csv")
    rng = np.random.default_rng(5)
    rows = []
    with ShardWriter(arguments.scratch) as writer:
        for name in DS1:
            record = read_record(arguments.folder, name, "mitdb")
            assert record.annotations is not None
            sample = record.annotations.sample
            labels = np.array(table.classify(record.annotations.symbol, record.annotations.aux))
            length = round(LENGTH_S * record.fs)
            inside = (sample > length) & (sample < record.signal.shape[1] - length)
            for label, wanted in WANTED.items():
                own = sample[inside & (labels == label)]
                for r in rng.choice(own, min(wanted, len(own)), replace=False).tolist():
                    for ms in PLACES_MS:
                        edge = round(ms * record.fs / 1000)
                        low, high = (r - edge, r + length) if arguments.before else (r - length, r + edge)
                        part = replace(record, name=f"{name}_{r}_{ms}", signal=record.signal[:, low:high].copy(),
                                       annotations=None)  # fmt: skip
                        made = preprocess_record(part, "predict", None, settings)
                        writer.add(made.row, made.signal, made.beats, made.annotated, made.truth)
                        rows.append({"record": part.name, "ms": ms, "label": label, "at": r - low, "fs": record.fs})
    wanted_beats, bundle = pd.DataFrame(rows), Bundle.load(arguments.bundle)
    network, shard = bundle.network("cpu"), Shard(arguments.scratch)
    splits = {("mitdb", name): "none" for name in wanted_beats["record"]}
    found = pd.concat([predict_beats(shard, beats, splits, bundle, network) for beats in shard.beat_groups()])
    joined = wanted_beats.merge(found.drop(columns="label"), on="record")
    distance = (joined["r_sample"] - joined["at"]).abs() / joined["fs"]
    near = joined[distance < 0.15].assign(distance=distance).sort_values("distance").drop_duplicates("record")
    reason = near["reason"].str.split(";").map(lambda parts: [part for part in parts if part not in ("", CUT_BY_EDGE)])
    accepted = near[reason.map(len) == 0].assign(right=lambda own: own["pred"] == own["label"])
    print(accepted.groupby(["ms", "label"])["right"].agg(["mean", "size"]).unstack().round(3).to_string())


if __name__ == "__main__":
    main()
