"""Which records a person should look at first, and why.

The reasons stand in one order, the gravest first. Each weighs as much as all that follow it and one more, so records
are ordered by their gravest reason, then by the next one. The order and its limits are clinical convention. They decide
what is shown first and nothing else: no prediction, explanation or score knows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from beatlens.holter.tables import KEY, LONG_PAUSE_S
from beatlens.prediction.rhythms import TACHYCARDIA_PER_MIN

if TYPE_CHECKING:
    import pandas as pd

BoolArray = npt.NDArray[np.bool_]

VENTRICULAR = "V"
"""Class id of ventricular premature beats."""
SUSTAINED_S = 30.0
FAST_PER_MIN, SLOW_PER_MIN = 150.0, 40.0
FREQUENT, FREQUENT_BEATS = 0.1, 10
"""Burden and number of ventricular beats from which on they are frequent: two of ten beats of a short strip aren't."""
MUCH_REVIEW, MUCH_NOISE = 0.5, 0.25


class Reason(NamedTuple):
    """A reason to look at a record, in one or two words and in a sentence."""

    short: str
    words: str


REASONS: Mapping[str, Reason] = {
    "sustained_run": Reason("sustained V run", "a fast ventricular run of 30 s or more"),
    "disorganised": Reason("disorganised", "a fast disorganised signal, as in flutter and fibrillation"),
    "fast_ventricular_run": Reason("fast V run", "three or more ventricular beats at 100/min or faster"),
    "long_pause": Reason("pause over 3 s", "a pause of more than 3 s"),
    "possible_pause": Reason(
        "possible pause",
        "more than 3 s quiet or flat without a beat, or between beats in review: a pause, or an electrode off?",
    ),
    "possible_fast_run": Reason("possible fast run", "a fast run, if beats in review are what they are called"),
    "fast_run": Reason("fast run", "a run of another ectopic class at 100/min or faster"),
    "fast_rate": Reason("fast rate", "a rate of 150/min or more over eight RR intervals"),
    "slow_rate": Reason("slow rate", "a rate under 40/min over eight RR intervals"),
    "fibrillation": Reason("AF", "atrial fibrillation"),
    "run": Reason("slow run", "a run of ectopic beats under 100/min"),
    "pause": Reason("pause over 2 s", "a pause of more than 2 s"),
    "alert": Reason("new pattern", "beats of a new pattern"),
    "unlike": Reason("unlike training", "unlike what the model learnt from"),
    "no_beats": Reason("no beats", "no beat was found"),
    "frequent_ectopy": Reason("frequent V", "ten ventricular beats or more, a tenth or more of the beats"),
    "much_review": Reason("much review", "half or more of the beats in review"),
    "much_noise": Reason("much noise", "beats can't be told in a quarter or more of the time"),
}
"""Code of a reason -> what it says, the gravest first."""


@dataclass(frozen=True)
class Findings:
    """What is known of a run's records beside their Holter table.

    Attributes
    ----------
    episodes
        Runs and pauses (`beatlens.prediction.episodes.EPISODE_COLUMNS`).
    stretches
        Time in which beats can't be told (`beatlens.shards.stretches.STRETCH_COLUMNS`).
    remarks
        `beatlens.core.remarks.REMARK_COLUMNS`.
    alert_beats
        Clustered beats and the alert of each, "" for none (`beatlens.alerts.tables.BEAT_COLUMNS`).
    rhythms
        Episodes of rhythms (`beatlens.prediction.rhythms.EPISODE_COLUMNS`), None where rhythms weren't classified.
    """

    episodes: pd.DataFrame
    stretches: pd.DataFrame
    remarks: pd.DataFrame
    alert_beats: pd.DataFrame
    rhythms: pd.DataFrame | None = None


