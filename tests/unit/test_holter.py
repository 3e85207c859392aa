"""Holter tables against plain walks over beats, made and real, and against NeuroKit2; what is urgent, and is said."""

from __future__ import annotations

import math
import os
import re
import statistics
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatlens.core.files import read_table, write_table
from beatlens.holter.heart_rate import RATE_BEATS, heart_rates
from beatlens.holter.tables import holter_columns, holter_table, hour_table
from beatlens.holter.urgency import REASONS, Findings, most_urgent_first, with_urgency
from beatlens.report.reasons import gravest_first, reason_words
from beatlens.report.sections.holter import record_summary
from holter_makers import CLASSES, COUNTING, ECTOPIC, GAP_S, beats_of, findings, records_of, stretches_of

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("BEATLENS_DATA", ROOT / "data")) / "mitdb"


def count_row(times, letters, seconds=None, stretches=()):
    seconds = seconds or (max(times) + 1 if len(times) else 10.0)
    return holter_table(beats_of(times, letters), stretches_of(*stretches), records_of(r=seconds), COUNTING).iloc[0]


def naive(times, letters, blind=()):
    """Count one record beat by beat. `blind` are spans (start, end) that no interval may lie over."""
    sequences = [[0]] if len(times) else []
    for k in range(1, len(times)):
        over = any(start < times[k] and end > times[k - 1] for start, end in blind)
        if times[k] - times[k - 1] > GAP_S or over:
            sequences.append([])
        sequences[-1].append(k)
    found = {"rates": [], "rr": [], "nn": [], "steps": [], "text": []}
    longest = max((len(part) - 1 for part in sequences), default=0)
    width = min(longest, RATE_BEATS)
    for part in sequences:
        found["rr"] += [times[b] - times[a] for a, b in pairwise(part)]
        for k in range(len(part) - width if width else 0):
            found["rates"].append((60 * width / (times[part[k + width]] - times[part[k]]), times[part[k]]))
        last = None
        for a, b in pairwise(part):
            normal = letters[a] == letters[b] == "N"
            if normal:
                found["nn"].append(1000 * (times[b] - times[a]))
                if last is not None:
                    found["steps"].append(1000 * (times[b] - times[a]) - last)
            last = 1000 * (times[b] - times[a]) if normal else None
        found["text"].append("".join(letters[k] for k in part))
    return found


def check(row, times, letters, blind=()):
    """Hold a row of the table against `naive` and regular expressions."""
    told = naive(times, letters, blind)
    accepted = [letter for letter in letters if letter.isupper()]
    assert row["n_beats"] == len(times)
    assert row["n_review"] == len(times) - len(accepted)
    for name in CLASSES:
        assert row[f"n_{name}"] == accepted.count(name)
    text = "|".join(told["text"])
    for name in ECTOPIC:
        runs = re.findall(f"{name}{{3,}}", text)
        assert row[f"n_runs_{name}"] == len(runs)
        assert row[f"longest_run_{name}"] == max(map(len, runs), default=0)
        assert row[f"n_couplets_{name}"] == len(re.findall(f"(?<!{name}){name}{name}(?!{name})", text))
        alone = f"(?<!{name}){name}(?!{name})"
        plain = "[^SV|a-z]"
        assert row[f"n_bigeminy_{name}"] == len(re.findall(f"{alone}(?:{plain}{name}(?!{name})){{2,}}", text))
        share = accepted.count(name) / len(accepted) if accepted else math.nan
        assert row[f"burden_{name}"] == pytest.approx(share, nan_ok=True)
    if told["rates"]:
        assert row["rate_mean"] == pytest.approx(60 / statistics.fmean(told["rr"]))
        for column, best in (
            ("rate_min", min(told["rates"])),
            ("rate_max", max(told["rates"], key=lambda rate: rate[0])),
        ):
            assert row[column] == pytest.approx(best[0])
            equal = [at for rate, at in told["rates"] if rate == pytest.approx(best[0], abs=1e-9)]
            assert any(row[f"{column}_s"] == pytest.approx(at) for at in equal)
    else:
        assert all(math.isnan(row[name]) for name in ("rate_mean", "rate_min", "rate_max", "rate_min_s"))
    sdnn = statistics.stdev(told["nn"]) if len(told["nn"]) > 1 else math.nan
    rmssd = math.sqrt(statistics.fmean(step**2 for step in told["steps"])) if told["steps"] else math.nan
    assert row["sdnn_ms"] == pytest.approx(sdnn, nan_ok=True)
    assert row["rmssd_ms"] == pytest.approx(rmssd, nan_ok=True)


