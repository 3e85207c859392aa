"""The report's sections as plain values: what stands in each table and sentence. The template only lays them out."""

from __future__ import annotations

import math
from typing import Any

from beatlens.core.record import REASONS
from beatlens.figures.scores import ABSOLUTE, METRICS_WITHOUT_VERDICT, ONLY_IN_TABLES, metric_words, score_rows
from beatlens.report.inputs import ReportInputs
from beatlens.report.numbers import count, duration, interval, listing, percent, plural, score
from beatlens.shards.record_table import NOT_A_RECORD

SPLIT_MEANING = {
    "train": "the network and the prototypes learn from these",
    "select": "scored after each epoch of the training, for its history alone",
    "calibrate": "probabilities and review thresholds are fitted on these",
    "test": "scores come from these alone",
    "paced": "paced rhythms, kept apart",
    "none": "no labels, or not to be scored",
}
DEALT = ("train", "select", "calibrate", "test")
"""Splits that share no patient."""
MAX_ROWS = 60


def corpus_section(inputs: ReportInputs) -> dict[str, Any]:
    """Count records, patients and beats by split, and list what was not used."""
    records, status = inputs.records, inputs.status
    classes = [name for name in inputs.classes if f"n_{name}" in records]
    if not any(records[f"n_{name}"].sum() for name in classes):
        classes = []  # nothing is annotated
    splits = []
    for split in SPLIT_MEANING:
        part = records[records["split"] == split]
        if len(part):
            splits.append(
                {
                    "split": split,
                    "meaning": SPLIT_MEANING[split],
                    "patients": count(len(part[["corpus", "patient"]].drop_duplicates())),
                    "records": count(len(part)),
                    "duration": duration(float(part["duration_s"].sum())),
                    "beats": count(float(part["n_beats"].sum())),
                    "classes": [count(float(part[f"n_{name}"].sum())) for name in classes],
                }
            )
    unused = status[~status["used"].astype(bool)]
    is_record = status["reason"] != NOT_A_RECORD
    tally = unused["reason"].value_counts()
    return {
        "corpora": listing(sorted(set(status["corpus"]))),
        "n_records": count(int(is_record.sum())),
        "n_used": count(int(status["used"].astype(bool).sum())),
        "n_unused": len(unused),
        "classes": classes,
        "splits": splits,
        "reasons": [
            {"reason": reason, "meaning": REASONS.get(reason, ""), "n": count(n)} for reason, n in tally.items()
        ],
        "unused": unused.head(MAX_ROWS)[["corpus", "record", "reason", "detail"]].to_dict("records"),
        "n_hidden": max(0, len(unused) - MAX_ROWS),
        "dealt": sum(row["split"] in DEALT for row in splits) > 1,
        "unseen": any(row["split"] == "select" for row in splits),
    }


def prediction_section(inputs: ReportInputs) -> list[dict[str, Any]]:
    """Count predicted classes and reviews by split, for records with labels and without."""
    table = inputs.record_predictions
    if table is None or not len(table):
        return []
    rows = []
    for split in SPLIT_MEANING:
        part = table[table["split"] == split]
        if len(part):
            beats, review = float(part["n_beats"].sum()), float(part["n_review"].sum())
            rows.append(
                {
                    "split": split,
                    "beats": count(beats),
                    "review": percent(review / beats) if beats else percent(math.nan),
                    "classes": [
                        count(float(part[f"n_{name}"].sum())) if f"n_{name}" in part else count(math.nan)
                        for name in inputs.classes
                    ],
                }
            )
    return rows