def with_urgency(table: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    """Add what is urgent to a Holter table.

    Parameters
    ----------
    table
        `beatlens.holter.tables.holter_columns`.
    findings
        Of the same records.

    Returns
    -------
    The table with af_episodes and af_burden (share of the analysable time) where rhythms were classified, n_alert
    (beats of new patterns), ``urgency_reasons`` (codes of `REASONS` joined by ``;``, the gravest first) and
    ``urgency`` (the sum of their weights, 0 without any).
    """
    import pandas as pd

    index = pd.MultiIndex.from_frame(table[KEY])
    columns = {}
    if findings.rhythms is not None:
        found = findings.rhythms[findings.rhythms["rhythm"] == "AFIB"]
        length = (found["end_s"] - found["start_s"]).groupby([found[name] for name in KEY])
        columns["af_episodes"] = length.size().reindex(index, fill_value=0).to_numpy(dtype=np.int64)
        seconds = length.sum().reindex(index, fill_value=0.0).to_numpy(dtype=np.float64)
        known = table["analysable_s"].to_numpy(dtype=np.float64)
        share = np.divide(seconds, known, out=np.full(len(table), np.nan), where=known > 0)
        columns["af_burden"] = np.minimum(share, 1.0)
    of_alerts = findings.alert_beats[findings.alert_beats["alert"] != ""]
    columns["n_alert"] = of_alerts.groupby(KEY).size().reindex(index, fill_value=0).to_numpy(dtype=np.int64)
    table = table.assign(**columns)
    flags = _flags(table, findings, index)
    weights = {code: 2 ** (len(REASONS) - 1 - place) for place, code in enumerate(REASONS)}
    codes = list(REASONS)
    is_reason = np.column_stack([flags[code] for code in codes])
    return table.assign(
        urgency=is_reason.astype(np.int64) @ np.array([weights[code] for code in codes], dtype=np.int64),
        urgency_reasons=[";".join(code for code, holds in zip(codes, row, strict=True) if holds) for row in is_reason],
    )


def most_urgent_first(table: pd.DataFrame) -> pd.DataFrame:
    """Sort a Holter table with urgency: the most urgent record first, of two the one with more ventricular beats."""
    count = f"n_{VENTRICULAR}"
    ventricular = table[count] if count in table else 0
    keys = ["urgency", "_ventricular", *KEY]
    ordered = table.assign(_ventricular=ventricular).sort_values(
        keys, ascending=[False, False, True, True], kind="stable", ignore_index=True
    )
    return ordered.drop(columns="_ventricular")


def _flags(table: pd.DataFrame, findings: Findings, index: pd.MultiIndex) -> dict[str, BoolArray]:
    """Tell which reasons hold for each record, (n,) by code of `REASONS`."""
    import pandas as pd

    def among(rows: pd.DataFrame) -> BoolArray:
        return np.asarray(index.isin(pd.MultiIndex.from_frame(rows[KEY])), dtype=bool)

    def column(name: str) -> npt.NDArray[np.float64]:
        absent = np.full(len(table), np.nan)
        return table[name].to_numpy(dtype=np.float64) if name in table else absent

    episodes, stretches = findings.episodes, findings.stretches
    # one value repeated exactly is a lost signal: no heart does that
    quiet = stretches["kind"].isin(["pause", "flat"]) & (stretches["constant_s"] == 0)
    quiet &= stretches["end_s"] - stretches["start_s"] > LONG_PAUSE_S
    doubtful = (episodes["kind"] == "possible_pause") & (episodes["end_s"] - episodes["start_s"] > LONG_PAUSE_S)
    fast = episodes[episodes["rate_per_min"] >= TACHYCARDIA_PER_MIN]
    runs = fast[fast["kind"] == "run"]
    ventricular, long = runs["class"] == VENTRICULAR, runs["end_s"] - runs["start_s"] >= SUSTAINED_S
    n_beats = column("n_beats")
    return {
        "sustained_run": among(runs[ventricular & long]),
        "disorganised": among(stretches[stretches["kind"] == "disorganised"]),
        "fast_ventricular_run": among(runs[ventricular]),
        "long_pause": column("n_pauses_3s") > 0,
        "possible_pause": among(_outside(stretches[quiet], episodes[episodes["kind"] == "pause"]))
        | among(episodes[doubtful]),
        "possible_fast_run": among(fast[fast["kind"] == "possible_run"]),
        "fast_run": among(runs[~ventricular]),
        "fast_rate": column("rate_max") >= FAST_PER_MIN,
        "slow_rate": column("rate_min") < SLOW_PER_MIN,
        "fibrillation": column("af_episodes") > 0,
        "run": among(episodes[(episodes["kind"] == "run") & (episodes["rate_per_min"] < TACHYCARDIA_PER_MIN)]),
        "pause": column("n_pauses_2s") > column("n_pauses_3s"),
        "alert": column("n_alert") > 0,
        "frequent_ectopy": (column(f"burden_{VENTRICULAR}") >= FREQUENT)
        & (column(f"n_{VENTRICULAR}") >= FREQUENT_BEATS),
        "unlike": among(findings.remarks[findings.remarks["remark"].astype(str).str.startswith("unlike:")]),
        "no_beats": n_beats == 0,
        "much_review": (n_beats > 0) & (column("n_review") >= MUCH_REVIEW * n_beats),
        "much_noise": column("noise_share") >= MUCH_NOISE,
    }


def _outside(stretches: pd.DataFrame, pauses: pd.DataFrame) -> pd.DataFrame:
    """Return the stretches that overlap none of the pauses of their record."""
    stretches = stretches.reset_index(drop=True).astype(dict.fromkeys(KEY, str))  # no row: columns read as float
    of_record = pauses[[*KEY, "start_s", "end_s"]].astype(dict.fromkeys(KEY, str))
    pairs = stretches.reset_index().merge(of_record, on=KEY, suffixes=("", "_pause"))
    over = (pairs["start_s"] < pairs["end_s_pause"]) & (pairs["end_s"] > pairs["start_s_pause"])
    return stretches[~stretches.index.isin(pairs.loc[over, "index"])]
