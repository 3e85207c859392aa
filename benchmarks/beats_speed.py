"""Speed of the way from raw records to beats and RR features, by stage, and beside plain implementations.

    PYTHONPATH=src python benchmarks/beats_speed.py DATA/mitdb [--processes 2] [--repeats 3]

1. All records of the folder, both leads, in the four shards of config/mitdb.yaml, by processes that have started and
   done one record before: wall seconds until the last shard is written, and CPU seconds by stage. On a machine with
   other work the CPU seconds over the processes say what the wall seconds would be without it.
2. RR features of all records beside two loops over beats that give the same numbers (asserted): one that calls numpy
   for each window of a beat, and one over lists with math and statistics alone.
3. A record beside a plain chain on its first lead: wfdb, a Butterworth band-pass, neurokit2's detector, and a loop
   that cuts each beat and takes its RR features. Ours does both leads, labels and quality as well.
"""

from __future__ import annotations

from measure import ROOT, Clock, Stages, machine, processes, seconds, show, stage_seconds  # isort: split

import argparse
import math
import statistics
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import beatlens.beats.beat_table
import beatlens.beats.preprocess
import beatlens.beats.preprocess_shard
from beatlens.beats.beat_table import DEFAULT_RR_S, rr_columns, rr_features, stretches
from beatlens.beats.preprocess import PreprocessSettings
from beatlens.beats.preprocess_shard import CorpusSource, preprocess_shard
from beatlens.beats.rr_intervals import SPREAD_FLOOR
from beatlens.beats.settings import BeatSettings
from beatlens.config.load import load_config
from beatlens.core.files import read_table
from beatlens.corpora.label_table import LabelTable
from beatlens.corpora.record_sheet import SheetRow, shard_of, used_shards
from beatlens.corpora.registry import read_patients
from beatlens.shards.writer import ShardWriter

CONFIG = load_config(yaml.safe_load((ROOT / "config/mitdb.yaml").read_text(encoding="utf-8")), ROOT, ROOT)
SETTINGS = PreprocessSettings.from_config(CONFIG)
RR = SETTINGS.beats
STAGES: Stages = {
    "read": [(beatlens.beats.preprocess_shard, "read_record"), (beatlens.beats.preprocess_shard, "label_beats")],
    "conditioning": [(beatlens.beats.preprocess, "condition")],
    "R peaks": [(beatlens.beats.preprocess, "detect")],
    "quality": [(beatlens.beats.preprocess, "assess"), (beatlens.beats.preprocess, "lead_scale")],
    "RR": [(beatlens.beats.beat_table, "rr_columns"), (beatlens.beats.beat_table, "stretches")],
    "write": [(ShardWriter, "add"), (ShardWriter, "_finish")],
}


def sheet_rows(folder: Path) -> list[SheetRow]:
    names = sorted(path.stem for path in folder.glob("*.hea"))
    return [
        SheetRow("mitdb", name, "train", "wfdb", name, f"{name}.hea;{name}.dat;{name}.atr", 0, "", "", "")
        for name in names
    ]


def preprocess(rows: list[SheetRow], folder: Path, output: Path) -> None:
    labels = LabelTable.read(ROOT / "config/labels/mitdb.csv")
    patients = read_patients(ROOT / "config/patients/mitdb.csv")
    preprocess_shard(rows, {"mitdb": CorpusSource(folder, labels, patients)}, SETTINGS, output)


def warm(folder: Path, output: Path) -> None:
    with tempfile.TemporaryDirectory(dir=output) as own:
        preprocess(sheet_rows(folder)[:1], folder, Path(own))


def one_shard(shard: int, n_shards: int, folder: Path, output: Path) -> dict[str, float]:
    """Write a shard; return the CPU seconds of each stage."""
    own = [row for row in sheet_rows(folder) if shard_of(row.corpus, row.record, n_shards) == shard]
    with stage_seconds(STAGES) as spent:
        preprocess(own, folder, output / f"{shard}of{n_shards}")
    return spent


