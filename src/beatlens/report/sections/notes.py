"""What is to be known of single records: time in which beats can't be told, runs and pauses, remarks."""

from __future__ import annotations

from typing import Any

from beatlens.core.remarks import REMARKS
from beatlens.prediction.episodes import in_words
from beatlens.report.inputs import ReportInputs
from beatlens.report.numbers import count, duration, plural
from beatlens.shards.stretches import KINDS

MAX_ROWS = 20
FAST_PER_MIN = 100
"""Rate from which on a run is a tachycardia."""


def notes_section(inputs: ReportInputs) -> dict[str, Any] | None:
    """Return rows of three tables, the longest first, or None where there is nothing to note."""
    noted = {"stretches": _stretches(inputs), "episodes": _episodes(inputs), "remarks": _remarks(inputs)}
    return noted if any(part is not None for part in noted.values()) else None


def _stretches(inputs: ReportInputs) -> dict[str, Any] | None:
    table = inputs.record_predictions
    if table is None or "stretches" not in table:
        return None
    noted = table[table["stretches"] != ""]
    if not len(noted):
        return None
    seconds = noted[[f"{kind}_s" for kind in KINDS]].sum(axis=1)
    longest = noted.loc[seconds.sort_values(ascending=False, kind="stable").index].head(MAX_ROWS)
    return {
        "n": plural(len(noted), "record"),
        "n_hidden": len(noted) - len(longest),
        "total": duration(float(seconds.sum())),
        "rows": [{"record": f"{row.corpus}/{row.record}", "words": row.stretches} for row in longest.itertuples()],
    }


def _episodes(inputs: ReportInputs) -> dict[str, Any] | None:
    table = inputs.episodes
    if table is None or not len(table):
        return None
    # Fast runs first, the longest of them; those that are only possible after those that are sure.
    shown = []
    for kind in ("run", "pause", "possible_run", "possible_pause"):
        of_kind = table[table["kind"] == kind]
        keys = {
            "fast": of_kind["rate_per_min"] >= FAST_PER_MIN,
            "n": of_kind["n_beats"],
            "length": of_kind["end_s"] - of_kind["start_s"],
        }
        order = of_kind.assign(**keys).sort_values(list(keys), ascending=False, kind="stable").index
        shown.append(of_kind.loc[order].head(MAX_ROWS // 2))
    rows = [
        {
            "record": f"{row['corpus']}/{row['record']}",
            "words": in_words(
                row["kind"],
                row["class"],
                **{name: row[name] for name in ("start_s", "end_s", "n_beats", "n_review")},
                rate=row["rate_per_min"],
            ),
        }
        for part in shown
        for row in part.to_dict("records")
    ]
    counts = table["kind"].value_counts()
    kinds = [kind for kind in ("run", "pause", "possible_run", "possible_pause") if kind in counts]
    return {
        "summary": ", ".join(plural(int(counts[kind]), kind.replace("_", " ")) for kind in kinds),
        "n_hidden": len(table) - len(rows),
        "rows": rows,
    }


def _remarks(inputs: ReportInputs) -> dict[str, Any] | None:
    table = inputs.remarks
    if table is None or not len(table):
        return None
    tally = table["remark"].value_counts()
    return {
        "codes": [{"remark": name, "meaning": REMARKS.get(name, ""), "n": count(n)} for name, n in tally.items()],
        "rows": table.head(MAX_ROWS)[["corpus", "record", "remark", "detail"]].to_dict("records"),
        "n_hidden": max(0, len(table) - MAX_ROWS),
    }
