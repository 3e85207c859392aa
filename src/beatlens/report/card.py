"""The card of a bundle that is given away: what it learnt from, its scores, and what it does where it never learnt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from beatlens.prediction.bundle import Bundle

if TYPE_CHECKING:
    import pandas as pd

SCOPES = ("all", "accepted")
"""Scopes of the scores on test patients; those that leave records out follow."""
CLASS_METRICS = ("f1", "precision", "recall", "accepted_wrong")
OVERALL_METRICS = ("accuracy", "macro_f1", "coverage", "ece")


def card_facts(bundle: Bundle, metrics: pd.DataFrame, unseen: list[dict[str, Any]]) -> dict[str, Any]:
    """Return every number of the card, as a JSON object.

    Parameters
    ----------
    bundle
        The trained model.
    metrics
        ``metrics/classification.csv`` of the run that made it.
    unseen
        Rows of benchmarks/unseen_databases.py; may be empty.

    Raises
    ------
    ValueError
        For a bundle that doesn't say what it learnt from, or metrics without test patients.
    """
    if bundle.origin is None or bundle.familiar is None:
        raise ValueError("a bundle without origin; expected one that says what it learnt from")
    test = metrics[metrics["split"] == "test"]
    scopes = [*SCOPES, *sorted(scope for scope in set(test["scope"]) if scope.startswith("without "))]
    wanted = [(name, metric) for name in bundle.classes for metric in CLASS_METRICS]
    wanted += [("all", metric) for metric in OVERALL_METRICS]
    if not len(test):
        raise ValueError("metrics of no test patient; expected those of a run with a split test")
    scores: dict[str, dict[str, dict[str, Any]]] = {}
    for scope in scopes:
        for name, metric in wanted:
            rows = test[(test["scope"] == scope) & (test["class"] == name) & (test["metric"] == metric)]
            found = _interval(rows.iloc[0]) if len(rows) else [None, None, None]
            scores.setdefault(scope, {}).setdefault(name, {})[metric] = found
    return {
        "classes": list(bundle.classes),
        "origin": bundle.origin.to_json(),
        "familiar": bundle.familiar.to_json(),
        "test_patients": len(bundle.provenance["split"]["test"]),
        "scopes": scopes,
        "scores": scores,
        "unseen": unseen,
        "versions": dict(bundle.provenance["versions"]),
        "seed": bundle.provenance["seed"],
    }


def _interval(row: Any) -> list[float | None]:
    return [round(float(row[name]), 4) if np.isfinite(row[name]) else None for name in ("value", "lo", "hi")]


def render_card(facts: Mapping[str, Any]) -> str:
    """Return the card as Markdown, from `card_facts` alone."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["interval"] = _words
    environment.filters["share"] = lambda value: f"{100 * value:.0f} %"
    environment.filters["count"] = lambda value: f"{value:,}"
    return environment.get_template("card.md.j2").render(facts)


def _words(values: list[float | None]) -> str:
    """Return ``.945 (.873 to .974)`` of a value and the ends of its interval, a dash for nothing."""
    if values[0] is None:
        return "-"
    value, *ends = (None if number is None else f"{number:.3f}" for number in values)
    return f"{value}" if None in ends else f"{value} ({' to '.join(map(str, ends))})"
