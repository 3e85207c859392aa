"""How good the explanations of diagnoses are: where they lie, and whether the model follows them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from beatlens.report.numbers import DASH, count, interval, score
from beatlens.report.sections.diagnoses import DiagnosisTables

STRICT, PLANTED, MODEL = "regions, strict", "planted", "model"
COLUMNS = (
    ("lead_auc", STRICT, "signal", "the textbook's leads before the others"),
    ("time_auc", STRICT, "signal", "in these leads, the textbook's waves before the rest"),
    ("lead_auc", PLANTED, "signal", "the changed leads before the others"),
    ("auprc", PLANTED, "signal", "what was changed before the rest"),
    ("span_deletion", MODEL, "random", "probability lost without what is shown"),
    ("deletion_auc", MODEL, "random", "probability without the strongest parts (less is better)"),
    ("insertion_auc", MODEL, "random", "probability with the strongest parts alone"),
)
"""Metric, truth, null that stands beside it, meaning."""


@dataclass(frozen=True)
class ExplanationScores:
    """Scores of what is fused, or of the only method.

    Attributes
    ----------
    meanings
        Of the columns that have a value.
    rows
        Name, and the cells by column: value, null and records, each as text.
    """

    meanings: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Mapping[str, str], ...]], ...]


def explanation_scores(tables: DiagnosisTables) -> ExplanationScores | None:
    """Return a row for all and for each diagnosis; None where nothing is explained."""
    table = tables.explained
    if table is None or not len(table):
        return None
    method = "fused" if (table["method"] == "fused").any() else str(table["method"].iloc[0])
    chosen = table[(table["method"] == method) & (table["scope"] != "case")].rename(columns={"class": "label"})
    found = {
        (row.label, row.metric, row.truth, row.null_name): row
        for row in chosen.itertuples(index=False)
        if math.isfinite(row.value)
    }
    shown = [column for column in COLUMNS if any(key[1:] == column[:3] for key in found)]
    labels = [label for label in ("", *tables.names) if any(key[0] == label for key in found)]
    return ExplanationScores(
        tuple(meaning for *_, meaning in shown),
        tuple(
            (tables.names.get(label, "all"), tuple(_cell(found.get((label, *column[:3]))) for column in shown))
            for label in labels
        ),
    )


def _cell(row: Any) -> dict[str, str]:
    if row is None:
        return {"value": DASH, "null": "", "n": ""}
    value = interval(row.value, row.lo, row.hi).replace(" to ", "\u00a0to\u00a0")
    return {"value": value, "null": score(row.null_value), "n": count(row.n)}
