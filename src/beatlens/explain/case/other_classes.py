"""Explained beats once more, for classes that aren't predicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from beatlens.explain.case.choice import CASE_COLUMNS

if TYPE_CHECKING:
    import pandas as pd


def cases_of_classes(cases: pd.DataFrame, beats: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return a case table with each beat of another one for each of `classes` that isn't predicted there.

    A case is called ``<case>_as_<class>``, and its probability is that of the class. Windows, whose class is one that
    was found in them, are left out.

    Parameters
    ----------
    cases
        The table of cases.
    beats
        Predictions at detected beats.
    classes
        Class ids.
    """
    import pandas as pd

    of_beats = cases[cases["target"] == "beat"]
    predicted = beats.set_index("beat_id")
    rows = [
        {**case, "case": f"{case['case']}_as_{name}", "class": name}
        | {"probability": float(predicted.at[case["beat_id"], f"p_{name}"]), "relaxed": False}
        for case in of_beats.to_dict("records")
        for name in classes
        if name != case["class"]
    ]
    return pd.DataFrame(rows, columns=list(CASE_COLUMNS))
