"""What a run found, in a few sentences: the first thing that the report says."""

from __future__ import annotations

from collections.abc import Sequence

from beatlens.core.class_names import class_name
from beatlens.holter.urgency import VENTRICULAR
from beatlens.prediction.rhythms import TACHYCARDIA_PER_MIN
from beatlens.report.inputs import ReportInputs
from beatlens.report.numbers import count, duration, listing, percent, plural
from beatlens.shards.patients import patient_keys
from beatlens.shards.record_table import NOT_A_RECORD


def answer(inputs: ReportInputs) -> Sequence[str]:
    """Return sentences on records, ectopy, runs, pauses, rhythm, review and refused records; none without the table.

    What there is none of is said where a person would look for it (ectopy, runs), else left out.
    """
    table = inputs.holter
    if table is None:
        return []
    patients, seconds = len(set(patient_keys(table).tolist())), float(table["duration_s"].sum())
    beats, review = int(table["n_beats"].sum()), int(table["n_review"].sum())
    sentences = [
        f"{plural(len(table), 'record')} of {plural(patients, 'patient')}, {duration(seconds)} in all, "
        f"with {plural(beats, 'beat')}."
    ]
    if review < beats:  # else nothing is known of ectopy
        sentences += [text for text in (_ectopy(inputs), _runs(inputs)) if text]
    n_pauses, paused = int(table["n_pauses_2s"].sum()), int((table["n_pauses_2s"] > 0).sum())
    if n_pauses:
        sentences.append(f"{plural(n_pauses, 'pause')} over 2 s in {plural(paused, 'record')}.")
    elif possible := _possible_pauses(inputs):
        sentences.append(f"No pause over 2 s between accepted beats; {plural(possible, 'possible pause')}.")
    if "af_episodes" in table and (fibrillating := int((table["af_episodes"] > 0).sum())):
        sentences.append(f"Atrial fibrillation in {plural(fibrillating, 'record')}.")
    if beats:
        sentences.append(_left(review, beats))
    status = inputs.status[inputs.status["reason"] != NOT_A_RECORD]
    refused = int((~status["used"].astype(bool)).sum())
    if refused:
        sentences.append(f"{plural(refused, 'record')} couldn't be used.")
    return sentences


def _left(review: int, beats: int) -> str:
    if review == beats:
        return "Every beat is left to you."
    return f"{percent(review / beats)} of the beats are left to you." if review else "No beat is left to you."


def _ectopy(inputs: ReportInputs) -> str:
    table = inputs.holter
    assert table is not None
    ectopic = [name for name in inputs.classes if f"burden_{name}" in table]
    found, absent = [], []
    for name in sorted(ectopic, key=lambda name: name != VENTRICULAR):
        number, records = int(table[f"n_{name}"].sum()), int((table[f"n_{name}"] > 0).sum())
        if number:
            found.append(f"{plural(number, class_name(name))} in {plural(records, 'record')}")
        else:
            absent.append(class_name(name))
    if not ectopic:
        return ""
    if not found:
        return f"No accepted beat is a {' or a '.join(absent)}."
    return f"{listing(found)}."


def _possible_pauses(inputs: ReportInputs) -> int:
    episodes = inputs.episodes
    return 0 if episodes is None else int((episodes["kind"] == "possible_pause").sum())


def _runs(inputs: ReportInputs) -> str:
    episodes = inputs.episodes
    if episodes is None:
        return ""
    runs = episodes[episodes["kind"] == "run"]
    if not len(runs):
        possible = int((episodes["kind"] == "possible_run").sum())
        none = "No accepted run of three ectopic beats or more"
        return f"{none}; {plural(possible, 'possible run')} with beats in review." if possible else f"{none}."
    records = len(runs[["corpus", "record"]].drop_duplicates())
    fast = runs[(runs["class"] == VENTRICULAR) & (runs["rate_per_min"] >= TACHYCARDIA_PER_MIN)]
    text = f"{plural(len(runs), 'run')} of ectopic beats in {plural(records, 'record')}"
    return f"{text}, {count(len(fast))} of them ventricular at 100/min or faster." if len(fast) else f"{text}."
