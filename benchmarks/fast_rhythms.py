"""Fast rhythms of known beats: recall and precision within 50 ms, by shape, rate, noise and length.

    PYTHONPATH=src python benchmarks/fast_rhythms.py [DATA/nstdb] [--every 3]

Made narrow and wide complexes at 150 to 280 a minute for 5 to 60 s, alone and within sinus rhythm, without noise and,
where records of the noise stress test database are given, with electrode motion and muscle at 12 and 6 dB (its own
ratio: squared peak-to-peak amplitude of the QRS over 8 against the noise's power). Each is read by one lead and by two.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml

from beatlens.beats.beat_table import match_beats
from beatlens.corpora.wfdb.record import read_record
from beatlens.signals.conditioning import condition
from beatlens.signals.detection.r_peaks import detect
from beatlens.signals.settings.rpeaks import RPeakSettings
from beatlens.signals.settings.signal import SignalSettings

ROOT = Path(__file__).resolve().parents[1]
FS = 360.0
TOLERANCE_S = 0.05
Signal = npt.NDArray[np.float64]
Shape = Callable[[Signal, float, int], Signal]
"""From time around R in seconds, RR interval in seconds and lead (0 or 1) to millivolts."""


def bump(t: Signal, height: float, centre: float, width: float) -> Signal:
    wave: Signal = height * np.exp(-0.5 * ((t - centre) / width) ** 2)
    return wave


def sinus(t: Signal, rr: float, lead: int, t_wave: float = 0.3) -> Signal:
    shorter = min(1.0, np.sqrt(rr / 0.8))
    p, q, r, s, height = ((0.12, -0.08, 1.2, -0.2, t_wave), (0.05, 0.0, 0.25, -0.9, t_wave - 0.35))[lead]
    wave = bump(t, p, -0.17 * shorter, 0.022) + bump(t, q, -0.025, 0.009) + bump(t, r, 0, 0.011)
    return wave + bump(t, s, 0.028, 0.01) + bump(t, height, 0.27 * shorter, 0.045 * shorter)


def narrow_rs(t: Signal, rr: float, lead: int) -> Signal:
    shorter = min(1.0, np.sqrt(rr / 0.8))
    wave = bump(t, 0.3, -0.02, 0.01) - bump(t, 1.1, 0.012, 0.014) + bump(t, 0.25, 0.25 * shorter, 0.05 * shorter)
    return (1.0, -0.6)[lead] * wave


def wide(kind: str, qrs_s: float) -> Shape:
    """Return a wide complex: one bump, an RS, a notched R, a QS or a triangle, with a T wave against it."""
    w = qrs_s / 4

    def shape(t: Signal, rr: float, lead: int) -> Signal:
        k = min(1.0, np.sqrt(rr / 0.6))
        if kind == "bump":
            wave = bump(t, 1, 0, w) - bump(t, 0.4, 2.5 * w, 1.3 * w) - bump(t, 0.3, 0.2 * min(1, rr / 0.3), 0.05)
        elif kind == "rs":
            wave = bump(t, 1, 0, 0.8 * w) - bump(t, 0.9, 1.9 * w, 0.9 * w) + bump(t, 0.3, 0.22 * k + 0.05, 0.06 * k)
        elif kind == "notched":
            wave = bump(t, 0.9, -0.8 * w, 0.6 * w) + bump(t, 0.8, 0.9 * w, 0.6 * w)
            wave -= bump(t, 0.35, 0.16 * k + 2 * w, 0.06 * k)
        elif kind == "qs":
            wave = bump(t, 0.45, 0.17 * k + 2 * w, 0.06 * k) - bump(t, 1, 0, w)
        else:
            wave = np.clip(1 - np.abs(t) / (2.4 * w), 0, None) - 0.5 * np.clip(
                1 - np.abs(t - 4 * w) / (3.2 * w), 0, None
            )
        return (1.3, -0.8)[lead] * wave

    return shape


SHAPES: dict[str, Shape] = {
    "sinus": sinus,
    "high T": lambda t, rr, lead: sinus(t, rr, lead, 0.6),
    "narrow rS": narrow_rs,
    **{
        f"{kind} {round(1000 * width)} ms": wide(kind, width)
        for kind in ("bump", "rs", "notched", "qs", "triangle")
        for width in (0.12, 0.17)
    },
}
RATES, LENGTHS_S, NOISE = (
    (150, 170, 200, 230, 250, 280),
    (5.0, 20.0, 60.0),
    (("em", 12), ("em", 6), ("ma", 12), ("ma", 6)),
)


@dataclass(frozen=True)
class Case:
    """One made record: a run of fast beats of one shape, alone or within sinus rhythm."""

    shape: str
    rate: int
    length_s: float
    in_sinus: bool
    noise: str
    snr_db: float


def make(case: Case, seed: int, noise: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the signal (2, n) in mV, the beats in seconds, and which of them are fast."""
    rng = np.random.default_rng(seed)
    rr = 60 / case.rate

    def steps(start: float, stop: float, mean: float) -> np.ndarray:
        times = start + np.cumsum(mean * (1 + 0.02 * rng.normal(size=round(1.5 * (stop - start) / mean) + 2)))
        return times[times < stop]

    before = steps(-0.4, 29.4, 0.8) if case.in_sinus else np.zeros(0)
    begin = 30.0 if case.in_sinus else 0.1
    fast = steps(begin - rr, begin + case.length_s, rr)
    after = steps(fast[-1] + 0.2, fast[-1] + 30, 0.8) if case.in_sinus else np.zeros(0)
    times = np.concatenate([before, fast, after])
    is_fast = np.isin(times, fast)
    n = round((times[-1] + (0.5 if case.in_sinus else 0.25)) * FS)
    time = np.arange(n) / FS
    signal = 0.015 * rng.normal(size=(2, n)) + 0.05 * np.sin(2 * np.pi * 0.25 * time + np.arange(2)[:, None])
    for r, quick in zip(times, is_fast, strict=True):
        near = slice(max(round((r - 0.6) * FS), 0), round((r + 0.8) * FS))
        shape = SHAPES[case.shape] if quick else sinus
        for lead in range(2):
            signal[lead, near] += shape(time[near] - r, rr if quick else 0.8, lead)
    if case.noise:
        source, half = noise[case.noise], round(0.06 * FS)
        offset = rng.integers(source.shape[1] - n)
        for lead in range(2):
            centres = np.clip(np.rint(times * FS).astype(int), half, n - half - 1)
            height = np.median([np.ptp(signal[lead, c - half : c + half + 1]) for c in centres])
            added = source[lead, offset : offset + n] - source[lead, offset : offset + n].mean()
            signal[lead] += added * np.sqrt(height**2 / 8 / 10 ** (case.snr_db / 10) / np.mean(added**2))
    return signal.astype(np.float32), times, is_fast


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("noise", type=Path, nargs="?", help="folder of nstdb")
    parser.add_argument("--every", type=int, default=1, help="one of so many cases")
    arguments = parser.parse_args()
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    conditioning, settings = SignalSettings.read(config["signal"]), RPeakSettings.read(config["rpeaks"])
    noise = {}
    if arguments.noise:
        for name in ("em", "ma"):
            record = read_record(arguments.noise, name, "nstdb")
            # As after conditioning, where the ratio counts.
            noise[name] = condition(record.signal, record.fs, SignalSettings(FS, (0.5, 45), 3, None)).signal
    conditions = [("", 0.0), *(NOISE if noise else ())]
    rows = []
    for seed, (shape, rate, length_s, in_sinus, (kind, snr_db)) in enumerate(
        itertools.product(SHAPES, RATES, LENGTHS_S, (True, False), conditions)
    ):
        if np.random.default_rng(seed).integers(arguments.every):
            continue
        signal, times, is_fast = make(Case(shape, rate, length_s, in_sinus, kind, snr_db), seed, noise)
        conditioned = condition(signal, FS, conditioning).signal
        for leads in (1, 2):
            found = detect(conditioned[:leads], conditioning.fs, settings) / conditioning.fs
            of_found, of_beats = match_beats(found, times, TOLERANCE_S)
            inside = (found > times[is_fast][0] - 0.1) & (found < times[is_fast][-1] + 0.1)
            rows.append(
                {
                    "shape": shape,
                    "rate": rate,
                    "length_s": length_s,
                    "in_sinus": in_sinus,
                    "noise": f"{kind} {snr_db:g} dB" if kind else "none",
                    "leads": leads,
                    "beats": is_fast.sum(),
                    "hits": (of_beats[is_fast] >= 0).sum(),
                    "found": inside.sum(),
                    "right": (of_found[inside] >= 0).sum(),
                }
            )
    table = pd.DataFrame(rows)
    for column in ("noise", "shape", "rate", "length_s", "in_sinus", "leads"):
        totals = table.groupby(column, sort=False)[["beats", "hits", "found", "right"]].sum()
        totals["recall"], totals["precision"] = totals["hits"] / totals["beats"], totals["right"] / totals["found"]
        print(totals[["beats", "recall", "precision"]].round(4).to_string(), "\n", flush=True)
    total = table[["beats", "hits", "found", "right"]].sum()
    print(f"all: recall {total['hits'] / total['beats']:.4f}, precision {total['right'] / total['found']:.4f}")


if __name__ == "__main__":
    main()
