"""How well annotations agree with found beats: own ones, other records', and own ones that were moved.

    PYTHONPATH=src python benchmarks/annotations.py results/mitdb [--records DS1]

For strips of several lengths of a run's records: the lowest agreement of own annotations, the 95th and 99th percentile
of other records', and how many of each are set aside; then of own ones that are late, or counted at another rate, how
many are set aside, and in how many the right lag (within 20 ms) or rate is named. Choose on DS1, read all records once.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from beatlens.beats.annotation_check import MIN_BEATS, agreement, check_annotations
from beatlens.corpora.beat_labels import BeatLabels
from beatlens.shards.shard import Shard
from beatlens.shards.stretches import Stretch

DS1 = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230".split()
FS = 360.0
Entry = tuple[np.ndarray, np.ndarray, list[Stretch]]


def entries(run: Path, names: list[str] | None) -> Iterator[tuple[str, Entry]]:
    """Yield annotated and found times in s and the stretches of each record."""
    for folder in sorted((run / "preprocess").glob("*of*")):
        shard = Shard(folder)
        for corpus, record in shard.beat_records():
            if names is None or record in names:
                times = [
                    shard.beats_of(corpus, record, peaks)["r_time_s"].to_numpy() for peaks in ("annotated", "detected")
                ]
                own = shard.stretches[(shard.stretches["corpus"] == corpus) & (shard.stretches["record"] == record)]
                spans = [Stretch(row.kind, row.start_s, row.end_s, row.n_beats, 0.0, "") for row in own.itertuples()]
                yield record, (times[0], times[1], spans)


def strip(entry: Entry, start: float, length: float) -> Entry:
    """Return a part of a record."""
    annotated, found = (times[(times >= start) & (times < start + length)] - start for times in entry[:2])
    return annotated, found, [Stretch(s.kind, s.start_s - start, s.end_s - start, 0, 0.0, "") for s in entry[2]]


def said(annotated: np.ndarray, entry: Entry) -> str:
    """Return what is said of annotations at these times, "" where nothing is."""
    sample = np.unique(np.rint(annotated * FS).astype(np.int64))
    labels = BeatLabels(sample, [""] * len(sample), [""] * len(sample))
    finding = check_annotations(labels, np.rint(entry[1] * FS).astype(np.int64), FS, entry[2])
    return finding.detail if finding else ""


def names(words: str, value: float) -> bool:
    """Tell whether what is said names the rate in Hz (an integer) or the lag in s."""
    if isinstance(value, int):
        return f"at {value} Hz" in words
    found = re.search(r"about (\d+) ms (late|early)", words)
    return found is not None and abs(int(found[1]) * (1 if found[2] == "late" else -1) - 1000 * value) <= 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--records", choices=["all", "DS1"], default="all")
    arguments = parser.parse_args()
    known = dict(entries(arguments.run, DS1 if arguments.records == "DS1" else None))
    whole = {name: agreement(*entry[:2]) for name, entry in known.items()}
    worst = sorted(whole, key=whole.__getitem__)[:5]
    aside = [name for name, entry in known.items() if said(entry[0], entry)]
    print(f"{len(known)} records, set aside: {aside}; lowest {[(name, round(whole[name], 3)) for name in worst]}")
    rng = np.random.default_rng(0)
    for length in (10.0, 30.0, 60.0, 300.0, 5.0):
        own, other, counts = [], [], {"own": 0, "other": 0}
        changes = {f"{lag * 1000:.0f} ms late": lag for lag in (0.2, 0.4, -5.0)} | {
            f"{rate} Hz": rate for rate in (250, 500)
        }
        moved = {name: [0, 0, 0] for name in changes}
        for name in sorted(known) * 10:
            entry = strip(known[name], rng.uniform(0, 1800 - length), length)
            stranger = rng.choice([n for n in sorted(known) if n != name])
            elsewhere = strip(known[stranger], rng.uniform(0, 1800 - length), length)[0]
            if min(len(entry[0]), len(entry[1]), len(elsewhere)) < (10 if length >= 10 else MIN_BEATS):
                continue
            own.append(agreement(*entry[:2]))
            other.append(agreement(elsewhere, entry[1]))
            counts["own"] += bool(said(entry[0], entry))
            counts["other"] += bool(said(elsewhere, entry))
            for what, value in changes.items():
                times = entry[0] * value / FS if isinstance(value, int) else entry[0] + value
                words = said(times[(times > 0) & (times < length)], entry)
                moved[what] = [a + b for a, b in zip(moved[what], (1, bool(words), names(words, value)), strict=True)]
        low, high = min(own), np.quantile(other, [0.95, 0.99])
        print(
            f"{length:.0f} s: {len(own)} strips; own >= {low:.2f}, other 95 % {high[0]:.2f}, 99 % {high[1]:.2f}; "
            f"aside {counts}"
        )
        print("   moved: " + ", ".join(f"{what} {b} of {a} aside, {c} named" for what, (a, b, c) in moved.items()))


if __name__ == "__main__":
    main()
