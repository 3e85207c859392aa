"""Which predictions are explained: a few of each class and outcome, in patients that the model has never seen."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from beatlens.core.seeds import derive_seed
from beatlens.explain.case.named import named_cases
from beatlens.explain.case.settings import CaseSettings
from beatlens.explain.case.windows import seen_windows, window_table
from beatlens.shards.patients import patient_key, patient_keys

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

CASE_COLUMNS = (
    "case",
    "corpus",
    "record",
    "patient",
    "beat_id",
    "target",
    "class",
    "start_s",
    "end_s",
    "outcome",
    "label",
    "probability",
    "relaxed",
    "window_start_s",
    "window_end_s",
    "named",
)
"""For a beat, the window starts and ends at its R. For a window, the beat is the one most likely to have the class."""


@dataclass(frozen=True)
class Case:
    """A row of the case table: what `CASE_COLUMNS` says, the column ``class`` as `case_class`."""

    case: str
    corpus: str
    record: str
    patient: str
    beat_id: str
    target: str
    case_class: str
    start_s: float
    end_s: float
    outcome: str
    label: str
    probability: float
    relaxed: bool
    window_start_s: float
    window_end_s: float
    named: bool = False


def case_rows(cases: pd.DataFrame) -> list[Case]:
    """Return the rows of a case table."""
    cases = cases if "named" in cases else cases.assign(named=False)  # of an older run
    return [Case(*row) for row in cases[list(CASE_COLUMNS)].itertuples(index=False, name=None)]


def scored_cases(cases: pd.DataFrame) -> pd.DataFrame:
    """Return the cases that scores may rest on: those that were chosen, not those that a person named."""
    return cases[~cases["named"].astype(bool)].reset_index(drop=True)


def record_by_record(cases: pd.DataFrame, do: Callable[[Case], Result]) -> Iterator[Result]:
    """Do something for each case, the cases of a record together, and yield the results in the order of the table."""
    rows = case_rows(cases)
    first = {(case.corpus, case.record): place for place, case in reversed(list(enumerate(rows)))}
    waiting: dict[int, Result] = {}
    due = 0
    for place in sorted(range(len(rows)), key=lambda k: (first[rows[k].corpus, rows[k].record], k)):
        waiting[place] = do(rows[place])
        while due in waiting:
            yield waiting.pop(due)
            due += 1


@dataclass(frozen=True)
class WindowSettings:
    """What of section ``beats`` decides how long a case window is; seconds and beats."""

    before_s: float
    after_s: float
    context: int
    gap_s: float


def select_cases(
    beats: pd.DataFrame,
    records: pd.DataFrame,
    classes: Sequence[str],
    *,
    settings: CaseSettings,
    window: WindowSettings,
    seed: int,
) -> pd.DataFrame:
    """Choose cases of the test split, of corpora to predict, with labels or without, and of unlabelled records.

    Every class and outcome gets its first case, then its second, and so on up to `per_class` and `max_cases`. Patients
    chosen least often (in the class and outcome, then overall) come first; chance decides among equals. What the
    settings name comes besides (`beatlens.explain.case.named`), of any split; it changes nothing of the choice.

    Parameters
    ----------
    beats
        Predictions at detected beats.
    records
        Record table with corpus, record, duration_s, role and labelled.
    classes
        Class ids, in order.
    settings, window
        Sections ``cases`` and ``beats``.
    seed
        The run's seed.

    Returns
    -------
    Table of `CASE_COLUMNS`; legal without a row

    Raises
    ------
    ValueError
        For what is named and isn't there.
    """
    import pandas as pd

    table = seen_windows(beats, records, window)
    named = named_cases(table.assign(outcome=outcomes(table)), settings, classes)
    # Not by a beat's label: a corpus to predict may have some, and records set aside by a split table have them too.
    free = (table["role"] == "predict") | ~table["labelled"].astype(bool)
    table = table[(table["split"] == "test") | ((table["split"] == "none") & free)].copy()
    windows = window_table(table, classes, settings.window_s)
    table["probability"] = _probability(table, classes)
    table["outcome"] = outcomes(table)
    table = table[table["end_s"] - table["start_s"] <= settings.max_duration_s]
    used: dict[str, int] = {}
    chosen = _choose("beat", table, classes=classes, settings=settings, used=used, seed=seed)
    chosen += _choose("window", windows, classes=classes[1:], settings=settings, used=used, seed=seed)
    taken = {(case["target"], case["beat_id"], case["class"]) for case in chosen if case["target"] == "beat"}
    chosen += [case for case in named if (case["target"], case["beat_id"], case["class"]) not in taken]
    result = pd.DataFrame(chosen, columns=list(CASE_COLUMNS))
    if result["case"].duplicated().any():
        raise ValueError(
            f"case ids {result['case'].tolist()} are not unique; expected classes, and names of beats and "
            "spans, that give distinct file names"
        )
    order = {name: k for k, name in enumerate(classes)}
    return result.sort_values(
        ["target", "class", "outcome", "case"],
        key=lambda column: column.map(order) if column.name == "class" else column,
        ignore_index=True,
    )


def _choose(
    target: str, table: pd.DataFrame, *, classes: Sequence[str], settings: CaseSettings, used: dict[str, int], seed: int
) -> list[dict[str, object]]:
    """Choose targets of one kind in turn over classes and outcomes; `used`, cases a patient, is updated."""
    rng = np.random.default_rng(derive_seed(seed, "cases") if target == "beat" else derive_seed(seed, "cases", target))
    per_class, most = (
        (settings.per_class, settings.max_cases)
        if target == "beat"
        else (settings.windows_per_class, settings.max_windows)
    )
    used_here: dict[tuple[str, str], dict[str, int]] = {}
    groups = {}
    for outcome in settings.outcomes:
        for name in classes:
            group = table[(table["outcome"] == outcome) & (table["pred"] == name)]
            groups[outcome, name] = group.iloc[rng.permutation(len(group))]
    empty = [f"{name} {outcome}" for (outcome, name), group in groups.items() if group.empty]
    if empty:
        examples = ", ".join(empty[:3]) + (" ..." if len(empty) > 3 else "")
        logger.info("no %s to explain in %d of %d groups: %s", target, len(empty), len(groups), examples)
    chosen: list[dict[str, object]] = []
    taken: set[str] = set()
    for rank in range(per_class):
        for (outcome, name), group in groups.items():
            if len(chosen) >= most:
                break
            here = used_here.setdefault((outcome, name), {})
            pick = _pick(group[~group["beat_id"].isin(taken)], here, used, settings.min_probability)
            if pick is None:
                continue
            taken.add(str(pick["beat_id"]))
            patient = patient_key(str(pick["corpus"]), str(pick["patient"]))
            for counts in (used, here):
                counts[patient] = counts.get(patient, 0) + 1
            kind = "" if target == "beat" else f"{target}-"
            case = f"{_file_safe(name)}-{kind}{outcome}-{rank + 1:02d}"
            chosen.append({"case": case, "target": target, "class": name, "named": False, **pick})
    return chosen


def _probability(table: pd.DataFrame, classes: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = table[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
    index = np.array([list(classes).index(name) for name in table["pred"]], dtype=np.int64)
    result: np.ndarray[tuple[int], np.dtype[np.float64]] = values[np.arange(len(table)), index]
    return result


def outcomes(table: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """Name each beat's outcome; a detection that matches no beat (label ``none``) is wrong."""
    known = np.where(table["label"] == table["pred"], "correct", "wrong")
    accepted = np.where(table["label"] == "", "unlabelled", known)
    return np.where(table["review"].to_numpy(dtype=bool), "review", accepted).astype(object)


def _pick(
    group: pd.DataFrame, here: dict[str, int], overall: dict[str, int], min_probability: float
) -> dict[str, object] | None:
    """Take a beat of the patient chosen least often, in this class and outcome first, then overall.

    Where none is probable enough, the most probable beat of such a patient is taken and marked relaxed.
    """
    if group.empty:
        return None
    enough = group[group["probability"] >= min_probability]
    if relaxed := enough.empty:
        enough = group.sort_values("probability", ascending=False, kind="stable")
    patients = patient_keys(enough).tolist()
    counts = [(here.get(patient, 0), overall.get(patient, 0)) for patient in patients]
    row = enough.iloc[counts.index(min(counts))]
    columns = ["corpus", "record", "patient", "beat_id", "start_s", "end_s", "outcome", "label", "probability"]
    columns += ["window_start_s", "window_end_s"]
    return {**{name: row[name] for name in columns}, "relaxed": relaxed}


def _file_safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", name)
