"""How good the explanations of diagnoses are: where they lie, and whether the model follows them."""

from __future__ import annotations

import math
from typing import Any

from beatlens.report.numbers import count, interval, score
from beatlens.report.sections.diagnoses import DiagnosisTables

STRICT, PLANTED, MODEL = "regions, strict", "planted", "model"
ROWS = (
    ("lead_auc", STRICT, "signal", "the leads of the textbook before the others"),
    ("time_auc", STRICT, "signal", "inside these leads, the textbook's waves before the rest"),
    ("lead_auc", PLANTED, "signal", "the leads that were changed before the others"),
    ("auprc", PLANTED, "signal", "what was changed before the rest"),
    ("span_deletion", MODEL, "random", "probability lost without what is shown"),
    ("deletion_auc", MODEL, "random", "probability while the strongest parts are taken away (less is better)"),
    ("insertion_auc", MODEL, "random", "probability while the strongest parts are put in"),
)
"""Metric, truth, null that stands beside it, meaning."""
NULL_WORDS = {"signal": "by the size of the signal", "random": "random"}


def explanation_rows(tables: DiagnosisTables) -> list[dict[str, str]]:
    """Return a row a diagnosis and score of what is fused, or of the only method; [] where nothing is explained."""
    table = tables.explained
    if table is None or not len(table):
        return []
    method = "fused" if (table["method"] == "fused").any() else str(table["method"].iloc[0])
    chosen = table[(table["method"] == method) & (table["scope"] != "case")]
    found = {(row.label, row.metric, row.truth, row.null_name): row for row in _rows(chosen)}
    result = []
    for label in ("", *tables.names):
        for metric, truth, null, meaning in ROWS:
            row = found.get((label, metric, truth, null))
            if row is not None and math.isfinite(row.value):
                result.append(
                    {
                        "name": tables.names.get(label, "all"),
                        "meaning": meaning,
                        "value": interval(row.value, row.lo, row.hi),
                        "null": f"{score(row.null_value)} ({NULL_WORDS[null]})",
                        "n": count(row.n),
                    }
                )
    return result


def _rows(table: Any) -> Any:
    return table.rename(columns={"class": "label"}).itertuples(index=False)
