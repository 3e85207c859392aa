"""The Holter table of a run, a row a record, and its table of hours. Both follow from a table of beats alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.holter.heart_rate import NORMAL, heart_rates, rr_variation
from beatlens.prediction.ectopy_counts import PATTERNS, ectopy, ectopy_columns
from beatlens.prediction.episodes import find_episodes, sequence_starts

if TYPE_CHECKING:
    import pandas as pd

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

HOUR_S = 3600.0
LONG_PAUSE_S = 3.0
UNREADABLE = ("no_signal", "flat", "disorganised", "noise")
"""Kinds of stretches that aren't analysable. In the other kind, a pause, the signal shows that there is no beat."""
KEY = ["corpus", "record"]


@dataclass(frozen=True)
class Counting:
    """How beats are counted.

    Attributes
    ----------
    classes
        Class ids.
    ectopic
        Those of them whose burden and patterns are counted.
    gap_s
        RR interval in seconds over which no pattern goes on.
    """

    classes: Sequence[str]
    ectopic: Sequence[str]
    gap_s: float


def holter_columns(classes: Sequence[str], ectopic: Sequence[str]) -> dict[str, str]:
    """Return the columns of `holter_table`, and what each holds."""
    return {
        **{name: f"{name} as in records.tsv" for name in ("corpus", "record", "patient", "split", "duration_s")},
        "analysable_s": "seconds in which beats can be told",
        "noise_share": "share of the time in which they can't",
        "disorganised_s": "seconds of fast disorganised signal, as in flutter and fibrillation",
        "disorganised_at_s": "where the longest stretch of it begins, NaN where there is none",
        "n_beats": "beats found",
        "n_review": "of these in review",
        "rate_min": "lowest rate per minute (beatlens.holter.heart_rate), NaN without an RR interval",
        "rate_min_s": "where it begins, in seconds",
        "rate_mean": "60 over the mean RR interval",
        "rate_max": "highest rate per minute",
        "rate_max_s": "where it begins, in seconds",
        "n_pauses_2s": "pauses between accepted beats, longer than 2 s",
        "n_pauses_3s": "of these longer than 3 s",
        "longest_pause_s": "the longest of them, 0 where there is none",
        "longest_pause_at_s": "the R peak before it, in seconds, NaN where there is none",
        **{f"n_{name}": f"accepted beats of class {name}" for name in classes},
        **{
            f"{pattern}_{name}": f"{words}; class {name}"
            for name in ectopic
            for pattern, words in {
                **PATTERNS,
                "fastest_run": "highest rate per minute of its runs, NaN without",
            }.items()
        },
        "sdnn_ms": "standard deviation of the intervals between successive accepted normal beats",
        "rmssd_ms": "root mean square of the differences of successive ones",
    }


HOUR_COLUMNS = ("corpus", "record", "hour", "start_s", "n_beats", "rate_min", "rate_mean", "rate_max")
"""Of `hour_table`; then n_<class> of accepted beats, n_review and noise_s, seconds in which beats can't be told."""


@dataclass(frozen=True)
class _Beats:
    """Beats in record and time order: what is counted. `row` is the row of the table of records, (n,) all."""

    table: pd.DataFrame
    row: IntArray
    time_s: Float64Array
    starts: BoolArray
    pred: npt.NDArray[np.object_]
    review: BoolArray


