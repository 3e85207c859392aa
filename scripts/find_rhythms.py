"""Fit the detector of atrial fibrillation on training records, and find episodes of rhythms in all records."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from beatlens.core.files import read_table, write_json, write_table
from beatlens.evaluate.predictions.rhythms import evaluate_rhythms
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.learning.fit_rhythms import fit_fibrillation
from beatlens.prediction.rhythms import find_rhythms, ventricular_tachycardia
from beatlens.run import programs
from beatlens.shards.shard import Shard


def main() -> None:
    parser = programs.parser(
        __doc__,
        shards=programs.Several("shard directories"),
        records="records.tsv",
        detector="JSON to write: the fitted detector",
        output="table of episodes to write",
        metrics="table of scores to write",
    )
    parser.add_argument("--episodes", type=Path, help="predictions/episodes.parquet; left out without beats")
    arguments = programs.start(parser)
    settings, records = arguments.settings, read_table(arguments.records)
    shards = [Shard(path) for path in arguments.shards]
    columns = ["corpus", "record", "patient", "stretch", "r_time_s"]
    beats = pd.concat([shard.beats(columns=columns) for shard in shards])
    beats = beats.sort_values(["corpus", "record", "r_time_s"], ignore_index=True)
    annotated = pd.concat([shard.rhythms for shard in shards], ignore_index=True)
    train = records.loc[records["split"].isin(["train", "select", "calibrate"]), ["corpus", "record"]]
    detector = fit_fibrillation(beats.merge(train, on=["corpus", "record"]), annotated)
    found = find_rhythms(beats, detector)
    if arguments.episodes:
        found = pd.concat([found, ventricular_tachycardia(read_table(arguments.episodes), records)], ignore_index=True)
    found = found.sort_values(["corpus", "record", "start_s", "rhythm"], ignore_index=True)
    write_json(arguments.detector, detector.to_json())
    write_table(arguments.output, found)
    scoring = EvaluateSettings.read(settings["evaluate"])
    write_table(arguments.metrics, evaluate_rhythms(found, annotated, records, scoring, settings["seed"]))


if __name__ == "__main__":
    main()
