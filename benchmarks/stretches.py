"""Stretches without trustworthy beats on the 48 MIT-BIH records: flutter covered, time and beats listed besides, cost.

    PYTHONPATH=src python benchmarks/stretches.py DATA/mitdb [--records DS1]

A row a record that has any. Flutter is what is annotated from ``[`` to ``]``; all else has real rhythm, so that what is
listed there as disorganised or artefact is false or noisy. Pauses are real. Choose on DS1, read all records once.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import yaml

from beatlens.beats.preprocess import PreprocessSettings
from beatlens.corpora.label_table import flutter_intervals
from beatlens.corpora.wfdb.record import read_record
from beatlens.shards.stretches import DOUBTED_KINDS
from beatlens.signals.conditioning import condition
from beatlens.signals.detection.r_peaks import detect
from beatlens.signals.gaps import fill_gaps
from beatlens.signals.quality import assess, lead_scale
from beatlens.signals.record_signals import RecordSignals
from beatlens.signals.unreadable_stretches import find_stretches

ROOT = Path(__file__).resolve().parents[1]
DS1 = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230".split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", choices=["all", "DS1"], default="all")
    arguments = parser.parse_args()
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    settings = PreprocessSettings.from_config(config)
    names = DS1 if arguments.records == "DS1" else sorted(path.stem for path in arguments.folder.glob("*.hea"))
    total: defaultdict[str, float] = defaultdict(float)
    spent, hours = [], 0.0
    for name in names:
        record = read_record(arguments.folder, name, "mitdb")
        made = condition(record.signal, record.fs, settings.signal)
        fs = float(settings.signal.fs)
        r_index = np.unique(np.rint(detect(made.signal, fs, settings.rpeaks, made.missing)).astype(np.int64))
        signals = RecordSignals(fill_gaps(record.signal)[0], record.fs, made.signal, made.missing, fs)
        scale = lead_scale(made.signal, r_index, fs)
        quality = assess(signals, r_index, scale, settings.geometry, settings.quality)
        doubted = np.array(quality.reasons()) != ""
        began = time.process_time()
        found = find_stretches(signals, r_index, scale, doubted)
        spent.append(time.process_time() - began)
        hours += made.signal.shape[1] / fs / 3600
        assert record.annotations is not None
        flutter = np.array(flutter_intervals(record.annotations, record.signal.shape[1])).reshape(-1, 2) / record.fs
        waves = [stretch for stretch in found if stretch.kind == "disorganised"]
        for start, end in flutter:
            covered = sum(max(min(s.end_s, end) - max(s.start_s, start), 0) for s in waves)
            print(f"{name} flutter {start:7.1f} to {end:7.1f} s: {100 * covered / (end - start):.0f} % covered")
        seconds: defaultdict[str, float] = defaultdict(float)
        for stretch in found:
            if not any(stretch.start_s < end and stretch.end_s > start for start, end in flutter):
                seconds[stretch.kind] += stretch.end_s - stretch.start_s
                seconds["beats inside"] += stretch.n_beats if stretch.kind in DOUBTED_KINDS else 0
        for kind, value in seconds.items():
            total[kind] += value
        if sum(seconds.values()):
            print(name, ", ".join(f"{kind} {value:.1f}" for kind, value in seconds.items() if value))
    print(f"{len(names)} records, outside flutter and a record-hour:")
    print(", ".join(f"{kind} {value / hours:.2f}" for kind, value in total.items()), "(seconds, beats)")
    print(f"{1000 * float(np.median(spent)):.1f} ms a record, {1000 * max(spent):.1f} ms at most (CPU)")


if __name__ == "__main__":
    main()