def holter_table(
    beats: pd.DataFrame, stretches: pd.DataFrame, records: pd.DataFrame, counting: Counting
) -> pd.DataFrame:
    """Count the beats of each record as a Holter report does.

    Parameters
    ----------
    beats
        corpus, record, r_time_s, pred and review; a reference beat has its label as `pred` and isn't in review.
    stretches
        Time in which beats can't be told (`beatlens.shards.stretches.STRETCH_COLUMNS`).
    records
        corpus, record, patient, split and duration_s, a row a record, also of those without a beat.
    counting
        Classes and gaps.

    Returns
    -------
    `holter_columns`, sorted by corpus and record

    Raises
    ------
    ValueError
        Where a beat is of no record, or a record has two rows.
    """
    import pandas as pd

    records = _sorted(records)
    ordered, n = _ordered(beats, stretches, records, counting), len(records)
    ectopic = [name for name in counting.classes if name in counting.ectopic]
    result = records[["corpus", "record", "patient", "split", "duration_s"]].astype({"duration_s": float})
    unreadable = np.array([sum(end - start for start, end in spans) for spans in _unreadable(stretches, records)])
    result["analysable_s"] = result["duration_s"] - unreadable
    result["noise_share"] = unreadable / np.maximum(result["duration_s"], 1e-9)
    result = result.assign(**_disorganised(stretches, records))
    result["n_beats"] = np.bincount(ordered.row, minlength=n)
    result["n_review"] = np.bincount(ordered.row[ordered.review], minlength=n)
    rates = heart_rates(ordered.time_s, ordered.starts, ordered.row, n)
    result = result.assign(
        rate_min=rates.lowest,
        rate_min_s=rates.lowest_s,
        rate_mean=rates.mean,
        rate_max=rates.highest,
        rate_max_s=rates.highest_s,
    )
    sequence = np.cumsum(ordered.starts, dtype=np.int64)
    patterns = ectopy(ordered.pred, ordered.review, stretch=sequence, cell=ordered.row, n_cells=n, ectopic=ectopic)
    episodes = find_episodes(ordered.table, stretches, ectopic, counting.gap_s)
    of_episode = pd.MultiIndex.from_frame(records[KEY]).get_indexer(pd.MultiIndex.from_frame(episodes[KEY]))
    result = result.assign(**_pauses(episodes, of_episode, n), **_accepted(ordered, counting.classes, ordered.row, n))
    normal = ~ordered.review & (ordered.pred == NORMAL)
    result["sdnn_ms"], result["rmssd_ms"] = rr_variation(ordered.time_s, ordered.starts, normal, ordered.row, n)
    fastest = {f"fastest_run_{name}": _fastest(episodes, of_episode, name, n) for name in ectopic}
    counts = {name: patterns[name] for name in ectopy_columns(ectopic)}
    return result.assign(**counts, **fastest)[list(holter_columns(counting.classes, ectopic))]