def raw_to_beats(folder: Path, n_processes: int, repeats: int, output: Path) -> dict[str, list[float]]:
    """Return wall seconds and CPU seconds by stage of each repetition."""
    n_shards = CONFIG["shards"]
    shards = used_shards(sheet_rows(folder), n_shards)
    found: dict[str, list[float]] = {}
    with processes(n_processes, warm, folder, output) as pool:
        for _ in range(repeats):
            clock = Clock()
            parts = pool.map(partial(one_shard, n_shards=n_shards, folder=folder, output=output), shards, chunksize=1)
            found.setdefault("wall", []).append(clock.wall)
            for stage in parts[0]:
                found.setdefault(stage, []).append(sum(part[stage] for part in parts))
    return found


class PlainIntervals:
    """RR features beat by beat, each from its definition, as `beatlens.beats.rr_intervals` says.

    Parameters
    ----------
    times
        R peaks of a record in seconds.
    settings
        Section ``beats`` of the configuration.
    """

    def __init__(self, times: np.ndarray, settings: BeatSettings) -> None:
        self.settings, self.n = settings, len(times)
        steps = np.diff(times)
        exists = steps <= settings.gap_s
        self.median = float(np.median(steps[exists])) if exists.any() else DEFAULT_RR_S
        # Interval k ends at beat k; NaN where there is none. Stretches are from `first` to `last`.
        self.intervals = np.concatenate([[np.nan], np.where(exists, steps, np.nan), [np.nan]])
        number = np.concatenate([[0], np.cumsum(~exists)])
        self.first, self.last = np.searchsorted(number, number), np.searchsorted(number, number, side="right") - 1

    def neighbours(self, rr: Any, k: int, first: int, last: int, usual: float) -> tuple[float, float, float, float]:
        """Return the intervals before and after beat `k`, and those before and after these."""
        before = rr[k] if k > first else usual
        after = rr[k + 1] if k < last else usual
        previous = rr[k - 1] if k > first + 1 else before
        following = rr[k + 2] if k < last - 1 else after
        return before, after, previous, following

    def usual(self, median: Any) -> list[dict[int, tuple[float, float]]]:
        """Return usual interval and spread at each beat, a width at a time; `median` of a list of numbers."""
        found: list[dict[int, tuple[float, float]]] = [{} for _ in range(self.n)]
        for width in (self.settings.short_usual_beats, self.settings.long_usual_beats):
            around = [
                range(max(first + 1, k - width // 2), min(last, k + width // 2) + 1)
                for k, (first, last) in enumerate(zip(self.first.tolist(), self.last.tolist(), strict=True))
            ]
            rr = self.intervals.tolist()
            usual = [median([rr[i] for i in own]) if own else self.median for own in around]
            for k, own in enumerate(around):
                spread = median([abs(math.log(rr[i] / usual[i])) for i in own]) if own else 0.0
                found[k][width] = (usual[k], spread)
        return found

    def with_numpy(self) -> np.ndarray:
        """Return the features (n, R), numpy calls for each beat's windows."""
        usual = self.usual(np.median)
        rr, limit, rows = self.intervals, self.settings.max_log_ratio, []
        for k, (first, last) in enumerate(zip(self.first, self.last, strict=True)):
            own_usual = usual[k][self.settings.short_usual_beats][0]
            before, after, previous, following = self.neighbours(rr, k, first, last, own_usual)
            means = []
            for beats in (self.settings.short_mean_beats, self.settings.long_mean_beats):
                own = rr[max(first + 1, k - beats) : k]
                means.append(own.mean() if len(own) else before)
            short, long_ = means
            recent = np.diff(np.log(rr[max(first + 1, k - self.settings.short_mean_beats) : k + 1]))
            rest = [np.sqrt(np.mean(recent**2)) if len(recent) else 0.0]
            for beats in (self.settings.short_variation_beats, self.settings.long_variation_beats):
                low, high = max(first + 1, k - beats // 2 - 1), min(last, k + beats // 2)
                size = np.abs(np.diff(np.log(rr[low : high + 1])))
                rest.append(np.median(size) if len(size) else 0.0)
            rest.append(size.mean() if len(size) else 0.0)
            ratios = [before / DEFAULT_RR_S, after / DEFAULT_RR_S] if self.settings.rate else []
            ratios += [before / short, after / short, before / long_, after / long_]
            ratios += [before / after, before / previous, after / following]
            rest += [spread for _, spread in usual[k].values()]
            strange = [np.log([before / u, after / u]) / (s + SPREAD_FLOOR) for u, s in usual[k].values()]
            parts = [np.clip(np.log(ratios), -limit, limit), np.minimum(rest, limit), *np.arcsinh(strange)]
            rows.append(np.concatenate(parts))
        return np.array(rows, dtype=np.float32)

    def with_lists(self) -> np.ndarray:
        """Return the features (n, R) with lists, math and statistics."""
        usual = self.usual(statistics.median)
        rr, limit, rows = self.intervals.tolist(), self.settings.max_log_ratio, []
        for k, (first, last) in enumerate(zip(self.first.tolist(), self.last.tolist(), strict=True)):
            own_usual = usual[k][self.settings.short_usual_beats][0]
            before, after, previous, following = self.neighbours(rr, k, first, last, own_usual)
            means = []
            for beats in (self.settings.short_mean_beats, self.settings.long_mean_beats):
                own = rr[max(first + 1, k - beats) : k]
                means.append(sum(own) / len(own) if own else before)
            short, long_ = means
            recent = range(max(first + 2, k - self.settings.short_mean_beats + 1), k + 1)
            squares = [math.log(rr[i] / rr[i - 1]) ** 2 for i in recent]
            rest = [math.sqrt(sum(squares) / len(squares)) if squares else 0.0]
            for beats in (self.settings.short_variation_beats, self.settings.long_variation_beats):
                around = range(max(first + 2, k - beats // 2), min(last, k + beats // 2) + 1)
                size = [abs(math.log(rr[i] / rr[i - 1])) for i in around]
                rest.append(statistics.median(size) if size else 0.0)
            rest.append(sum(size) / len(size) if size else 0.0)
            ratios = [before / DEFAULT_RR_S, after / DEFAULT_RR_S] if self.settings.rate else []
            ratios += [before / short, after / short, before / long_, after / long_]
            ratios += [before / after, before / previous, after / following]
            row = [min(max(math.log(ratio), -limit), limit) for ratio in ratios]
            rest += [spread for _, spread in usual[k].values()]
            row += [min(value, limit) for value in rest]
            for u, s in usual[k].values():
                row += [math.asinh(math.log(interval / u) / (s + SPREAD_FLOOR)) for interval in (before, after)]
            rows.append(row)
        return np.array(rows, dtype=np.float32)


def our_features(times: np.ndarray) -> np.ndarray:
    return rr_features(rr_columns(times, stretches(times, RR.gap_s), RR), RR)


def record_times(output: Path) -> list[np.ndarray]:
    """Return the R peaks of each record of the shards in seconds."""
    tables = [read_table(path, columns=["record", "r_time_s"]) for path in sorted(output.glob("*of*/beats.parquet"))]
    return [own["r_time_s"].to_numpy() for table in tables for _, own in table.groupby("record")]


def _run_all(loop: Callable[[PlainIntervals], np.ndarray], times: list[np.ndarray]) -> None:
    for r_times in times:
        loop(PlainIntervals(r_times, RR))


def interval_speed(times: list[np.ndarray], repeats: int, few: int) -> tuple[float, float, float]:
    """Return microseconds a beat: ours over all records, the two loops over a few."""
    for own in times[:few]:
        plain, ours = PlainIntervals(own, RR), our_features(own)
        for other in (plain.with_numpy(), plain.with_lists()):
            if other.shape != ours.shape or np.abs(other - ours).max() > 1e-5:
                raise AssertionError(f"features differ by {np.abs(other - ours).max()}; expected the same numbers")
    spent = seconds(lambda: [our_features(own) for own in times], repeats) / sum(map(len, times))
    n_few = sum(map(len, times[:few]))
    loops = []
    for loop in (PlainIntervals.with_numpy, PlainIntervals.with_lists):
        plainly = partial(_run_all, loop, times[:few])
        loops.append(seconds(plainly, 1) / n_few)
    return spent * 1e6, loops[0] * 1e6, loops[1] * 1e6


def plain_chain(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the beats and RR features of a record's first lead the plain way."""
    import neurokit2
    import wfdb
    from scipy.signal import butter, filtfilt, resample

    record = wfdb.rdrecord(str(folder / name))
    n = round(record.sig_len * SETTINGS.signal.fs / record.fs)
    signal = resample(record.p_signal[:, 0], n)
    b, a = butter(SETTINGS.signal.order, SETTINGS.signal.band_hz, "bandpass", fs=SETTINGS.signal.fs)
    signal = filtfilt(b, a, signal)
    peaks = neurokit2.ecg_peaks(signal, sampling_rate=round(SETTINGS.signal.fs))[1]["ECG_R_Peaks"]
    before, after = SETTINGS.geometry.before, SETTINGS.geometry.after
    beats = []
    for peak in peaks:
        if peak >= before and peak + after <= len(signal):
            wave = signal[peak - before : peak + after]
            beats.append((wave - wave.mean()) / wave.std())
    return np.array(beats), PlainIntervals(np.asarray(peaks) / SETTINGS.signal.fs, RR).with_numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--plain-records", type=int, default=4, help="records that the plain implementations do")
    arguments = parser.parse_args()
    folder, repeats, few = arguments.folder.resolve(), arguments.repeats, arguments.plain_records
    names = [row.record for row in sheet_rows(folder)]
    print(f"{len(names)} records; {machine()}")
    with tempfile.TemporaryDirectory() as temporary:
        output = Path(temporary)
        found = raw_to_beats(folder, arguments.processes, repeats, output)
        middle = {name: statistics.median(values) for name, values in found.items()}
        shared = middle["all"] / arguments.processes
        show(
            f"Raw records to beats and RR features, {arguments.processes} processes, median of {repeats}",
            [
                ("wall seconds", "8", "2.5", f"{middle['wall']:.2f}"),
                ("CPU seconds over processes", "8", "2.5", f"{shared:.2f}"),
                *((f"  {stage}, CPU seconds", "", "", f"{middle[stage]:.2f}") for stage in [*STAGES, "rest", "all"]),
            ],
        )
        times = record_times(output)
        ours, numpy_loop, list_loop = interval_speed(times, max(repeats, 5), few)
        show(
            f"RR features, {sum(map(len, times))} beats, CPU microseconds a beat",
            [
                ("ours", "", "", f"{ours:.2f}"),
                ("loop with numpy", "", "", f"{numpy_loop:.1f}"),
                ("loop over lists", "", "", f"{list_loop:.1f}"),
                ("loop with numpy over ours", "100", "", f"{numpy_loop / ours:.0f}"),
                ("loop over lists over ours", "", "", f"{list_loop / ours:.0f}"),
            ],
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plain = seconds(lambda: [plain_chain(folder, name) for name in names[:few]], 1) / few
        rows = sheet_rows(folder)[:few]
        own = seconds(lambda: preprocess(rows, folder, output / "few"), 1) / few
        show(
            "A record, CPU seconds",
            [
                ("ours: both leads, labels, quality, written", "", "", f"{own:.3f}"),
                ("plain chain: first lead alone", "", "", f"{plain:.3f}"),
                ("ratio", "", "", f"{plain / own:.1f}"),
            ],
        )


if __name__ == "__main__":
    main()