def summary(
    inputs: ReportInputs, scored: dict[str, Any] | None, explained: dict[str, Any] | None
) -> list[dict[str, str]]:
    """Return the few numbers at the top of the page, each with what it is to be compared with."""
    status = inputs.status[inputs.status["reason"] != NOT_A_RECORD]
    used = int(status["used"].astype(bool).sum())
    tiles = [
        {
            "value": f"{count(used)} of {count(len(status))}",
            "label": "records used",
            "note": "the others are listed below" if used < len(status) else "none was refused",
        }
    ]
    if scored is not None:
        tiles += [
            {
                "value": scored["macro_value"],
                "label": f"macro F1 {scored['macro_range']}, {plural(scored['n_patients'], 'patient')}",
                "note": f"constant guess: {scored['baseline']}",
            },
            {
                "value": scored["accepted_error"],
                "label": f"error among the {scored['coverage']} of detected beats accepted",
                "note": f"all detected beats: {scored['detected_error']}; not detected: {scored['missed']}",
            },
        ]
    if inputs.facts is not None:
        tiles.append({"value": count(len(inputs.facts)), "label": "predictions explained", "note": ""})
    if explained is not None and explained["judged"]:
        judged = explained["judged"]
        won = sum(row["beats_all"] for row in judged)
        rest = "" if won == len(judged) else "; the others are named below"
        note = f"over {plural(explained['n_cases'], 'case')}{rest}"
        tiles.append(
            {
                "value": f"{won} of {len(judged)}",
                "label": "scores of the explanations clearly above every null",
                "note": note,
            }
        )
    return tiles


def explanation_section(inputs: ReportInputs) -> dict[str, Any] | None:
    """Return the scores of explanations over all cases, each with its strongest null, or None without any."""
    metrics = inputs.explanation_metrics
    if metrics is None or not len(metrics):
        return None
    rows = [
        {
            "metric": row.name,
            "question": metric_words(row.metric)[1],
            "method": row.method,
            "value": interval(row.value, row.lo, row.hi),
            "null": row.nulls[0].words + (f" ({row.nulls[0].n} cases)" if row.nulls[0].n < row.n else ""),
            "null_value": score(row.nulls[0].value),
            "gain": interval(row.nulls[0].gain, row.nulls[0].gain_lo, row.nulls[0].gain_hi),
            "n": count(row.n),
            "judged": row.metric not in METRICS_WITHOUT_VERDICT,
            "headline": row.metric not in ONLY_IN_TABLES and not row.truth.startswith("regions"),
            "beats_all": row.beats_all,
            "above_all": row.above_all,
            "doubt": row.doubt,
            "left_out": row.left_out,
            "fused": row.method == "fused",
        }
        for row in score_rows(metrics)
        if math.isfinite(row.value) and row.metric not in ABSOLUTE
    ]
    judged = [row for row in rows if row["judged"] and row["headline"]]  # the others stand in the table alone
    shown = [row for row in judged if row["fused"]] or judged
    return {
        "groups": [
            [row for row in rows if row["metric"] == name] for name in dict.fromkeys(row["metric"] for row in rows)
        ],
        "judged": shown,
        "n_cases": int((metrics[metrics["scope"] == "case"]["case"]).nunique()),
        "failing": [row for row in shown if not row["beats_all"]],
        "left_out": [row for row in shown if row["left_out"]],
        "by_class": _by_class(inputs),
    }


def _by_class(inputs: ReportInputs) -> list[dict[str, Any]]:
    """Return the fused explanation's localisation and rhythm share, class by class."""
    metrics = inputs.explanation_metrics
    result: list[dict[str, Any]] = []
    if metrics is None:
        return result
    for name in inputs.classes:
        rows = {
            row.metric: row
            for row in score_rows(metrics, "class", name)
            if row.method == "fused" and row.truth in {"planted", "model", ""}
        }
        cells = {}
        for metric in ("auprc", "pointing_game", "deletion", "rhythm_share"):
            row = rows.get(metric)
            cells[metric] = score(math.nan) if row is None else interval(row.value, row.lo, row.hi)
        target = next(
            (null for null in (rows["auprc"].nulls if "auprc" in rows else ()) if null.name == "target_beat"), None
        )
        cells["auprc_null"] = score(math.nan) if target is None else score(target.value)
        if rows:
            n = count(max(row.n for row in rows.values()))
            result.append({"name": name, "n": n, "located": "auprc" in rows, **cells})
    return result
