"""R-peak detectors on the 48 MIT-BIH records: F1 at 150 and 50 ms and seconds a record, one row a detector.

    PYTHONPATH=src python benchmarks/rpeaks.py DATA/mitdb [--detectors consensus sleepecg] [--records DS1]

Lead 0, whole records, 1:1 matching; beats in ventricular flutter aren't annotated, so detections there count as extra
(the columns "without flutter" leave those stretches out). Recall is told by RR interval too. ``consensus-all`` sees all
leads. Time is the process's own, from the conditioned signal to refined R peaks; conditioning is a row of its own.
Choose on DS1, read all records once.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import yaml

from beatlens.beats.beat_table import match_beats
from beatlens.corpora.label_table import LabelTable, flutter_intervals
from beatlens.corpora.wfdb.record import read_record
from beatlens.signals.conditioning import condition
from beatlens.signals.detection.r_peaks import detect
from beatlens.signals.settings.rpeaks import DETECTORS, RPeakSettings
from beatlens.signals.settings.signal import SignalSettings

ROOT = Path(__file__).resolve().parents[1]
DS1 = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230".split()

RR_BINS_S = ((0, 0.333), (0, 0.36), (0.36, 0.4), (0.4, 60))


def f1(counts: np.ndarray) -> float:
    matched, detected, annotated = counts
    return float(100 * 2 * matched / (detected + annotated))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    choices = [*(name for name in DETECTORS if name != "annotation"), "consensus-all"]
    parser.add_argument("--detectors", nargs="+", default=choices, choices=choices)
    parser.add_argument("--records", choices=["all", "DS1"], default="all")
    arguments = parser.parse_args()
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    signal, rpeaks = SignalSettings.read(config["signal"]), config["rpeaks"]
    table = LabelTable.read(ROOT / "config" / "labels" / "mitdb.csv")
    names = DS1 if arguments.records == "DS1" else sorted(path.stem for path in arguments.folder.glob("*.hea"))
    records, spent = [], 0.0
    for name in names:
        record = read_record(arguments.folder, name, "mitdb")
        began = time.process_time()
        conditioned = condition(record.signal, record.fs, signal).signal
        spent += time.process_time() - began
        annotations = record.annotations
        assert annotations is not None
        is_beat = np.array(table.classify(annotations.symbol, annotations.aux)) != ""
        flutter = np.array(flutter_intervals(annotations, record.signal.shape[1])).reshape(-1, 2) / record.fs
        records.append((conditioned, annotations.sample[is_beat] / record.fs, flutter))
    print(f"{len(names)} records; conditioning of both leads {spent / len(names):.3f} s a record")
    print(
        "detector       F1@150  F1@50  extra missed  s/record  without flutter: F1@150  F1@50  recall, RR", *RR_BINS_S
    )
    for name in arguments.detectors:
        settings = RPeakSettings(**(rpeaks | {"detector": name.removesuffix("-all")}))
        counts, by_rr, spent = np.zeros((4, 3)), np.zeros((len(RR_BINS_S), 2)), 0.0
        for conditioned, beats, flutter in records:
            leads = conditioned if name.endswith("-all") else conditioned[:1]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                began = time.process_time()
                found = detect(leads, signal.fs, settings) / signal.fs
                spent += time.process_time() - began
            for row, tolerance in enumerate((0.15, 0.05)):
                partner, of_beats = match_beats(found, beats, tolerance)
                for k, (low, high) in enumerate(RR_BINS_S if row == 0 else ()):
                    within = (np.diff(beats, prepend=-np.inf) >= low) & (np.diff(beats, prepend=-np.inf) < high)
                    by_rr[k] += (of_beats[within] >= 0).sum(), within.sum()
                inside = ((found[:, None] >= flutter[:, 0]) & (found[:, None] <= flutter[:, 1])).any(axis=1)
                in_flutter = int((inside & (partner < 0)).sum())
                counts[row] += [(partner >= 0).sum(), len(found), len(beats)]
                counts[row + 2] += [(partner >= 0).sum(), len(found) - in_flutter, len(beats)]
        matched, detected, annotated = counts[0]
        print(
            f"{name:14} {f1(counts[0]):6.2f} {f1(counts[1]):6.2f} {detected - matched:6.0f} {annotated - matched:6.0f} "
            f"{spent / len(names):9.3f} {f1(counts[2]):24.2f} {f1(counts[3]):6.2f} ",
            *(f"{hit:.0f} of {all_beats:.0f} ({hit / all_beats:.3f})" for hit, all_beats in by_rr),
            flush=True,
        )


if __name__ == "__main__":
    main()
