"""The explained cases as the report tells them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from beatlens.core.class_names import class_name
from beatlens.figures.explained_cases import figure_name, verdict
from beatlens.report.inputs import ReportInputs
from beatlens.report.methods import METHOD_WORDS
from beatlens.report.numbers import listing, percent, rank_agreement, score
from beatlens.report.start.links import linked_records, record_link

REVIEW_WORDS = {
    "low_confidence": "low confidence",
    "not_finite": "no usable number",
    "far_from_prototypes": "unlike any prototype",
    "noise": "the noise gate calls it noise",
    "cut_by_edge": "an edge cuts its QRS complex",
    "stretch:disorganised": "it lies in fast disorganised signal",
    "stretch:noise": "it lies in artefact",
}


def case_sections(inputs: ReportInputs) -> list[dict[str, Any]]:
    """Return the explained cases, class by class."""
    facts = inputs.facts
    if facts is None or not len(facts):
        return []
    linked, groups = linked_records(inputs), []
    for name in [*inputs.classes, *sorted(set(facts["class"]) - set(inputs.classes))]:
        of_class = facts[facts["class"] == name].to_dict("records")
        if of_class:
            cases = [_case(row, inputs, linked) for row in of_class]
            groups.append({"name": name, "full": class_name(name), "cases": cases})
    return groups


def _case(row: dict[str, Any], inputs: ReportInputs, linked: frozenset[tuple[str, str]]) -> dict[str, Any]:
    reasons = [REVIEW_WORDS.get(reason, reason.replace("_", " ")) for reason in str(row["reason"]).split(";") if reason]
    image = inputs.cases.get(row["case"])
    leads = [lead.rsplit(":", 1) for lead in str(row["top_leads"]).split(";") if lead]
    words = inputs.words
    said = {} if words is None else dict(zip(words["case"], words["sentence"].fillna(""), strict=True))
    return {
        "id": row["case"],
        "sentence": said.get(row["case"], ""),
        "tachogram": inputs.tachograms.get(row["case"]),
        "image": replace(image, data=f"explanations/fused/{quote(row['case'])}.npz") if image else None,
        "link": record_link(linked, row["corpus"], row["record"]),
        "others": _others(row["case"], inputs),
        "outcome": row["outcome"],
        "tag": "accepted" if row["outcome"] == "unlabelled" else row["outcome"],
        "title": f"{row['record']} at {row['r_time_s']:.1f} s",
        "patient": row["patient"],
        "verdict": verdict(row["outcome"], row["label"]),
        "probability": score(row["probability"]),
        "class": row["class"],
        "called": "Found in this window:" if row["target"] == "window" else "Called",
        "reasons": listing(reasons),
        "relaxed": bool(row["relaxed"]),
        "rhythm": _rhythm(row),
        "leads": listing(f"{lead} {percent(float(share))}" for lead, share in leads),
        "beat_share": percent(row["beat_share"]) if leads and math.isfinite(row["beat_share"]) else "",
        "outside": percent(row["outside"]) if row["outside"] >= 0.005 else "",
        "agreement": rank_agreement(row["agreement"]),
        "absent": listing(re.sub(r" \[\d+\]$", "", METHOD_WORDS[name]) for name in absent_methods(row)),
    }


def absent_methods(row: Mapping[str, Any]) -> list[str]:
    """Return the methods that don't apply to a case, of its row of facts."""
    names = row["absent"]
    return [name for name in names.split(";") if name] if isinstance(names, str) else []  # a column without any is NaN


def _others(case: str, inputs: ReportInputs) -> list[dict[str, Any]]:
    """Return what else is drawn of a case: by single methods, and for other classes (by what is fused or a method)."""
    explained = {case: ""} | {f"{case}_as_{name}": f"explained as {name}" for name in inputs.classes}
    words = {"fused": "all methods", **METHOD_WORDS}
    return [
        {"name": ", ".join(filter(None, [said, re.sub(r" \[\d+\]$", "", text)])), "image": image}
        for of_class, said in explained.items()
        for method, text in words.items()
        if (name := figure_name(of_class, method)) != case and (image := inputs.cases.get(name)) is not None
    ]


def _rhythm(row: dict[str, Any]) -> str:
    share = float(row["rhythm_share"])
    if not math.isfinite(share):
        return "was not asked about"
    if share < 0.005:
        return "carries nothing"
    side = {1: "for", -1: "against"}.get(int(row["rhythm_sign"]), "neither for nor against")
    return f"carries {percent(share)} of the explanation, speaking {side} {row['class']}"
