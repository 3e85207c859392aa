"""Episodes as a Holter report names them: runs of ectopic beats with their rate, and pauses.

A run is three or more successive accepted beats of one ectopic class. A pause is an RR interval longer than `PAUSE_S`
between accepted beats. Where beats in review take part, by their predicted class, the episode is called possible and
has a row of its own. It may contain a run of accepted beats, or turn out to be none.

No episode continues over a gap, the end of a record, or a stretch in which beats can't be told
(`beatlens.signals.unreadable_stretches`). The signal in a pause may be quiet or flat, but not exactly constant, as it
is where an electrode is off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from beatlens.prediction.ectopy_counts import RUN_BEATS
from beatlens.shards.stretches import DOUBTED_KINDS

if TYPE_CHECKING:
    import pandas as pd

IntArray = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

PAUSE_S = 2.0
EPISODE_COLUMNS = {
    "corpus": "corpus name",
    "record": "record name",
    "kind": "run, possible_run, pause or possible_pause; possible: beats in review take part",
    "class": "class id of the run's beats, or of the beat before the pause",
    "start_s": "first R peak in seconds",
    "end_s": "last R peak in seconds",
    "n_beats": "beats of the run, 2 for the beats around a pause",
    "n_review": "of these in review",
    "rate_per_min": "60 over the mean RR interval",
}


def sequence_starts(beats: pd.DataFrame, stretches: pd.DataFrame, gap_s: float) -> BoolArray:
    """Tell which beats begin a sequence: a record's first, and those after a gap or a stretch without beats.

    Parameters
    ----------
    beats
        corpus, record and r_time_s, sorted by them.
    stretches
        `beatlens.shards.stretches.STRETCH_COLUMNS`.
    gap_s
        RR interval in seconds over which no pattern goes on.
    """
    return _first(beats) | _over_stretch(beats, stretches) | _after(beats, gap_s)


def _first(beats: pd.DataFrame) -> BoolArray:
    keys = beats[["corpus", "record"]]
    result: BoolArray = keys.ne(keys.shift()).any(axis=1).to_numpy(dtype=bool)
    return result


def _after(beats: pd.DataFrame, gap_s: float) -> BoolArray:
    time = beats["r_time_s"].to_numpy(dtype=np.float64)
    return np.asarray(np.diff(time, prepend=time[:1]) > gap_s)


def _over_stretch(beats: pd.DataFrame, stretches: pd.DataFrame) -> BoolArray:
    """Tell for which beats (n,) part of a stretch lies between them and the beat before."""
    result = np.zeros(len(beats), dtype=bool)
    of_record = stretches.groupby(["corpus", "record"], sort=False).indices
    for key, rows in beats.groupby(["corpus", "record"], sort=False).indices.items():
        if key in of_record:
            time = beats["r_time_s"].to_numpy(dtype=np.float64)[rows]
            start, end = (
                np.sort(stretches[name].to_numpy(dtype=np.float64)[of_record[key]]) for name in ("start_s", "end_s")
            )
            # A stretch from R to R begins and ends at beats, up to the rounding of its times.
            begun = np.searchsorted(start, time[1:] - 0.01)
            result[rows[1:]] = begun > np.searchsorted(end, time[:-1] + 0.01)
    return result


def find_episodes(beats: pd.DataFrame, stretches: pd.DataFrame, ectopic: Sequence[str], gap_s: float) -> pd.DataFrame:
    """List the runs of each ectopic class and the pauses.

    Parameters
    ----------
    beats
        Predictions at detected peaks.
    stretches
        Stretches of the same records in which beats can't be told.
    ectopic
        Class ids whose runs are listed.
    gap_s
        RR interval in seconds over which no run goes on.

    Returns
    -------
    `EPISODE_COLUMNS`, sorted by corpus, record and time
    """
    import pandas as pd

    beats = beats.sort_values(["corpus", "record", "r_time_s"], kind="stable", ignore_index=True)
    review, pred = beats["review"].to_numpy(dtype=bool), beats["pred"].to_numpy(dtype=object)
    starts = sequence_starts(beats, stretches, gap_s)
    parts = []
    for name in ectopic:
        first, last = _runs(pred == name, starts)
        in_review = _count(review, first, last)
        parts.append(_rows(beats, "possible_run", name, first[in_review > 0], last[in_review > 0]))
        parts.append(_rows(beats, "run", name, *_runs((pred == name) & ~review, starts)))
    blind = stretches[stretches["kind"].isin([*DOUBTED_KINDS, "no_signal"]) | (stretches["constant_s"] > 0)]
    pause = np.flatnonzero(_after(beats, PAUSE_S) & ~_first(beats) & ~_over_stretch(beats, blind))
    accepted = ~review[pause] & ~review[pause - 1]
    for kind, ends in (("pause", pause[accepted]), ("possible_pause", pause[~accepted])):
        parts.append(_rows(beats, kind, pred[ends - 1], ends - 1, ends))
    found = pd.concat(parts, ignore_index=True)
    return found.sort_values(["corpus", "record", "start_s", "kind"], kind="stable", ignore_index=True)


def _runs(member: BoolArray, starts: BoolArray) -> tuple[IntArray, IntArray]:
    """Return first and last beat of each run of at least `RUN_BEATS` members."""
    new = member & (starts | ~np.concatenate([[False], member[:-1]]))
    first = np.flatnonzero(new)
    stop = np.flatnonzero(member & np.concatenate([new[1:] | ~member[1:], [True]]))
    long = stop - first + 1 >= RUN_BEATS
    return first[long], stop[long]


def _count(flag: BoolArray, first: IntArray, last: IntArray) -> IntArray:
    total = np.concatenate([[0], np.cumsum(flag)])
    return np.asarray(total[last + 1] - total[first], dtype=np.int64)


def _rows(
    beats: pd.DataFrame, kind: str, name: str | npt.NDArray[np.object_], first: IntArray, last: IntArray
) -> pd.DataFrame:
    import pandas as pd

    time = beats["r_time_s"].to_numpy(dtype=np.float64)
    columns = {
        "corpus": beats["corpus"].to_numpy(dtype=object)[first],
        "record": beats["record"].to_numpy(dtype=object)[first],
        "kind": np.full(len(first), kind, dtype=object),
        "class": name if isinstance(name, np.ndarray) else np.full(len(first), name, dtype=object),
        "start_s": time[first],
        "end_s": time[last],
        "n_beats": last - first + 1,
        "n_review": _count(beats["review"].to_numpy(dtype=bool), first, last),
        "rate_per_min": 60 * (last - first) / np.maximum(time[last] - time[first], 1e-9),
    }
    return pd.DataFrame(columns)[list(EPISODE_COLUMNS)]


def in_words(kind: str, name: str, *, start_s: float, end_s: float, n_beats: int, n_review: int, rate: float) -> str:
    """Say what an episode is, such as "run of 9 V at 200/min from 12.3 s"."""
    review = f", {n_review} in review" if n_review else ""
    if kind.endswith("pause"):
        possible = "possible pause" if kind == "possible_pause" else "pause"
        return f"{possible} of {end_s - start_s:.1f} s after {name} from {start_s:.1f} s{review}"
    what = "possible run" if kind == "possible_run" else "run"
    return f"{what} of {n_beats} {name} at {rate:.0f}/min from {start_s:.1f} s{review}"
