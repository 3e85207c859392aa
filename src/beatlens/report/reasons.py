"""Why a record should be looked at, in words with numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from beatlens.holter.urgency import REASONS, VENTRICULAR
from beatlens.prediction.rhythms import TACHYCARDIA_PER_MIN
from beatlens.report.numbers import clock, count, duration, part_of, percent, plural, whole

if TYPE_CHECKING:
    import pandas as pd


def reason_words(row: Mapping[str, Any], episodes: pd.DataFrame) -> list[str]:
    """Say why a record should be looked at, the gravest first, each reason with its number.

    Parameters
    ----------
    row
        A row of the Holter table with urgency.
    episodes
        The record's runs and pauses, the gravest first.
    """
    codes = [code for code in str(row["urgency_reasons"]).split(";") if code]
    if "long_pause" in codes:  # which says the longest of all
        codes = [code for code in codes if code != "pause"]
    if "sustained_run" in codes:
        codes = [code for code in codes if code != "fast_ventricular_run"]
    return [_reason(code, row, episodes) for code in codes]


def _reason(code: str, row: Mapping[str, Any], episodes: pd.DataFrame) -> str:
    fast = episodes["rate_per_min"] >= TACHYCARDIA_PER_MIN
    ventricular, run = episodes["class"] == VENTRICULAR, episodes["kind"] == "run"
    chosen = {
        "sustained_run": ("fast ventricular run", run & fast & ventricular),
        "fast_ventricular_run": ("fast ventricular run", run & fast & ventricular),
        "fast_run": ("fast run", run & fast & ~ventricular),
        "run": ("slow run", run & ~fast),
        "possible_fast_run": ("possible fast run", (episodes["kind"] == "possible_run") & fast),
    }
    if code in chosen and chosen[code][1].any():
        return _run_words(chosen[code][0], episodes[chosen[code][1]])
    words = {
        "disorganised": f"{duration(row['disorganised_s'])} of fast disorganised signal (flutter, fibrillation?), at "
        f"{clock(row['disorganised_at_s'])}",
        "long_pause": f"pause of {whole(row['longest_pause_s'], 1)} s at {clock(row['longest_pause_at_s'])}",
        "pause": f"pause of {whole(row['longest_pause_s'], 1)} s at {clock(row['longest_pause_at_s'])}",
        "fast_rate": f"rate up to {whole(row['rate_max'])}/min at {clock(row['rate_max_s'])}",
        "slow_rate": f"rate down to {whole(row['rate_min'])}/min at {clock(row['rate_min_s'])}",
        "fibrillation": f"atrial fibrillation in {percent(row.get('af_burden', math.nan))} of the time",
        "alert": f"{plural(int(row['n_alert']), 'beat')} of a new pattern",
        "frequent_ectopy": f"{count(row.get(f'n_{VENTRICULAR}', math.nan))} ventricular beats, "
        f"{percent(row.get(f'burden_{VENTRICULAR}', math.nan))} of those accepted",
        "much_review": f"{part_of(row['n_review'], row['n_beats'])} of the beats are in review",
        "much_noise": f"beats can't be told in {percent(row['noise_share'])} of the time",
    }
    return words.get(code, REASONS[code].words)


def _run_words(kind: str, runs: pd.DataFrame) -> str:
    longest = runs.loc[runs["n_beats"].idxmax()]
    what = f"{longest['n_beats']} {longest['class']} at {whole(longest['rate_per_min'])}/min, at"
    where = f"{what} {clock(longest['start_s'])}"
    return f"{kind} of {where}" if len(runs) == 1 else f"{count(len(runs))} {kind}s, the longest of {where}"


def gravest_first(episodes: pd.DataFrame) -> pd.DataFrame:
    """Order episodes: fast ventricular runs, other fast runs, then slow runs and pauses; of each the sure ones first.

    A possible run of the graver kind comes before a sure one of a lesser kind, the longer of two alike first.
    """
    fast = episodes["rate_per_min"] >= TACHYCARDIA_PER_MIN
    sure = ~episodes["kind"].astype(str).str.startswith("possible")
    run = episodes["kind"].astype(str).str.endswith("run")
    keys = {
        "_fast": run & fast,
        "_ventricular": run & fast & (episodes["class"] == VENTRICULAR),
        "_sure": sure,
        "_run": run,
        "_length": episodes["end_s"] - episodes["start_s"],
    }
    return episodes.assign(**keys).sort_values(list(keys), ascending=False, kind="stable").drop(columns=list(keys))
