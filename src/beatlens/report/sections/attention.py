"""The report's section on attention: what heads are worth, whether evidence agrees, right against wrong predictions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from beatlens.evaluate.attention.agreement_summary import AgreementSummary
from beatlens.evaluate.attention.alignment import known
from beatlens.report.images import Image, Place
from beatlens.report.inputs import ReportInputs
from beatlens.report.numbers import count, interval, plural, score

if TYPE_CHECKING:
    import pandas as pd

RANDOM_LIMIT = 0.5
"""Rank correlation with the maps of random networks below which, with its interval, a method passes that test."""
METHODS = ("attention", "attention_rollout", "attention_relevance")


def shown_attention(place: Place, folder: Path, facts: pd.DataFrame | None) -> dict[str, Image]:
    """Return the drawn attention of the cases that the page shows: the first of each class, right ones first."""
    if facts is None:
        return {}
    ranked = facts.assign(last=facts["outcome"] != "correct").sort_values("last", kind="stable")
    chosen = ranked.drop_duplicates("class")["case"]
    return {case: place.image(folder / f"{case}.svg") for case in facts["case"] if case in set(chosen)}


def attention_section(inputs: ReportInputs) -> dict[str, Any] | None:
    """Return what stands in the section, None for a network without attention."""
    summary = inputs.attention
    if summary is None:
        return None
    agreements = [AgreementSummary.from_json(one) for one in (summary["directions"], *summary["evidence"])]
    return {
        "n_cases": plural(summary["n_cases"], "case"),
        "n_patients": plural(summary["n_patients"], "patient"),
        "agreements": [
            {"text": one.words()[0].upper() + one.words()[1:].replace("_", " "), "agrees": one.agrees}
            for one in agreements
        ],
        "evidence": bool(summary["evidence"]),
        "believed": any(one.agrees for one in agreements[1:]),
        "randomised": [randomised(inputs, method) for method in METHODS],
        "comparisons": _comparisons(summary),
        "n_tests": sum(not row["absent"] for row in _comparisons(summary)),
        "absent": summary["absent"],
        "cases": [{"id": case, "image": image} for case, image in inputs.attention_cases.items()],
    }


def randomised(inputs: ReportInputs, method: str) -> dict[str, Any]:
    """Say whether a method's maps change when the network's weights are random, where that was tested."""
    name = method.replace("_", " ")
    for table in inputs.probes:
        tested = table[
            (table["bundle_sha256"] == inputs.bundle_sha256)
            & (table["test"] == "randomisation")
            & (table["detail"] == "all")
            & (table["metric"] == "spearman")
            & (table["method"] == method)
        ]
        if len(tested):
            found = [float(tested[name].iloc[0]) for name in ("value", "lo", "hi")]
            failed = not (found[0] if np.isnan(found[2]) else found[2]) < RANDOM_LIMIT
            verdict = "fails weight randomisation" if failed else "passes weight randomisation"
            text = (
                f"{name} {verdict}: its maps and those of random networks have the rank correlation {interval(*found)}"
            )
            return {"text": text, "failed": failed}
    return {"text": f"{name}: weight randomisation was not tested (explain.methods, target sanity)", "failed": False}


def _comparisons(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return right against wrong predictions, a row a class and statistic."""
    return [
        {
            "class": one["name"],
            "what": what,
            "correct": score(known(found["correct"])),
            "wrong": score(known(found["wrong"])),
            "effect": score(known(found["effect"])),
            "p": score(known(found["p"])),
            "n": f"{count(found['n_correct'])} and {count(found['n_wrong'])}",
            "absent": found["absent"],
        }
        for one in summary["classes"]
        for what, found in one["comparisons"].items()
    ]
