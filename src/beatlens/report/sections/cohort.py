"""What the model uses for each class, in sentences."""

from __future__ import annotations

import math
from typing import Any

from beatlens.report.inputs import ReportInputs
from beatlens.report.numbers import listing, percent, plural, rank_agreement

LARGEST = 2
SURE = 0.05


def cohort_section(inputs: ReportInputs) -> dict[str, Any] | None:
    """Return sentences about the table of parts, or None where no right prediction is explained."""
    table = inputs.cohort
    if table is None or not len(table):
        return None
    parts = table[(table["kind"] == "part") & (table["n_correct"] > 0)]
    if not len(parts):
        return None
    classes = []
    for name in inputs.classes:
        of_class = parts[parts["class"] == name]
        largest = of_class.reindex(of_class["correct"].abs().sort_values(ascending=False, kind="stable").index).head(
            LARGEST
        )
        if len(of_class):
            n = int(of_class["n_correct"].max())
            held = listing(f"{_place(row)} ({percent(row.correct)})" for row in largest.itertuples(index=False))
            classes.append(f"{name} ({plural(n, 'case')}): most is in {held}.")
    tested = parts[parts["p"].notna()]
    sure = tested[tested["p_holm"] < SURE]
    names = listing(f"{row.wave} {row.lead}".strip() + f" of {row._1}" for row in sure.itertuples(index=False))
    if not len(tested):
        differences = "Too few wrong predictions are explained to compare them with right ones."
    elif names:
        differences = f"Wrong predictions differ from right ones in {names} (permutation test, p below .05 after Holm)."
    else:
        differences = "Nowhere do wrong predictions differ surely from right ones (permutation test, Holm)."
    agreement = table[(table["kind"] == "agreement") & table["correct"].notna()]
    mean = (
        float((agreement["correct"] * agreement["n_correct"]).sum() / agreement["n_correct"].sum())
        if len(agreement)
        else math.nan
    )
    return {
        "classes": classes,
        "differences": differences,
        "agreement": f"Over all right predictions the methods {rank_agreement(mean)}.",
    }


def _place(row: Any) -> str:
    return f"{row.wave} in {row.lead}" if row.lead else f"the {row.wave}"
