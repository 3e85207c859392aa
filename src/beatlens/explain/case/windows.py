"""Windows of a record as cases: which stretches hold a class, whatever beat it is in.

The model is centred on a beat, so a map that is confined to the target beat localises by construction. In a window of
several seconds the explanation must find where the class lies.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from beatlens.explain.case.choice import Case, WindowSettings

MIN_BEATS = 3
"""Beats that a window needs."""


def window_table(beats: pd.DataFrame, classes: Sequence[str], window_s: float) -> pd.DataFrame:
    """Cut records into windows and say what is found in each.

    Windows follow one another from the record's start; a remainder at its end is no window. A class is found in a
    window where some of the beats are predicted so, but not all of them, since then it would be everywhere. Its
    probability is 1 - prod(1 - p) over the window's beats. The first class, the reference, isn't looked for.

    Parameters
    ----------
    beats
        Predictions of beats that may be explained, in time order of each record, with ``start_s`` and ``end_s`` (what
        the model sees for a beat) and ``duration_s`` of the record.
    classes
        Class ids.
    window_s
        Length in seconds.

    Returns
    -------
    One row a window and class found in it, with the columns of `beats` for the beat that most likely has the class;
    ``probability``, ``outcome`` and ``label`` of the window, ``start_s`` and ``end_s`` of all that the model sees for
    it, ``window_start_s`` and ``window_end_s``. The outcome is ``review`` where every beat predicted so went to review,
    ``correct`` where a beat is labelled so, ``unlabelled`` where none has a label, else ``wrong``.
    """
    # Plain arrays, and table rows only for what is found: a day has ten thousand windows.
    time = beats["r_time_s"].to_numpy(dtype=np.float64)
    window = np.floor(time / window_s).astype(np.int64)
    pred, label, review = (beats[name].to_numpy() for name in ("pred", "label", "review"))
    duration, low, high = (beats[name].to_numpy(dtype=np.float64) for name in ("duration_s", "start_s", "end_s"))
    probability = {name: beats[f"p_{name}"].to_numpy(dtype=np.float64) for name in classes[1:]}
    found: list[int] = []
    said: list[dict[str, object]] = []
    new = np.ones(len(beats), dtype=bool)
    keys = (beats["corpus"].to_numpy(), beats["record"].to_numpy(), window)
    new[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    bounds = [*np.flatnonzero(new).tolist(), len(beats)]
    for first, last in pairwise(bounds):
        part, number = slice(first, last), window[first]
        start, end = number * window_s, (number + 1) * window_s
        if last - first < MIN_BEATS or end > duration[first]:
            continue
        for name in classes[1:]:
            here = pred[part] == name
            if not here.any() or here.all():
                continue
            values = probability[name][part]
            outcome, truth = told_of_window(
                name, set(label[part]), found=set(label[part][here]), review=bool(review[part][here].all())
            )
            found.append(first + int(np.where(here, values, -1.0).argmax()))
            said.append(
                {
                    "outcome": outcome,
                    "label": truth,
                    "probability": 1 - float(np.prod(1 - values)),
                    "start_s": float(low[part].min()),
                    "end_s": float(high[part].max()),
                    "window_start_s": start,
                    "window_end_s": end,
                }
            )
    columns = ["outcome", "probability", "window_start_s", "window_end_s", "start_s", "end_s", "label"]
    table = beats.iloc[found].reset_index(drop=True)
    return table.assign(**{name: [row[name] for row in said] for name in columns})


def told_of_window(name: str, labels: Collection[str], *, found: Collection[str], review: bool) -> tuple[str, str]:
    """Return outcome and label of a window in which a class is found.

    Parameters
    ----------
    name
        The class.
    labels
        Labels of the window's beats, "" where there is none.
    found
        Those of the beats predicted so: where none is known, nothing says that the prediction is wrong.
    review
        Whether every beat predicted so went to review.
    """
    known = "correct" if name in labels else "wrong" if any(found) else "unlabelled"
    label = name if name in labels else ";".join(text for text in sorted(labels) if text)
    return "review" if review else known, label


def seen_windows(beats: pd.DataFrame, records: pd.DataFrame, window: WindowSettings) -> pd.DataFrame:
    """Return beats in time order with the stretch that the model sees for each: start_s and end_s.

    Parameters
    ----------
    beats
        Predictions at detected beats.
    records
        Record table with corpus, record, duration_s, role and labelled, which the result has too.
    window
        What of section ``beats`` decides it.

    Raises
    ------
    ValueError
        Where a record of the beats isn't in the record table exactly once.
    """
    table = beats.sort_values(["corpus", "record", "r_time_s"], kind="stable", ignore_index=True)
    record_columns = ["corpus", "record", "duration_s", "role", "labelled"]
    merged = table.merge(records[record_columns], on=["corpus", "record"], how="left")
    if len(merged) != len(table) or merged["duration_s"].isna().any():
        raise ValueError("predictions of records that the record table hasn't got exactly once")
    time = table["r_time_s"].to_numpy(dtype=np.float64)
    new = np.ones(len(table), dtype=bool)
    if len(table):
        same = (table["corpus"] == table["corpus"].shift()) & (table["record"] == table["record"].shift())
        new = ~same.to_numpy() | (np.diff(time, prepend=time[:1]) > window.gap_s)
    first = np.flatnonzero(new)
    sizes = np.diff(np.append(first, len(table)))
    start, end = np.repeat(first, sizes), np.repeat(first + sizes, sizes)
    row = np.arange(len(table))
    low, high = np.maximum(start, row - window.context // 2), np.minimum(end - 1, row + window.context // 2)
    merged["start_s"] = np.maximum(time[low] - window.before_s, 0.0)
    merged["end_s"] = np.minimum(time[high] + window.after_s, merged["duration_s"].to_numpy(dtype=np.float64))
    merged["window_start_s"] = merged["window_end_s"] = time
    return merged


def target_rows(case: Case, beats: pd.DataFrame) -> list[int]:
    """Return which of a record's beats a case explains the class of: its own beat, or all beats of its window.

    Parameters
    ----------
    case
        The case.
    beats
        The record's beats.

    Raises
    ------
    ValueError
        Where the record hasn't got the beat, or the window holds none.
    """
    if case.target == "window":
        time = beats["r_time_s"].to_numpy(dtype=np.float64)
        rows = np.flatnonzero((time >= case.window_start_s) & (time < case.window_end_s))
        wanted = f"from {case.window_start_s} to {case.window_end_s} s"
    else:
        rows = np.flatnonzero(beats["beat_id"].to_numpy() == case.beat_id)
        wanted = case.beat_id
    if not len(rows):
        raise ValueError(f"case {case.case}: no beat {wanted} of {case.corpus}/{case.record}; expected one or more")
    return [int(row) for row in rows]