def test_counts_are_those_of_a_walk_over_the_beats():
    rng = np.random.default_rng(3)
    made = {}
    for k in range(60):
        n = int(rng.integers(0, 60))
        times = np.cumsum(rng.choice([0.4, 0.8, 0.9, 2.5, 5.0], n, p=[0.2, 0.4, 0.3, 0.07, 0.03])).tolist()
        letters = "".join(rng.choice(list("NSVnv"), n, p=[0.5, 0.1, 0.3, 0.05, 0.05]))
        if rng.random() < 0.5:  # often periodic, else bigeminy is rare
            letters = "".join("V" if i % 2 else letter for i, letter in enumerate(letters))
        made[f"r{k}"] = (times, letters, [(t + 0.1, t + 0.2) for t in times[5::17]])
    beats = pd.concat([beats_of(times, letters, name) for name, (times, letters, _) in made.items()])
    stretches = stretches_of(*((name, "noise", *span) for name, (_, _, spans) in made.items() for span in spans))
    table = holter_table(
        beats.sample(frac=1, random_state=1), stretches, records_of(**dict.fromkeys(made, 300)), COUNTING
    )
    for row in table.to_dict("records"):
        check(row, *made[row["record"]])
    assert table[["n_bigeminy_V", "n_runs_V", "n_couplets_V"]].sum().min() > 10


@pytest.mark.real_data
@pytest.mark.skipif(not (FOLDER / "119.hea").is_file(), reason=f"no MIT-BIH records in {FOLDER} (set BEATLENS_DATA)")
@pytest.mark.parametrize("name", ["106", "119", "207"])
def test_counts_are_exact_on_reference_beats(name):
    """Of DS1: frequent ventricular beats, bigeminy, and flutter among runs of ventricular and escape beats."""
    import wfdb

    table = pd.read_csv(ROOT / "config" / "labels" / "mitdb.csv", keep_default_na=False)
    classes = {row.symbol: row[3] for row in table.itertuples() if row[3]}
    annotation = wfdb.rdann(str(FOLDER / name), "atr")
    found = [
        (s / annotation.fs, classes[c])
        for s, c in zip(annotation.sample, annotation.symbol, strict=True)
        if c in classes
    ]
    times, letters = [time for time, _ in found], "".join(letter for _, letter in found)
    letters = "".join(letter if letter in CLASSES else "n" for letter in letters)
    assert letters.count("V") > 100
    row = count_row(times, letters, 1805.556)
    check(row, times, letters)
    pauses = [b - a for k, (a, b) in enumerate(pairwise(times)) if b - a > 2 and letters[k : k + 2].isupper()]
    assert (row["n_pauses_2s"], row["n_pauses_3s"]) == (len(pauses), sum(length > 3 for length in pauses))
    assert row["longest_pause_s"] == pytest.approx(max(pauses, default=0.0))


def test_variation_is_that_of_neurokit():
    import neurokit2

    rng = np.random.default_rng(5)
    rr = 0.8 + 0.05 * rng.standard_normal(200)
    times = np.cumsum(rr)
    row = count_row(times, "N" * 200)
    wanted = neurokit2.hrv_time({"RRI": 1000 * np.diff(times), "RRI_Time": times[1:]})
    assert row["sdnn_ms"] == pytest.approx(float(wanted["HRV_SDNN"].iloc[0]))
    assert row["rmssd_ms"] == pytest.approx(float(wanted["HRV_RMSSD"].iloc[0]))


