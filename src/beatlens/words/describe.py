"""Explained cases in words: a row of ``words.csv`` and the rows of ``rr_context.csv`` of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from beatlens.beats.settings import BeatSettings
from beatlens.explain.explainer import PreparedCase
from beatlens.explain.methods.intervals import IntervalValues, explain_intervals
from beatlens.explain.players.intervals import OTHERS
from beatlens.explain.result.attribution import Attribution
from beatlens.words.measure import MeasuredBeat, measure_beat
from beatlens.words.measured_record import MeasuredRecord
from beatlens.words.p_wave import WINDOW_S
from beatlens.words.sentence import sentence
from beatlens.words.shares import RHYTHM, Part, explanation_parts
from beatlens.words.timing import Timing

if TYPE_CHECKING:
    from beatlens.inputs.record_view import RecordView

WORD_COLUMNS = {
    "case": "case id",
    "beat_id": "the beat that is described",
    "class": "class that is explained",
    "sentence": "what is measured and what the network used, in words",
    "rr_ms": "RR interval to the beat before, NaN where there is none",
    "usual_rr_ms": "usual RR interval here, NaN where there is none",
    "rr_spread": "spread of the intervals here: median size of log ratios to the usual one",
    "prematurity": "1 - rr/usual, below 0 for a late beat; NaN where the beat before has another shape",
    "timing": "early, late, on time, irregular (the rhythm around) or unknown",
    "qrs_ms": "width of the QRS complex, NaN where it can't be told",
    "usual_qrs_ms": "width in the nearest beat that keeps the rhythm",
    "qrs_wide": "yes (120 ms or more), no (up to 110 ms) or unknown",
    "n_alike": "beats whose mean was measured",
    "p_wave": "usual, other (another wave), absent or unknown",
    "p_window_ms": "time before the QRS complex in which a P wave was looked for",
    "share_rhythm": "share of the rhythm in the fused explanation",
    "parts": "parts of the fused explanation by share, with their sign, as in 'rhythm:+0.71;QRS V1:+0.20'",
    "interval": "RR interval that carries most of the rhythm's part: 0 ends at the beat, 1 begins there, '' for none",
}
RR_COLUMNS = {
    "case": "case id",
    "interval": "0 ends at the explained beat, 1 begins there, negative ones come before; 'others' for all else",
    "end_s": "time of the beat at its end in seconds, NaN for 'others'",
    "rr_ms": "its length",
    "usual_rr_ms": "usual interval here",
    "value": "Shapley value with the signal as it is, in units of the explained target; NaN where it is no player",
    "share": "its share of the explanation: of the rhythm's absolute values, times the rhythm's share of the fused one",
    "label": "predicted class of the beat at its end",
}
SHOWN = 12
"""Intervals on each side of the beat that ``rr_context.csv`` has."""
YES_NO = {True: "yes", False: "no", None: "unknown"}


@dataclass(frozen=True)
class Described:
    """A case in words: rows with the keys of `WORD_COLUMNS` and `RR_COLUMNS`."""

    words: dict[str, Any]
    intervals: list[dict[str, Any]]


def measured_record(view: RecordView, ectopic: Iterable[str]) -> MeasuredRecord:
    """Return a record as its beats are measured, with the classes that were predicted."""
    beats, record = view.beats, view.record
    return MeasuredRecord(
        record.signal,
        float(record.geometry.fs),
        record.r_index,
        beats["r_time_s"].to_numpy(dtype=np.float64),
        beats["stretch"].to_numpy(dtype=np.int64),
        np.isin(view.pred.astype(str), list(ectopic)),
        beats["reason"].to_numpy(dtype=object) != "",
    )


def describe_case(
    prepared: PreparedCase, fused: Attribution, ectopic: Iterable[str], settings: BeatSettings
) -> Described:
    """Describe a case.

    Parameters
    ----------
    prepared
        The case.
    fused
        Its explanation.
    ectopic
        Classes that break the rhythm.
    settings
        Section ``beats`` of the bundle.
    """
    case, view = prepared.case, prepared.view
    row = int(np.flatnonzero(view.beats["beat_id"].to_numpy() == case.beat_id)[0])
    record = measured_record(view, ectopic)
    beat = measure_beat(record, row)
    parts = explanation_parts(fused, prepared.instance, row)
    intervals = explain_intervals(prepared, settings)
    shares = intervals.shares[:-1]
    top = int(np.argmax(shares)) if len(shares) and shares.max() > 0 else None
    most = None if top is None else (int(intervals.players.ends[top]) - row, float(shares[top]))
    rhythm = next((part.share for part in parts if part.name == RHYTHM), 0.0)
    timing = beat.timing
    words = {
        "case": case.case,
        "beat_id": case.beat_id,
        "class": case.case_class,
        "sentence": sentence(beat, parts, most),
        "rr_ms": _ms(timing.rr_s),
        "usual_rr_ms": _ms(timing.usual_rr_s),
        "rr_spread": timing.spread,
        "prematurity": timing.prematurity if timing.exact else np.nan,
        "timing": timing_word(timing),
        "qrs_ms": _ms(beat.qrs.width_s),
        "usual_qrs_ms": _ms(beat.usual_qrs.width_s),
        "qrs_wide": YES_NO[beat.qrs.wide],
        "n_alike": beat.qrs.n_beats,
        "p_wave": beat.p.wave,
        "p_window_ms": _ms(WINDOW_S),
        "share_rhythm": rhythm,
        "parts": ";".join(map(_part_text, parts)),
        "interval": "" if most is None else str(most[0]),
    }
    return Described(words, _interval_rows(case.case, view, row, intervals, beat=beat, rhythm=rhythm))


def timing_word(timing: Timing) -> str:
    """Return the value of the column ``timing``."""
    if not np.isfinite(timing.prematurity):
        return "unknown"
    return "irregular" if timing.irregular else {1: "early", -1: "late", 0: "on time"}[timing.off]


def _ms(seconds: float) -> float:
    return round(1000 * float(seconds), 1)


def _part_text(part: Part) -> str:
    sign = {1: "+", -1: "-", 0: ""}[part.sign]
    return f"{part.name} {part.lead}".strip() + f":{sign}{part.share:.3f}"


def _interval_rows(
    case: str, view: RecordView, row: int, intervals: IntervalValues, *, beat: MeasuredBeat, rhythm: float
) -> list[dict[str, Any]]:
    """Return the intervals around a beat, as far as there is no gap, and the player of all else."""
    time = view.beats["r_time_s"].to_numpy(dtype=np.float64)
    stretch = view.beats["stretch"].to_numpy(dtype=np.int64)
    value = dict(zip(intervals.players.ends.tolist(), intervals.values.tolist(), strict=False))
    share = dict(zip(intervals.players.ends.tolist(), (rhythm * intervals.shares).tolist(), strict=False))
    ends = np.arange(max(1, row - SHOWN + 1), min(len(time), row + SHOWN + 1))
    usual = _ms(beat.timing.usual_rr_s)
    rows = [
        {
            "case": case,
            "interval": str(end - row),
            "end_s": time[end],
            "rr_ms": _ms(time[end] - time[end - 1]),
            "usual_rr_ms": usual,
            "value": value.get(end, np.nan),
            "share": share.get(end, np.nan),
            "label": view.pred[end],
        }
        for end in ends[stretch[ends] == stretch[row]].tolist()
        if stretch[end - 1] == stretch[row]
    ]
    others = {"value": float(intervals.values[-1]), "share": rhythm * float(intervals.shares[-1])}
    blank = {"end_s": np.nan, "rr_ms": np.nan, "usual_rr_ms": usual, "label": ""}
    return [*rows, {"case": case, "interval": OTHERS, **blank, **others}]
