"""What the report says of labels that reviewers gave: how many, where, and how often they are the predicted class."""

from __future__ import annotations

from typing import Any

from beatlens.evaluate.predictions.outcomes import NONE
from beatlens.report.inputs import ReportInputs
from beatlens.report.numbers import count
from beatlens.report.sections.scores import Scores
from beatlens.shards.shard import REVIEWED


def reviewed_section(inputs: ReportInputs) -> dict[str, Any] | None:
    """Return a row a split that has labels of reviewers, None where there is none."""
    metrics, confusion = inputs.metrics, inputs.confusion
    if metrics is None or confusion is None:
        return None
    scope = f"{REVIEWED}: all"
    of_reviewers = confusion[confusion["scope"] == scope]
    if not len(of_reviewers):
        return None
    rows = []
    for split, part in of_reviewers.groupby("split", sort=False):
        by_label = part.groupby("truth")["n"].sum()
        rows.append(
            {
                "split": split,
                "n": count(int(by_label.sum())),
                "classes": [count(int(by_label.get(name, 0))) for name in inputs.classes],
                "none": count(int(by_label.get(NONE, 0))),
                "agreement": Scores(metrics, str(split)).text("accuracy", scope=scope),
            }
        )
    return {"n": count(int(of_reviewers["n"].sum())), "classes": list(inputs.classes), "rows": rows}