def hour_table(beats: pd.DataFrame, stretches: pd.DataFrame, records: pd.DataFrame, counting: Counting) -> pd.DataFrame:
    """Count beats hour by hour from each record's begin; the last hour is shorter. Arguments as of `holter_table`.

    An RR interval that ends in another hour than it began in counts in neither.
    """
    import pandas as pd

    records = _sorted(records)
    ordered = _ordered(beats, stretches, records, counting)
    duration = records["duration_s"].to_numpy(dtype=np.float64)
    number = np.maximum(1, np.ceil(duration / HOUR_S - 1e-6).astype(np.int64))
    first, n = np.cumsum(number) - number, int(number.sum())
    row = np.repeat(np.arange(len(records)), number)
    hour = np.arange(n) - first[row]
    inside = np.clip((ordered.time_s // HOUR_S).astype(np.int64), 0, number[ordered.row] - 1)
    cell = first[ordered.row] + inside
    rates = heart_rates(ordered.time_s, ordered.starts, cell, n)
    result = pd.DataFrame(
        {
            "corpus": records["corpus"].to_numpy(dtype=object)[row],
            "record": records["record"].to_numpy(dtype=object)[row],
            "hour": hour,
            "start_s": hour * HOUR_S,
            "n_beats": np.bincount(cell, minlength=n),
            "rate_min": rates.lowest,
            "rate_mean": rates.mean,
            "rate_max": rates.highest,
        }
    )[list(HOUR_COLUMNS)]
    noise = np.zeros(n)
    for k, spans in enumerate(_unreadable(stretches, records)):
        for start, end in spans:
            for of_hour in range(int(start // HOUR_S), min(int(end // HOUR_S), int(number[k]) - 1) + 1):
                edges = of_hour * HOUR_S, (of_hour + 1) * HOUR_S
                noise[first[k] + of_hour] += max(0.0, min(end, edges[1]) - max(start, edges[0]))
    review = np.bincount(cell[ordered.review], minlength=n)
    return result.assign(**_accepted(ordered, counting.classes, cell, n), n_review=review, noise_s=noise)


def hour_classes(hours: pd.DataFrame) -> list[str]:
    """Return the class ids that a table of hours counts, in their order."""
    names = [str(name) for name in hours.columns if name not in {*HOUR_COLUMNS, "n_review", "noise_s"}]
    return [name.removeprefix("n_") for name in names]


def _sorted(records: pd.DataFrame) -> pd.DataFrame:
    result = records.sort_values(KEY, kind="stable", ignore_index=True)
    twice = result.duplicated(KEY)
    if twice.any():
        corpus, record = result.loc[twice, KEY].iloc[0]
        raise ValueError(f"records: {corpus}/{record} has two rows; expected one row a record")
    return result


def _ordered(beats: pd.DataFrame, stretches: pd.DataFrame, records: pd.DataFrame, counting: Counting) -> _Beats:
    import pandas as pd

    table = beats.sort_values([*KEY, "r_time_s"], kind="stable", ignore_index=True)
    row = pd.MultiIndex.from_frame(records[KEY]).get_indexer(pd.MultiIndex.from_frame(table[KEY])).astype(np.int64)
    if (row < 0).any():
        corpus, record = table.loc[row < 0, KEY].iloc[0]
        raise ValueError(f"beats: {corpus}/{record} isn't in the table of records; expected beats of these alone")
    return _Beats(
        table,
        row,
        table["r_time_s"].to_numpy(dtype=np.float64),
        sequence_starts(table, stretches, counting.gap_s),
        table["pred"].to_numpy(dtype=object),
        table["review"].to_numpy(dtype=bool),
    )


def _accepted(beats: _Beats, classes: Sequence[str], cell: IntArray, n: int) -> dict[str, IntArray]:
    accepted = ~beats.review
    return {
        f"n_{name}": np.bincount(cell[accepted & (beats.pred == name)], minlength=n).astype(np.int64)
        for name in classes
    }


def _unreadable(stretches: pd.DataFrame, records: pd.DataFrame) -> list[list[tuple[float, float]]]:
    """Return the spans of each record, in seconds and apart, in which beats can't be told."""
    of_kind = stretches[stretches["kind"].isin(UNREADABLE)]
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    columns = ["corpus", "record", "start_s", "end_s"]
    for corpus, record, start, end in of_kind.sort_values(columns, kind="stable")[columns].itertuples(index=False):
        spans = found.setdefault((corpus, record), [])
        if spans and start <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(end, spans[-1][1])
        else:
            spans.append((start, end))
    rows = records[[*KEY, "duration_s"]].itertuples(index=False)
    return [
        [(max(start, 0.0), min(end, duration)) for start, end in found.get((corpus, record), []) if start < duration]
        for corpus, record, duration in rows
    ]


def _disorganised(stretches: pd.DataFrame, records: pd.DataFrame) -> dict[str, Float64Array]:
    import pandas as pd

    found = stretches[stretches["kind"] == "disorganised"]
    row = pd.MultiIndex.from_frame(records[KEY]).get_indexer(pd.MultiIndex.from_frame(found[KEY]))
    start = found["start_s"].to_numpy(dtype=np.float64)[row >= 0]
    length = found["end_s"].to_numpy(dtype=np.float64)[row >= 0] - start
    row = row[row >= 0]
    total = np.bincount(row, weights=length, minlength=len(records))
    longest, where = _longest(row, length, start, len(records))
    return {"disorganised_s": np.where(longest > 0, total, 0.0), "disorganised_at_s": where}


def _longest(row: IntArray, length: Float64Array, start: Float64Array, n: int) -> tuple[Float64Array, Float64Array]:
    """Return length and start of the longest span of each row, (n,) each; 0 and NaN where there is none."""
    longest, where = np.zeros(n), np.full(n, np.nan)
    for k in np.argsort(-length, kind="stable"):
        if not longest[row[k]]:
            longest[row[k]], where[row[k]] = length[k], start[k]
    return longest, where


def _pauses(episodes: pd.DataFrame, of_episode: IntArray, n: int) -> Mapping[str, npt.NDArray[np.generic]]:
    is_pause = (episodes["kind"] == "pause").to_numpy()
    start = episodes["start_s"].to_numpy(dtype=np.float64)[is_pause]
    length, row = episodes["end_s"].to_numpy(dtype=np.float64)[is_pause] - start, of_episode[is_pause]
    longest, where = _longest(row, length, start, n)
    return {
        "n_pauses_2s": np.bincount(row, minlength=n),
        "n_pauses_3s": np.bincount(row[length > LONG_PAUSE_S], minlength=n),
        "longest_pause_s": longest,
        "longest_pause_at_s": where,
    }


def _fastest(episodes: pd.DataFrame, of_episode: IntArray, name: str, n: int) -> Float64Array:
    chosen = ((episodes["kind"] == "run") & (episodes["class"] == name)).to_numpy()
    highest = np.full(n, -np.inf)
    np.maximum.at(highest, of_episode[chosen], episodes["rate_per_min"].to_numpy(dtype=np.float64)[chosen])
    return np.where(np.isfinite(highest), highest, np.nan)
