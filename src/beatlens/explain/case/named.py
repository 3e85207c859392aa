"""Beats and stretches that a person names (``cases.beats``, ``cases.spans``): explained beside the chosen cases.

They are drawn and told like any case and never scored, since a hand that picks would pick the scores, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from beatlens.core.options import OptionError
from beatlens.explain.case.settings import NEAREST, CaseSettings, SpanSettings, named_records, record_problems
from beatlens.explain.case.windows import told_of_window

if TYPE_CHECKING:
    import pandas as pd


def case_name(beat_id: str) -> str:
    """Return the case id of a named beat, which is a file's name."""
    return beat_id.replace("/", "-")


def named_cases(beats: pd.DataFrame, settings: CaseSettings, classes: Sequence[str]) -> list[dict[str, object]]:
    """Return rows of the case table for what is named.

    A beat is explained for its predicted class. A span is explained as a window for each class but the first that one
    of its beats is predicted as, or for the first where there is none.

    Parameters
    ----------
    beats
        Predictions of all splits as `beatlens.explain.case.windows.seen_windows` gives them, with ``outcome``.
    settings
        Section ``cases``.
    classes
        Class ids.

    Raises
    ------
    OptionError
        For a record without predictions, a beat that isn't there, a span beyond its record or without a beat.
    """
    by_record = {f"{corpus}/{record}": rows for (corpus, record), rows in beats.groupby(["corpus", "record"])}
    left_out = "; status.tsv says which were left out, and why"
    problems = [(key, named, allowed + left_out) for key, named, allowed in record_problems(settings, by_record)]
    unknown = {named for _, named, _ in problems}
    found: list[dict[str, object]] = []
    for option, named, record in named_records(settings):
        if named in unknown:
            continue
        rows, span = by_record[record], next((span for span in settings.spans if str(span) == named), None)
        duration_s = float(rows["duration_s"].iloc[0])
        allowed = missing_beat(rows, named, duration_s) if span is None else _missing_span(rows, span, duration_s)
        if allowed:
            problems.append((option, named, allowed))
        elif span is None:
            found.append(_beat(rows[rows["beat_id"] == named].iloc[0].to_dict()))
        else:
            found += _windows(rows, span, classes)
    if problems:
        raise OptionError(problems)
    return found


def missing_beat(rows: pd.DataFrame, beat_id: str, duration_s: float) -> str:
    """Return what is expected instead of a beat that isn't there, "" where it is.

    Parameters
    ----------
    rows
        Predictions of its record, one or more, in time order.
    beat_id
        The beat.
    duration_s
        Length of the record.
    """
    if (rows["beat_id"] == beat_id).any():
        return ""
    sample, samples = int(beat_id.rpartition("/")[2]), rows["r_sample"].to_numpy(dtype=np.int64)
    nearest = np.argsort(np.abs(samples - sample), kind="stable")[:NEAREST]
    said = ", ".join(f"{rows['beat_id'].iloc[k]} ({rows['r_time_s'].iloc[k]:.2f} s)" for k in sorted(nearest.tolist()))
    last = rows.iloc[-1]
    rate = last["r_sample"] / last["r_time_s"] if last["r_time_s"] > 0 else np.inf
    beyond = sample >= duration_s * rate
    where = f"a sample before the record's end at {duration_s * rate:.0f}, and " if beyond else ""
    return f"{where}a detected beat; the nearest are {said}"


def _missing_span(rows: pd.DataFrame, span: SpanSettings, duration_s: float) -> str:
    """Return what is expected instead of a span beyond the record or without a beat, "" for any other."""
    times = rows["r_time_s"].to_numpy(dtype=np.float64)
    if span.end_s > duration_s:
        return f"end_s up to {duration_s:g}, the length of the record in seconds"
    if not ((times >= span.start_s) & (times < span.end_s)).any():
        nearest = times[np.abs(times - (span.start_s + span.end_s) / 2).argmin()]
        return f"a stretch with a detected beat; the nearest is at {nearest:.2f} s"
    return ""


def _beat(row: dict[str, object]) -> dict[str, object]:
    named = {"case": case_name(str(row["beat_id"])), "target": "beat", "class": row["pred"], "named": True}
    return {**row, **named, "probability": row[f"p_{row['pred']}"], "relaxed": False}


def _windows(rows: pd.DataFrame, span: SpanSettings, classes: Sequence[str]) -> Iterator[dict[str, object]]:
    inside = rows[(rows["r_time_s"] >= span.start_s) & (rows["r_time_s"] < span.end_s)]
    predicted = [name for name in classes[1:] if (inside["pred"] == name).any()] or [classes[0]]
    for name in predicted:
        likely = inside.iloc[int(np.where(inside["pred"] == name, inside[f"p_{name}"], -1.0).argmax())].to_dict()
        found = inside[inside["pred"] == name]
        outcome, label = told_of_window(
            name,
            set(inside["label"]),
            found=set((found if len(found) else inside)["label"]),
            review=bool(found["review"].all()),
        )
        yield {
            **likely,
            "case": f"{case_name(span.record)}-{span.start_s:g}-{span.end_s:g}s-{name}",
            "target": "window",
            "class": name,
            "named": True,
            "outcome": outcome,
            "label": label,
            "probability": 1 - float(np.prod(1 - inside[f"p_{name}"].to_numpy(dtype=np.float64))),
            "relaxed": False,
            "start_s": float(inside["start_s"].min()),
            "end_s": float(inside["end_s"].max()),
            "window_start_s": span.start_s,
            "window_end_s": span.end_s,
        }
