"""Are the words about beats true? Timing, QRS width and P wave on made records, whole and preprocessed as in a run.

    PYTHONPATH=src python benchmarks/words.py [--seeds 1 2 3 4] [--decoys 0.5] [--per-class 6] [--patients 32 10]
    [--neurokit]

R peaks and quality are those of the pipeline; classes are the planted ones. A line a phrase: how often it is said, and
how often what it says is true of what was planted. ``QRS`` is true within 15 ms, ``wide`` and ``narrow`` where the
planted width is 105 ms and more, or 135 ms and less; ``early`` and ``late`` where the share is within 2 points of that
of the planted R peaks. A P wave is ``usual`` or ``other`` where one is
planted. Beats with a decoy in the place of the P wave are counted apart: there a wave, or its loss, is planted too.
Widths by neurokit2's delineation (``dwt``, first onset and last offset over leads) stand beside ours with --neurokit.
Limits of `beatlens.words` were chosen on seeds 101 to 108.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from beatlens.beats.preprocess import PreprocessSettings, preprocess_record
from beatlens.corpora.beat_labels import label_beats
from beatlens.corpora.label_table import LabelTable
from beatlens.corpora.synthetic import SyntheticSettings, make_corpus
from beatlens.corpora.synthetic.plan import plan_records
from beatlens.corpora.synthetic.planted_waves import has_p, planted_qrs
from beatlens.corpora.synthetic.write import Made, make_record
from beatlens.corpora.wfdb.record import read_record
from beatlens.words.describe import timing_word
from beatlens.words.measure import measure_beat
from beatlens.words.measured_record import MeasuredRecord
from beatlens.words.timing import measure_timing

ROOT = Path(__file__).resolve().parents[1]
ECTOPIC = ("S", "V")
P_PLACE_S = -0.04
"""A decoy whose middle lies before that changes the place of the P wave."""


def rows_of(made: Made, folder: Path, settings: PreprocessSettings, per_class: int, neurokit: bool) -> Iterator[Any]:
    """Yield what is said and what is planted of some beats of each class of a record."""
    record = read_record(folder, made.plan.name, "synthetic")
    labels = label_beats(record, LabelTable.read(ROOT / "config" / "labels" / "synthetic.csv"))
    done = preprocess_record(record, "test", labels, settings)
    beats, fs = done.beats, float(settings.signal.fs)
    label = beats["label"].astype(str).to_numpy()
    measured = MeasuredRecord(
        done.signal,
        fs,
        beats["r_index"].to_numpy(dtype=np.int64),
        beats["r_time_s"].to_numpy(dtype=np.float64),
        beats["stretch"].to_numpy(dtype=np.int64),
        np.isin(label, ECTOPIC),
        beats["reason"].to_numpy(dtype=object) != "",
    )
    r_sample = np.array([sample for _, sample in made.beats])
    kinds = np.array([beat.kind for beat, _ in made.beats])
    planted = replace(
        measured,
        r_time_s=r_sample / made.plan.fs,
        r_index=np.rint(r_sample / made.plan.fs * fs).astype(np.int64),
        stretch=np.zeros(len(r_sample), dtype=np.int64),
        ectopic=np.isin(kinds, ECTOPIC),
        doubted=np.zeros(len(r_sample), dtype=bool),
    )
    changed = {d.beat for d in made.decoys if d.begin + len(d.change) / 2 < r_sample[d.beat] + P_PLACE_S * made.plan.fs}
    by_neurokit = neurokit_widths(done.signal, fs, measured.r_index) if neurokit else np.full(len(beats), np.nan)
    place = {int(sample): k for k, sample in enumerate(r_sample)}
    rng = np.random.default_rng(0)
    for kind in sorted(set(kinds)):
        for row in rng.permutation(np.flatnonzero((label == kind) & beats["matched"].to_numpy()))[:per_class]:
            k = place[int(beats["matched_r_sample"].iloc[row])]
            beat = made.beats[k][0]
            found = measure_beat(measured, int(row))
            onset, end = planted_qrs(made, beat)
            yield {
                "kind": kind,
                "width": end - onset,
                "said_width": found.qrs.width_s,
                "neurokit": by_neurokit[row],
                "wide": found.qrs.wide,
                "timing": timing_word(found.timing),
                "prematurity": found.timing.prematurity,
                "exact": found.timing.exact,
                "true_prematurity": measure_timing(planted, k).prematurity,
                "p": has_p(made, beat),
                "said_p": found.p.wave,
                "changed": k in changed,
            }


def neurokit_widths(signal: np.ndarray, fs: float, r_index: np.ndarray) -> np.ndarray:
    """Return the (n,) widths in seconds that neurokit2 finds: first onset to last offset over leads, NaN for none."""
    import neurokit2

    onsets, ends = [], []
    for lead in signal:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = neurokit2.ecg_delineate(lead.astype(float), r_index, sampling_rate=round(fs), method="dwt")[1]
            except (ValueError, IndexError, ZeroDivisionError):
                continue
        onset, end = (np.array(found[name], dtype=float) for name in ("ECG_R_Onsets", "ECG_R_Offsets"))
        if len(onset) == len(end) == len(r_index):
            onsets.append(onset)
            ends.append(end)
    if not onsets:
        return np.full(len(r_index), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray((np.nanmax(ends, axis=0) - np.nanmin(onsets, axis=0)) / fs)


def line(name: str, said: pd.Series, right: pd.Series) -> str:
    """Return a line: how many beats the phrase may be said of, how often it is, and how often it is true."""
    n = int(said.sum())
    share = f"{100 * right[said].mean():5.1f} %" if n else "    -"
    return f"  {name:28} said of {n:5d} of {len(said):5d}   true {share}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--decoys", type=float, default=0.5)
    parser.add_argument("--per-class", type=int, default=6)
    parser.add_argument("--patients", type=int, nargs=2, default=[32, 10], help="with two leads, and with twelve")
    parser.add_argument("--neurokit", action="store_true")
    arguments = parser.parse_args()
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    settings = PreprocessSettings.from_config(config)
    rows: list[Any] = []
    for seed in arguments.seeds:
        numbers = dict(zip(("ambulatory_patients", "clinical_patients"), arguments.patients, strict=True))
        changed = {"seed": seed, "decoy_share": arguments.decoys, **numbers}
        made_of = SyntheticSettings.read(config["synthetic"] | changed)
        with tempfile.TemporaryDirectory() as folder:
            make_corpus(Path(folder) / "synthetic", made_of)
            for plan in plan_records(made_of):
                made = make_record(plan, made_of)
                rows += rows_of(
                    made, Path(folder) / "synthetic", settings, arguments.per_class, arguments.neurokit
                )  # fmt: skip
    d = pd.DataFrame(rows)
    near = (d["said_width"] - d["width"]).abs() <= 0.015
    print(f"seeds {arguments.seeds}, decoys in {arguments.decoys:g} of the beats, {len(d)} beats")
    print(line("QRS width", d["said_width"].notna(), near))
    for kind in sorted(set(d["kind"])):
        of = d["kind"] == kind
        print(line(f"  {kind}", d["said_width"].notna()[of], near[of]))
    print(line("wide", d["wide"] == True, d["width"] >= 0.105))  # noqa: E712
    print(line("narrow", d["wide"] == False, d["width"] <= 0.135))  # noqa: E712
    told = d["timing"].isin(["early", "late", "on time"]) & d["exact"]
    print(line("share early or late", told, (d["prematurity"] - d["true_prematurity"]).abs() <= 0.02))
    print(line("  within 5 points", told, (d["prematurity"] - d["true_prematurity"]).abs() <= 0.05))
    for kind in ECTOPIC:
        of = d["kind"] == kind
        print(line(f"  {kind}", told[of], (d["prematurity"] - d["true_prematurity"]).abs()[of] <= 0.02))
    print(line("early", d["timing"] == "early", d["kind"].isin(ECTOPIC)))
    for name, part in (("", ~d["changed"]), (", decoy at its place", d["changed"])):
        print(line(f"usual P{name}", d["said_p"][part] == "usual", d["p"][part]))
        print(line(f"other wave{name}", d["said_p"][part] == "other", d["p"][part]))
        print(line(f"no P{name}", d["said_p"][part] == "absent", ~d["p"][part]))
    if arguments.neurokit:
        error = (d["neurokit"] - d["width"]).abs()
        print(line("QRS width by neurokit2", d["neurokit"].notna(), error <= 0.015))
        ours = d["said_width"].notna() & d["neurokit"].notna()
        print(line("  where ours is said", ours, error <= 0.015))


if __name__ == "__main__":
    main()
