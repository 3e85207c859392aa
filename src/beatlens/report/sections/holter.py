"""What a Holter report says of one record, in words and tables, for its own page and for the start page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beatlens.core.class_names import class_name
from beatlens.holter.heart_rate import NORMAL
from beatlens.holter.tables import hour_classes
from beatlens.report.numbers import DASH, clock, count, duration, listing, part_of, percent, plural, small_share, whole
from beatlens.report.reasons import gravest_first, reason_words

if TYPE_CHECKING:
    import pandas as pd

MAX_EPISODES = 20
KIND_WORDS = {
    "run": "run",
    "possible_run": "possible run",
    "pause": "pause",
    "possible_pause": "possible pause",
}


@dataclass(frozen=True)
class Fact:
    """A number of the summary, with what belongs to it; `at_s` is a time of the record to look at, or None."""

    label: str
    value: str
    note: str = ""
    at_s: float | None = None


@dataclass(frozen=True)
class EctopyRow:
    """What is counted of an ectopic class, as text."""

    class_id: str
    name: str
    beats: str
    burden: str
    couplets: str
    runs: str
    longest: str
    fastest: str
    bigeminy: str
    trigeminy: str


@dataclass(frozen=True)
class EpisodeRow:
    """A run or a pause, as text; `at_s` is its begin in seconds."""

    kind: str
    class_id: str
    start: str
    length: str
    beats: str
    rate: str
    review: str
    at_s: float


@dataclass(frozen=True)
class HourRow:
    """An hour of the record, as text; `at_s` is its begin in seconds."""

    hour: str
    beats: str
    rates: Sequence[str]
    classes: Sequence[str]
    review: str
    noise: str
    at_s: float


@dataclass(frozen=True)
class RecordSummary:
    """A record as a Holter report tells it.

    Attributes
    ----------
    sentences
        What was found, in words.
    reasons
        Why a person should look at the record, the gravest first; empty where nothing stands out.
    facts
        Duration, rates, pauses, review, RR variation.
    ectopy
        A row an ectopic class.
    classes
        Class ids of the run in order, the columns of `hours`.
    counts
        Accepted beats of each class, in the same order.
    episodes, n_hidden
        Runs and pauses, fast ventricular runs first, and how many aren't listed.
    hours
        A row an hour; empty for a record of an hour or less, which the rest tells.
    """

    sentences: Sequence[str]
    reasons: Sequence[str]
    facts: Sequence[Fact]
    ectopy: Sequence[EctopyRow]
    classes: Sequence[str]
    counts: Sequence[str]
    episodes: Sequence[EpisodeRow]
    n_hidden: int
    hours: Sequence[HourRow]


def record_summary(row: Mapping[str, Any], hours: pd.DataFrame, episodes: pd.DataFrame) -> RecordSummary:
    """Put a record's rows of ``holter.parquet``, ``hours.parquet`` and ``episodes.parquet`` into words and tables.

    Parameters
    ----------
    row
        The record's row of the Holter table with urgency (`beatlens.holter`).
    hours, episodes
        The record's rows of the tables of hours and of episodes.
    """
    classes = hour_classes(hours)
    ectopic = [name for name in classes if f"burden_{name}" in row]
    listed = gravest_first(episodes)
    return RecordSummary(
        sentences=_sentences(row, ectopic),
        reasons=reason_words(row, listed),
        facts=_facts(row),
        ectopy=[_ectopy_row(row, name) for name in ectopic],
        classes=classes,
        counts=[count(row[f"n_{name}"]) for name in classes],
        episodes=[_episode_row(episode) for episode in listed.head(MAX_EPISODES).to_dict("records")],
        n_hidden=max(0, len(listed) - MAX_EPISODES),
        hours=[_hour_row(hour, classes) for hour in hours.to_dict("records")] if len(hours) > 1 else [],
    )


def _sentences(row: Mapping[str, Any], ectopic: Sequence[str]) -> list[str]:
    if not row["n_beats"]:
        return [f"No beat was found in {duration(row['duration_s'])}."]
    rates = ""
    if math.isfinite(row["rate_mean"]):
        rates = f" at {whole(row['rate_mean'])}/min on average, {whole(row['rate_min'])} to {whole(row['rate_max'])}"
    sentences = [f"{plural(int(row['n_beats']), 'beat')} in {duration(row['duration_s'])}{rates}."]
    found = [
        f"{plural(int(row[f'n_{name}']), class_name(name))} ({small_share(row[f'burden_{name}'])} of accepted beats)"
        for name in ectopic
        if row[f"n_{name}"]
    ]
    if found:
        sentences.append(f"{listing(found)}.")
    elif row["n_review"] < row["n_beats"]:
        sentences.append(f"No accepted beat is a {' or a '.join(map(class_name, ectopic))}." if ectopic else "")
    left = f"{part_of(row['n_review'], row['n_beats'])} of the beats are" if row["n_review"] else "No beat is"
    sentences.append(f"{left} left to a person.")
    return [sentence for sentence in sentences if sentence]


def _facts(row: Mapping[str, Any]) -> list[Fact]:
    known = percent(1 - row["noise_share"])
    facts = [
        Fact("Duration", duration(row["duration_s"]), f"{known} analysable"),
        Fact("Beats found", count(row["n_beats"]), f"{count(row['n_review'])} in review"),
        Fact("Mean rate", _per_minute(row["rate_mean"]), "60 over the mean RR interval"),
        Fact("Lowest rate", _per_minute(row["rate_min"]), _at(row["rate_min_s"]), _moment(row["rate_min_s"])),
        Fact("Highest rate", _per_minute(row["rate_max"]), _at(row["rate_max_s"]), _moment(row["rate_max_s"])),
        Fact(
            "Pauses over 2 s",
            count(row["n_pauses_2s"]),
            f"between accepted beats; over 3 s: {count(row['n_pauses_3s'])}",
        ),
    ]
    if row["longest_pause_s"]:
        at = row["longest_pause_at_s"]
        facts.append(Fact("Longest pause", f"{whole(row['longest_pause_s'], 1)} s", _at(at), _moment(at)))
    if "af_burden" in row:
        episodes = plural(int(row["af_episodes"]), "episode")
        facts.append(Fact("Atrial fibrillation", percent(row["af_burden"]), f"of the analysable time, {episodes}"))
    facts += [
        Fact("SDNN", _milliseconds(row["sdnn_ms"]), f"spread of RR intervals between beats of class {NORMAL}"),
        Fact("RMSSD", _milliseconds(row["rmssd_ms"]), "from one such interval to the next"),
    ]
    return facts


def _ectopy_row(row: Mapping[str, Any], name: str) -> EctopyRow:
    return EctopyRow(
        class_id=name,
        name=class_name(name),
        beats=count(row[f"n_{name}"]),
        burden=small_share(row[f"burden_{name}"]),
        couplets=count(row[f"n_couplets_{name}"]),
        runs=count(row[f"n_runs_{name}"]),
        longest=plural(int(row[f"longest_run_{name}"]), "beat") if row[f"n_runs_{name}"] else DASH,
        fastest=_per_minute(row[f"fastest_run_{name}"]),
        bigeminy=count(row[f"n_bigeminy_{name}"]),
        trigeminy=count(row[f"n_trigeminy_{name}"]),
    )


def _episode_row(row: Mapping[str, Any]) -> EpisodeRow:
    pause = str(row["kind"]).endswith("pause")
    return EpisodeRow(
        kind=KIND_WORDS[row["kind"]],
        class_id=row["class"],
        start=clock(row["start_s"]),
        length=f"{whole(row['end_s'] - row['start_s'], 1)} s",
        beats=DASH if pause else count(row["n_beats"]),
        rate=DASH if pause else _per_minute(row["rate_per_min"]),
        review=count(row["n_review"]),
        at_s=float(row["start_s"]),
    )


def _hour_row(row: Mapping[str, Any], classes: Sequence[str]) -> HourRow:
    return HourRow(
        hour=clock(row["start_s"]),
        beats=count(row["n_beats"]),
        rates=[whole(row[name]) for name in ("rate_min", "rate_mean", "rate_max")],
        classes=[count(row[f"n_{name}"]) for name in classes],
        review=count(row["n_review"]),
        noise=duration(row["noise_s"]) if row["noise_s"] else DASH,
        at_s=float(row["start_s"]),
    )


def _per_minute(value: float) -> str:
    return f"{value:.0f}/min" if math.isfinite(value) else DASH


def _milliseconds(value: float) -> str:
    return f"{value:.0f} ms" if math.isfinite(value) else DASH


def _at(seconds: float) -> str:
    return f"at {clock(seconds)}" if math.isfinite(seconds) else ""


def _moment(seconds: float) -> float | None:
    return float(seconds) if math.isfinite(seconds) else None
