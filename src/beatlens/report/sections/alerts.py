"""The report's sections on new-pattern alerts, conformal sets and the prototype bank."""

from __future__ import annotations

from collections import Counter
from typing import Any

from beatlens.figures.classification import headline_split
from beatlens.report.inputs import ReportInputs
from beatlens.report.numbers import count, interval, listing, percent, plural, score

CRITERIA = {
    "min_beats": "too few beats",
    "min_patients": "too few patients",
    "min_review_share": "mostly accepted beats",
    "min_cohesion": "waves that differ between patients",
    "min_stability": "no counterpart in resamples",
}
SHORT_BY = 0.02
"""Coverage that is lower than asked for by more than this is called short."""


def alert_section(inputs: ReportInputs) -> dict[str, Any] | None:
    """Return the alerts, and how many clusters lack what to be one; None for a run without the stage."""
    alerts, clusters = inputs.alerts, inputs.clusters
    if alerts is None or clusters is None:
        return None
    rows = [
        {
            "alert": row.alert,
            "n_beats": count(row.n_beats),
            "n_patients": count(row.n_patients),
            "cohesion": score(row.cohesion),
            "stability": score(row.stability),
            "distance": score(row.distance),
            "rr": score(row.mean_rr_before_s),
            "pred_mix": row.pred_mix.replace(";", " "),
            "label_mix": row.label_mix.replace(";", " "),
            "beat_id": row.beat_id,
            "seen": row.seen_in.replace(";", ", ") or "no",
        }
        for row in alerts.itertuples(index=False)
    ]
    lacks = Counter(name for text in clusters["failed"] for name in text.split(";") if name)
    return {
        "alerts": rows,
        "n_alerts": plural(len(rows), "new pattern"),
        "n_clusters": plural(len(clusters), "cluster"),
        "lacking": listing(f"{lacks[name]} had {CRITERIA[name]}" for name in CRITERIA if lacks[name]),
    }


def conformal_section(inputs: ReportInputs) -> dict[str, Any] | None:
    """Return coverage and size of the conformal sets of the headline split, None without scores of them."""
    metrics = inputs.metrics
    if metrics is None or "conformal" not in inputs.bundle:
        return None
    part = metrics[(metrics["split"] == headline_split(metrics)) & (metrics["scope"] == "all")]
    rows = {(row[0], row[1]): row[2:] for row in part[["class", "metric", "value", "lo", "hi"]].itertuples(index=False)}
    covered = {
        name: rows[name, "conformal_coverage"] for name in inputs.classes if (name, "conformal_coverage") in rows
    }
    covered = {name: row for name, row in covered.items() if row[0] == row[0]}
    if not covered:
        return None
    wanted = 1 - float(inputs.bundle["conformal"]["alpha"])
    return {
        "level": percent(wanted),
        "coverage": listing(f"{name} {interval(*row)}" for name, row in covered.items()),
        "size": score(float(rows["all", "conformal_set_size"][0])),
        "single": percent(float(rows["all", "conformal_single"][0])),
        "short": listing(name for name, row in covered.items() if row[0] < wanted - SHORT_BY),
    }


SUSPICIONS = {
    "small": "of few beats",
    "impure": "nearest to beats of other classes",
    "noisy": "nearest to noise",
    "lonely": "nearest to no beat of another patient",
}


def prototype_section(inputs: ReportInputs) -> dict[str, Any] | None:
    """Return the bank by class and how many prototypes are suspicious, why; None for a run with a given bundle."""
    table, suspects = inputs.prototypes, inputs.suspects
    if table is None or suspects is None:
        return None
    names = table.rename(columns={"class": "name"}).itertuples(index=False)
    rows = [
        {
            "name": row.name,
            "prototypes": count(row.prototypes),
            "patients": count(row.patients),
            "beats": count(row.beats),
            "median": score(row.median_purity),
            "least": score(row.least_purity),
            "noise": percent(row.noise_ratio),
            "suspicious": count(row.suspicious),
        }
        for row in names
    ]
    found = Counter(name for text in suspects["suspicious"] for name in text.split(";") if name)
    return {"rows": rows, "suspects": listing(f"{found[n]} {text}" for n, text in SUSPICIONS.items() if found[n])}