def test_hours_add_up_to_the_record_and_know_their_own_rates():
    fast, slow = np.arange(0.5, 3600, 0.5), np.arange(3601.0, 7000, 1.0)
    times = np.concatenate([fast, slow])
    beats = beats_of(times, "V" * 10 + "N" * (len(times) - 11) + "n")
    hours = hour_table(beats, stretches_of(("r", "noise", 3590.0, 3610.0)), records_of(r=9000), COUNTING)
    assert hours["start_s"].tolist() == [0.0, 3600.0, 7200.0]
    assert hours["n_beats"].tolist() == [len(fast), len(slow), 0]
    assert hours["n_V"].tolist() == [10, 0, 0]
    assert hours["n_review"].tolist() == [0, 1, 0]
    assert hours["noise_s"].tolist() == pytest.approx([10.0, 10.0, 0.0])
    assert hours["rate_mean"].tolist() == pytest.approx([120.0, 60.0, math.nan], nan_ok=True)


def test_what_cannot_be_told_is_no_time_and_no_interval():
    stretches = [
        ("r", "noise", 2.0, 5.0),
        ("r", "flat", 4.0, 6.0),
        ("r", "pause", 7.0, 9.5),
        ("r", "disorganised", 95, 120),
    ]
    row = count_row([1.0, 1.8, 6.5, 9.6, 10.4], "NNNNN", 100.0, stretches)
    assert row["analysable_s"] == pytest.approx(100 - 4 - 5)
    assert row["noise_share"] == pytest.approx(0.09)
    assert row["rate_mean"] == pytest.approx(75.0), "two intervals of .8 s"
    assert (row["n_pauses_2s"], row["n_pauses_3s"], row["longest_pause_at_s"]) == (1, 1, 6.5)
    assert (row["disorganised_s"], row["disorganised_at_s"]) == (25.0, 95.0)


def test_rates_of_a_cell_end_at_its_edge():
    rates = heart_rates(np.array([0.0, 1.0, 2.0, 2.5, 3.0]), np.zeros(5, dtype=bool), np.array([0, 0, 0, 2, 2]), 3)
    np.testing.assert_allclose(rates.mean, [60.0, np.nan, 120.0])
    np.testing.assert_allclose(rates.highest_s, [0.0, np.nan, 2.5])


def test_no_beat_one_beat_and_all_in_review_are_legal():
    beats = pd.concat([beats_of([3.0], "N", "one"), beats_of([1.0, 1.8, 2.6], "nvn", "doubted")])
    records = records_of(none=10, one=10, doubted=10)
    table = holter_table(beats, stretches_of(), records, COUNTING)
    assert list(table.columns) == list(holter_columns(CLASSES, ECTOPIC))
    told = table.set_index("record")
    assert told["n_beats"].to_dict() == {"doubted": 3, "none": 0, "one": 1}
    assert told.loc["doubted", "rate_mean"] == pytest.approx(75.0)
    assert told[["burden_V"]].isna().to_dict("list") == {"burden_V": [True, True, False]}
    assert told.loc["one", ["rate_min", "sdnn_ms"]].isna().all()
    nothing = holter_table(beats[:0], stretches_of(), records[:0], COUNTING)
    assert len(nothing) == 0
    assert len(with_urgency(nothing, findings(beats[:0]))) == 0
    assert len(hour_table(beats, stretches_of(), records, COUNTING)) == 3


def test_beats_without_a_record_and_records_twice_are_refused():
    with pytest.raises(ValueError, match="c/other isn't in the table of records"):
        holter_table(beats_of([1.0], "N", "other"), stretches_of(), records_of(r=9), COUNTING)
    twice = pd.concat([records_of(r=9), records_of(r=9)])
    with pytest.raises(ValueError, match="c/r has two rows"):
        hour_table(beats_of([1.0], "N"), stretches_of(), twice, COUNTING)


