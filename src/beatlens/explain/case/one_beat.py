"""One beat as a case, whichever it is: what a person asks about, beside the cases that a run chooses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from beatlens.explain.case.choice import CASE_COLUMNS, Case, WindowSettings, outcomes
from beatlens.explain.case.named import case_name
from beatlens.explain.case.windows import seen_windows

if TYPE_CHECKING:
    import pandas as pd


def beat_case(
    beats: pd.DataFrame,
    records: pd.DataFrame,
    *,
    classes: Sequence[str],
    window: WindowSettings,
    beat_id: str,
    case_class: str | None = None,
) -> Case:
    """Return one beat as a case, of whatever split.

    Parameters
    ----------
    beats, records, classes, window
        As for `beatlens.explain.case.choice.select_cases`.
    beat_id
        The beat.
    case_class
        The class that is explained; the predicted one by default.

    Raises
    ------
    ValueError
        Where there is no such beat or class.
    """
    table = seen_windows(beats, records, window)
    asked = table.assign(outcome=outcomes(table))[table["beat_id"] == beat_id]
    if len(asked) != 1:
        examples = ", ".join(table["beat_id"].head(3))
        raise ValueError(
            f"beat {beat_id!r}: {len(asked)} of {len(table)} beats; expected the beat_id of one ({examples})"
        )
    row = asked.iloc[0].to_dict()
    chosen = str(row["pred"]) if case_class is None else case_class
    if chosen not in classes:
        raise ValueError(f"class {chosen!r}; expected one of {', '.join(classes)}")
    row |= {"case": case_name(beat_id), "target": "beat", "class": chosen, "relaxed": False, "named": False}
    row["probability"] = float(row[f"p_{chosen}"])
    return Case(*(row[name] for name in CASE_COLUMNS))
