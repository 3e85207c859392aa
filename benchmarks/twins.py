"""One person under two names: how many records cut in two are found, and how many pairs of people are taken for one.

    PYTHONPATH=src python benchmarks/twins.py DATA/mitdb --records DS1 --overlay config/mitdb.yaml
    PYTHONPATH=src python benchmarks/twins.py DATA/ptb-xl --glob 'records500/**/*.hea'

Each record in turn is replaced by its halves, which stand as two patients among all the others. Then all records, each
patient against every other. Patients of PTB-XL are those of its ptbxl_database.csv; elsewhere each record is one.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from beatlens.beats.preprocess import PreprocessSettings, preprocess_record
from beatlens.config.load import merge
from beatlens.corpora.wfdb.record import read_record
from beatlens.leaks.twins import Portraits, find_twins, portraits
from beatlens.shards.shard import Shard
from beatlens.shards.writer import ShardWriter

ROOT = Path(__file__).resolve().parents[1]
DS1 = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230".split()


def some_of(described: Portraits, names: list[str]) -> Portraits:
    """Return the portraits of some records, each patient in a split of its own."""
    index = {record: k for k, (_, record) in enumerate(described.keys)}
    chosen = [index[name] for name in names if name in index]
    rows = np.flatnonzero(np.isin(described.owner, chosen))
    place = {record: k for k, record in enumerate(sorted(chosen))}
    patients = described.patients[sorted(chosen)]
    return Portraits(
        [described.keys[k] for k in sorted(chosen)], patients, patients, described.waves[rows], described.power[rows],
        described.present[rows], np.array([place[int(k)] for k in described.owner[rows]], dtype=np.int64),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", choices=["all", "DS1"], default="all")
    parser.add_argument("--glob", default="**/*.hea")
    parser.add_argument("--overlay", type=Path)
    arguments = parser.parse_args()
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    if arguments.overlay:
        config = merge(config, yaml.safe_load(arguments.overlay.read_text(encoding="utf-8")))
    settings = PreprocessSettings.from_config(config)
    people: dict[int, str] = {}
    if (arguments.folder / "ptbxl_database.csv").exists():
        with (arguments.folder / "ptbxl_database.csv").open(encoding="utf-8", newline="") as file:
            people = {int(row["ecg_id"]): row["patient_id"] for row in csv.DictReader(file)}
    paths = sorted(path.relative_to(arguments.folder).with_suffix("") for path in arguments.folder.glob(arguments.glob))
    with tempfile.TemporaryDirectory() as folder:
        with ShardWriter(folder) as writer:
            for path in paths:
                if arguments.records == "DS1" and path.name not in DS1:
                    continue
                record = read_record(arguments.folder, str(path), "corpus", None, None)
                patient = people[int(path.name[:5])] if people else path.name
                middle = record.signal.shape[1] // 2
                pieces = {"": record.signal, "~a": record.signal[:, :middle], "~b": record.signal[:, middle:]}
                for ending, signal in pieces.items():
                    own = {"name": path.name + ending, "patient": patient + ending, "signal": signal}
                    made = preprocess_record(dataclasses.replace(record, **own), "train", None, settings)
                    writer.add(made.row, made.signal, made.beats, made.annotated, made.truth)
        shard = Shard(folder)
        table: pd.DataFrame = shard.records.assign(split="train")
        described = portraits([shard], table, settings.geometry)
    patient_of = dict(zip(table["record"], table["patient"], strict=True))
    whole = [name for name in patient_of if "~" not in name]
    found = 0
    for name in whole:
        others = [other for other in whole if patient_of[other] != patient_of[name]]
        pairs = find_twins(some_of(described, [*others, f"{name}~a", f"{name}~b"]))
        found += any(
            {pair.first.split()[0], pair.second.split()[0]} == {f"corpus/{name}~{x}" for x in "ab"} for pair in pairs
        )
    wrong = find_twins(some_of(described, whole))
    n = len({patient_of[name] for name in whole})
    print(f"{len(whole)} records of {n} patients: {found} cut in two are found ({found / len(whole):.0%})")
    print(f"{len(wrong)} of {n * (n - 1) // 2} pairs of patients look like one person", *wrong, sep="\n")


if __name__ == "__main__":
    main()