def test_each_reason_is_found_and_records_come_in_the_order_of_their_gravest():
    steady = np.arange(1, 60, 0.8)
    made = {
        "fast_ventricular_run": (np.concatenate([[0.2, 0.6, 1.0], 2 + steady]), "VVV" + "N" * len(steady)),
        "sustained_run": (np.arange(0, 40, 0.5), "V" * 80),
        "fast_run": (np.concatenate([[0.2, 0.6, 1.0], 2 + steady]), "SSS" + "N" * len(steady)),
        "run": (np.concatenate([[0.2, 1.2, 2.2], 3 + steady]), "VVV" + "N" * len(steady)),
        "possible_fast_run": (np.concatenate([[0.2, 0.6, 1.0], 2 + steady]), "vVv" + "N" * len(steady)),
        "fast_rate": (np.arange(0, 60, 0.35), "N" * 172),
        "slow_rate": (np.arange(0, 60, 1.8), "N" * 34),
        "long_pause": (np.concatenate([steady, 63.2 + steady]), "N" * (2 * len(steady))),
        "pause": (np.concatenate([steady, 60.9 + steady]), "N" * (2 * len(steady))),
        "frequent_ectopy": (steady, ("NNNV" * 20)[: len(steady)]),
        "much_review": (steady, ("Nn" * 40)[: len(steady)]),
        "no_beats": ([], ""),
        **{
            name: (steady, "N" * len(steady))
            for name in ("alert", "unlike", "much_noise", "disorganised", "possible_pause", "fibrillation")
        },
        "calm": (steady, "N" * len(steady)),
    }
    assert {*REASONS} == made.keys() - {"calm"}
    beats = pd.concat([beats_of(times, letters, name) for name, (times, letters) in made.items()])
    stretches = stretches_of(
        ("much_noise", "noise", 70.0, 120.0),
        ("disorganised", "disorganised", 70.0, 75.0),
        ("possible_pause", "flat", 70.0, 75.0),
    )
    rhythms = pd.DataFrame(
        {"corpus": "c", "record": ["fibrillation", "calm"], "rhythm": ["AFIB", "VT"], "start_s": 3.0, "end_s": 15.0}
    )
    known = findings(
        beats,
        stretches,
        [("c", "unlike", "unlike:shapes", ""), ("c", "calm", "age", "")],
        [("alert", "A1"), ("calm", "")],
        rhythms,
    )
    records = records_of(**dict.fromkeys(made, 125))
    table = with_urgency(holter_table(beats, stretches, records, COUNTING), known)
    told = table.set_index("record")
    for name in REASONS:
        assert told.loc[name, "urgency_reasons"].split(";")[0] == name
    assert (told.loc["calm", "urgency"], told.loc["calm", "urgency_reasons"]) == (0, "")
    assert told["af_burden"].to_dict()["fibrillation"] == pytest.approx(12 / 125)
    assert told["n_alert"].sum() == 1
    assert most_urgent_first(table)["record"].tolist() == [*REASONS, "calm"], "as the reasons stand"
    assert "af_burden" not in with_urgency(table[list(holter_columns(CLASSES, ECTOPIC))], findings(beats)).columns


def test_silence_is_a_reason_unless_a_pause_says_it_or_the_electrode_is_off():
    steady = np.arange(1, 60, 0.8)
    n, later = len(steady), 66 + steady
    made = {
        "asystole": (steady, "N" * n),
        "off": (steady, "N" * n),
        "short": (steady, "N" * n),
        "doubtful": (np.concatenate([steady, later]), "N" * n + "n" + "N" * (n - 1)),
        "sure": (np.concatenate([steady, later]), "N" * (2 * n)),
        "ventricular": (np.arange(0, 30, 0.5), "Vv" * 30),
    }
    stretches = stretches_of(
        ("asystole", "pause", 60.0, 120.0),
        ("off", "flat", 60.0, 120.0),
        ("short", "pause", 60.0, 62.9),
        ("sure", "pause", 61.0, 65.0),
    )
    stretches.loc[stretches["record"] == "off", "constant_s"] = 60.0
    beats = pd.concat([beats_of(times, letters, name) for name, (times, letters) in made.items()])
    table = holter_table(beats, stretches, records_of(**dict.fromkeys(made, 130)), COUNTING)
    told = with_urgency(table, findings(beats, stretches))
    codes = dict(zip(told["record"], told["urgency_reasons"].str.split(";"), strict=True))
    assert [name for name in made if "possible_pause" in codes[name]] == ["asystole", "doubtful"]
    assert codes["sure"] == ["long_pause"]
    places = list(REASONS)
    assert places.index(codes["ventricular"][0]) < places.index("fibrillation")


