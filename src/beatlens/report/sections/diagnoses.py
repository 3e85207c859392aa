"""Diagnoses of records as the report tells them: how well they are told, which records have them, who should look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from beatlens.core.record import REASONS
from beatlens.report.images import Image
from beatlens.report.numbers import count, interval, listing, percent, plural, score

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS, OPEN_ROWS = 40, 10
"""Records listed, and how many of them are seen at once."""
REASON_WORDS = {
    "low_confidence": "one of its probabilities lies close to where the answer changes",
    "not_finite": "no usable number",
    "no_beats": "no beat was found in it",
    "no_known_lead": "it has none of the leads that the model knows",
}
LEAD_WORDS = {"12": "all twelve", "6": "limb leads", "4": "I, II, III, V2", "3": "I, II, V2", "2": "I, II", "1": "II"}
"""Leads of `beatlens.core.leads.LEAD_SUBSETS` in words."""


@dataclass(frozen=True)
class DiagnosisTables:
    """What the page of diagnoses is made of.

    Attributes
    ----------
    predictions, metrics
        ``predictions/diagnoses.parquet`` and ``metrics/diagnoses.csv``.
    names
        Name of each diagnosis by id.
    status
        ``status.tsv``.
    figures
        Name -> image: scores, reliability, confusion, and others that a run has.
    facts, cases
        Explained diagnoses (`beatlens.figures.diagnoses.explained.FACT_COLUMNS`), and their figures by case.
    explained
        Scores of their explanations (`beatlens.evaluate.explanations.table.COLUMNS`).
    """

    predictions: pd.DataFrame
    metrics: pd.DataFrame
    names: Mapping[str, str]
    status: pd.DataFrame
    figures: Mapping[str, Image] = field(default_factory=dict)
    facts: pd.DataFrame | None = None
    cases: Mapping[str, Image] = field(default_factory=dict)
    explained: pd.DataFrame | None = None


def score_section(tables: DiagnosisTables) -> dict[str, Any] | None:
    """Return the scores over all records, by diagnosis, by database and by leads; None where none is labelled."""
    metrics = tables.metrics
    if not len(metrics):
        return None
    cells = {(row.scope, row.label, row.metric): row for row in metrics.rename(columns={"class": "label"}).itertuples()}

    def cell(label: str, metric: str, scope: str = "all", null: bool = False) -> str:
        row = cells.get((scope, label, metric))
        if row is None:
            return score(math.nan)
        if null:
            return score(row.null_value)
        return interval(row.value, row.lo, row.hi).replace(" to ", "\u00a0to\u00a0")  # narrow columns break before it

    order = [name for name in tables.names if ("all", name, "auroc") in cells]
    weak = [name for name in order if not cells["all", name, "auroc"].lo > 0.5]
    group = "scored" if ("all", "scored", "auroc") in cells else "macro"
    scopes = metrics["scope"].drop_duplicates()

    def row_of(scope: str, name: str) -> dict[str, str]:
        return {
            "name": name,
            "n": count(cells[scope, "all", "exact_match"].n),
            "diagnoses": count(cells[scope, "macro", "auroc"].n) if (scope, "macro", "auroc") in cells else "0",
            "auroc": cell("macro", "auroc", scope),
            "auprc": cell("macro", "auprc", scope),
            "prevalence": cell("macro", "auprc", scope, null=True),
            "challenge": cell("all", "challenge_score", scope),
        }

    return {
        "macro": cell("macro", "auroc"),
        "n_diagnoses": f"{count(len(order))} diagnos{'is' if len(order) == 1 else 'es'}",
        "n_records": plural(int(cells["all", "all", "exact_match"].n), "record"),
        "scored": cell(group, "auroc") if group == "scored" else "",
        "n_scored": count(cells["all", "scored", "auroc"].n) if group == "scored" else "",
        "challenge": cell("all", "challenge_score") if ("all", "all", "challenge_score") in cells else "",
        "exact": cell("all", "exact_match"),
        "frequent": cell("all", "exact_match", null=True),
        "exact_accepted": cell("all", "exact_match_accepted"),
        "review": percent(float(cells["all", "all", "review_rate"].value)),
        "weak": listing(tables.names[name] for name in weak),
        "rows": [
            {
                "name": tables.names[name],
                "n": count(cells["all", name, "auroc"].n),
                **{metric: cell(name, metric) for metric in ("auroc", "auprc", "f1", "sensitivity", "precision")},
                "prevalence": cell(name, "auprc", null=True),
                "every_record": cell(name, "f1", null=True),
                "coverage": cell(name, "conformal_coverage"),
            }
            for name in order
        ],
        "promised": percent(float(cells["all", order[0], "conformal_coverage"].null_value)) if order else "",
        "set_size": score(float(cells["all", "all", "conformal_set_size"].value)),
        "ece": score(float(cells["all", "macro", "ece"].value)) if order else score(math.nan),
        "databases": [
            row_of(scope, scope.partition(":")[2]) for scope in scopes if scope.startswith(("database:", "without:"))
        ],
        "left_out": any(scope.startswith("without:") for scope in scopes),
        "leads": [row_of(scope, LEAD_WORDS[scope.partition(":")[2]]) for scope in scopes if scope.startswith("leads:")],
    }


def record_section(tables: DiagnosisTables) -> dict[str, Any]:
    """Return which diagnoses were given, and the records that need a person, the least sure reasons first."""
    table, names = tables.predictions, tables.names

    def in_words(text: str) -> str:
        return listing(names[name] for name in text.split(";") if name) or "none"

    given = table["pred"].str.split(";")
    reasons = table["reason"].str.split(";").explode()
    first = table.assign(sure=table["reason"].eq("low_confidence"))
    review = first[first["review"]].sort_values(["sure", "corpus", "record"], kind="stable").head(MAX_ROWS)
    labelled = [f"label_{name}" for name in names if f"label_{name}" in table]

    def row_of(row: Any) -> dict[str, str]:
        best = [(float(row[f"p_{name}"]), name) for name in names if f"p_{name}" in row and row[f"p_{name}"] >= 0]
        known = [name.removeprefix("label_") for name in labelled if row[name] == 1]
        given_to = row["pred"].split(";")
        return {
            "record": f"{row['corpus']}/{row['record']}",
            "given": in_words(row["pred"]),
            "known": listing(names[name] for name in known)
            or ("none of these" if any(row[name] >= 0 for name in labelled) else "not known"),
            "others": in_words(";".join(name for name in row["conformal_set"].split(";") if name not in given_to)),
            "likeliest": "; ".join(f"{names[name]} {score(p)}" for p, name in sorted(best, reverse=True)[:3]),
            "reason": listing(REASON_WORDS.get(part, part.replace("_", " ")) for part in row["reason"].split(";")),
        }

    accepted = table[~table["review"]].sort_values(["corpus", "record"], kind="stable").head(MAX_ROWS)
    return {
        "n": plural(len(table), "record"),
        "review_of_all": f"{count(table['review'].sum())} of {plural(len(table), 'record')}",
        "n_review": plural(int(table["review"].sum()), "record"),
        "review_share": percent(float(table["review"].mean())) if len(table) else percent(math.nan),
        "rows": [
            {
                "name": name,
                "given": count(sum(id in found for found in given)),
                "accepted": count(sum(id in found for found in given[~table["review"]])),
            }
            for id, name in names.items()
        ],
        "reasons": [
            {"reason": REASON_WORDS.get(reason, str(reason).replace("_", " ")), "n": count(n)}
            for reason, n in reasons[reasons != ""].value_counts().items()
        ],
        "review": [row_of(row) for row in review.head(OPEN_ROWS).to_dict("records")],
        "review_more": [row_of(row) for row in review.iloc[OPEN_ROWS:].to_dict("records")],
        "accepted": [row_of(row) for row in accepted.to_dict("records")],
        "n_hidden": max(0, int(table["review"].sum()) - len(review)),
        "n_accepted_hidden": max(0, int((~table["review"]).sum()) - len(accepted)),
    }


def case_section(tables: DiagnosisTables) -> list[dict[str, Any]]:
    """Return the explained diagnoses, one after another."""
    if tables.facts is None:
        return []
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in tables.facts.to_dict("records"):
        leads = [lead.rsplit(":", 1) for lead in str(row["top_leads"]).split(";") if lead]
        groups.setdefault(row["name"], []).append(
            {
                "id": row["case"],
                "image": tables.cases.get(row["case"]),
                "record": f"{row['corpus']}/{row['record']}",
                "outcome": row["outcome"],
                "probability": score(row["probability"]),
                "leads": listing(f"{lead} {percent(float(share))}" for lead, share in leads),
                "rhythm": percent(row["rhythm_share"]) if math.isfinite(row["rhythm_share"]) else "",
            }
        )
    return [{"name": name, "cases": cases} for name, cases in groups.items()]


def unused_section(status: pd.DataFrame) -> list[dict[str, str]]:
    """Return the records that were left out, by reason."""
    unused = status[~status["used"].astype(bool)]
    return [
        {"reason": str(reason), "meaning": REASONS.get(str(reason), ""), "n": count(n)}
        for reason, n in unused["reason"].value_counts().items()
    ]