def test_tables_without_a_row_are_those_of_a_file(tmp_path):
    beats, records = beats_of([1.0, 1.8], "NN"), records_of(r=9)
    known = findings(beats)
    names = ("episodes", "stretches", "remarks", "alert_beats")
    for name in names:
        write_table(tmp_path / f"{name}.tsv", getattr(known, name))
    read = Findings(**{name: read_table(tmp_path / f"{name}.tsv") for name in names})
    told = with_urgency(holter_table(beats, read.stretches, records, COUNTING), read)
    assert told["urgency"].tolist() == [0]
    assert reason_words(told.iloc[0].to_dict(), gravest_first(read.episodes)) == []


def summary_of(times, letters, seconds, stretches=()):
    beats, spans, records = beats_of(times, letters), stretches_of(*stretches), records_of(r=seconds)
    known = findings(beats, spans)
    row = with_urgency(holter_table(beats, spans, records, COUNTING), known).iloc[0].to_dict()
    return record_summary(row, hour_table(beats, spans, records, COUNTING), known.episodes)


def test_a_record_is_told_in_words():
    times = [*np.arange(0.5, 10, 0.8), *(10.5 + 0.4 * np.arange(5)), *np.arange(16.0, 30, 0.8)]
    letters = "N" * 12 + "V" * 5 + "N" * 18
    told = summary_of(times, letters, 40)
    assert told.sentences == [
        "35 beats in 40 s at 70/min on average, 51 to 92.",
        "5 ventricular premature beats (14\u00a0% of accepted beats).",
        "No beat is left to a person.",
    ]
    assert told.reasons == [
        "fast ventricular run of 5 V at 150/min, at 0:10",
        "pause of 3.9 s at 0:12",
    ]
    assert [(row.kind, row.class_id, row.start, row.at_s) for row in told.episodes] == [
        ("run", "V", "0:10", 10.5),
        ("pause", "V", "0:12", pytest.approx(12.1)),
    ]
    assert told.counts == ["30", "0", "5"]
    assert told.hours == [], "one hour is what the rest tells"
    facts = {fact.label: (fact.value, fact.note) for fact in told.facts}
    assert facts["Longest pause"] == ("3.9 s", "at 0:12")
    assert facts["Pauses over 2 s"] == ("1", "between accepted beats; over 3 s: 1")
    ventricular = told.ectopy[1]
    assert (ventricular.runs, ventricular.longest, ventricular.fastest, ventricular.burden) == (
        "1",
        "5 beats",
        "150/min",
        "14\u00a0%",
    )


def test_a_record_without_beats_and_one_all_in_review_are_told():
    assert summary_of([], "", 10).sentences == ["No beat was found in 10 s."]
    assert summary_of([], "", 10).reasons == ["no beat was found"]
    doubted = summary_of([1.0, 1.8, 2.6], "nnv", 10)
    assert doubted.sentences[-1] == "100\u00a0% of the beats are left to a person."
    assert doubted.reasons == ["100\u00a0% of the beats are in review"]
    day = summary_of(np.arange(1.0, 7300.0, 1.0), "N" * 7299, 7300)
    assert [row.hour for row in day.hours] == ["0:00", "1:00:00", "2:00:00"]


def test_a_possible_fast_run_comes_before_sure_short_pauses():
    kinds = ["pause"] * 3 + ["run", "possible_run", "possible_run", "run", "possible_pause"]
    rates = [20.0] * 3 + [80.0, 150.0, 150.0, 120.0, 20.0]
    table = pd.DataFrame({"kind": kinds, "class": ["N"] * 3 + ["V", "V", "S", "S", "N"], "rate_per_min": rates})
    ordered = gravest_first(table.assign(start_s=0.0, end_s=2.3))
    assert ordered.index.tolist() == [4, 6, 5, 3, 0, 1, 2, 7]
