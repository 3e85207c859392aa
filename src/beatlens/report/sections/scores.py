"""What the report says of the classifier's scores, of leaks behind them and of the limits of review."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beatlens.evaluate.predictions.outcomes import MISSED
from beatlens.figures.classification import headline_split
from beatlens.report.inputs import ReportInputs
from beatlens.report.numbers import count, interval, limit, listing, percent, score

if TYPE_CHECKING:
    import pandas as pd


def leak_section(inputs: ReportInputs) -> dict[str, Any] | None:
    """Return what the checks for leaks found, or None where there were none to make."""
    table = inputs.leaks
    if table is None or not len(table):
        return None
    found = table[table["verdict"] == "leak"]
    return {
        "rows": table.to_dict("records"),
        "found": listing(found["check"]),
        "n_passed": count(int((table["verdict"] == "passed").sum())),
        "n": count(len(table)),
    }


def presence_section(inputs: ReportInputs, split: str) -> dict[str, Any] | None:
    """Return how well strips and records of a split are told from those without a class, None where none is scored."""
    table = inputs.presence
    if table is None or not (table["split"] == split).any():
        return None
    scores = Scores(table.rename(columns={"level": "scope"}), split)
    metrics = ("sensitivity", "specificity", "precision", "f1", "auroc")
    weak = scores.value("weak_labels", scope="record")
    return {
        "weak": percent(weak) if weak > 0 else "",
        "rows": [
            {
                "level": level,
                "name": name,
                "n": count(scores.size("sensitivity", name, level)),
                "baseline": score(scores.value("baseline_f1", name, level)),
                **{metric: scores.text(metric, name, level) for metric in metrics},
            }
            for level in scores.scopes
            for name in inputs.classes
        ],
    }


class Scores:
    """Look-up of one split's scores by scope, class and metric."""

    def __init__(self, metrics: pd.DataFrame, split: str) -> None:
        part = metrics[metrics["split"] == split]
        keys = zip(part["scope"], part["class"], part["metric"], strict=True)
        self._rows = dict(zip(keys, part[["value", "lo", "hi", "n"]].itertuples(index=False), strict=True))
        self.scopes: list[str] = list(dict.fromkeys(part["scope"]))

    def value(self, metric: str, name: str = "all", scope: str = "all") -> float:
        """Return a value, NaN where there is none."""
        row = self._rows.get((scope, name, metric))
        return math.nan if row is None else float(row.value)

    def low(self, metric: str, name: str = "all", scope: str = "all") -> float:
        """Return the lower end of an interval, NaN where there is none."""
        row = self._rows.get((scope, name, metric))
        return math.nan if row is None else float(row.lo)

    def size(self, metric: str, name: str = "all", scope: str = "all") -> float:
        """Return how many a value rests on, NaN where there is none."""
        row = self._rows.get((scope, name, metric))
        return math.nan if row is None else float(row.n)

    def text(self, metric: str, name: str = "all", scope: str = "all") -> str:
        """Return a value with its interval as text."""
        row = self._rows.get((scope, name, metric))
        return score(math.nan) if row is None else interval(row.value, row.lo, row.hi)


@dataclass(frozen=True)
class Detected:
    """What became of the beats of a split whose truth is a class; `wrong` of those `found` are called another class.

    This is the one meaning of "error" in the report and in its figure of risk against coverage: a beat that was missed
    has no prediction, so no review can catch it, and it is counted apart.
    """

    found: int
    wrong: int
    missed: int

    @classmethod
    def of(cls, confusion: pd.DataFrame, split: str, scope: str, classes: Sequence[str]) -> Detected:
        """Count a scope of the table of confusions."""
        part = confusion[(confusion["split"] == split) & (confusion["scope"] == scope)]
        part = part[part["truth"].isin(list(classes))]
        missed = part["pred"] == MISSED
        wrong = part.loc[~missed & (part["truth"] != part["pred"]), "n"].sum()
        return cls(int(part.loc[~missed, "n"].sum()), int(wrong), int(part.loc[missed, "n"].sum()))

    @property
    def error(self) -> float:
        """Share of detected beats that are called another class, NaN where none is detected."""
        return self.wrong / self.found if self.found else math.nan

    @property
    def missed_share(self) -> float:
        """Share of beats that are there and were not detected."""
        return self.missed / (self.found + self.missed) if self.found + self.missed else math.nan


SCOPE_WORDS = {
    "all": "all detected beats, missed beats counted as errors",
    "accepted": "beats that did not go to review",
    "annotated: all": "beats at annotated R peaks, as if the detector were perfect",
    "annotated: accepted": "those of them that did not go to review",
    "reviewed: all": "beats whose label a reviewer gave, who saw the prediction: no measure of the model alone",
    "reviewed: accepted": "those of them that did not go to review",
}


def classification_section(inputs: ReportInputs) -> dict[str, Any] | None:
    """Return scores of the headline split, or None where nothing is scored."""
    metrics, confusion = inputs.metrics, inputs.confusion
    if metrics is None or confusion is None or not (split := headline_split(metrics)):
        return None
    scores = Scores(metrics, split)
    detected, accepted = (Detected.of(confusion, split, scope, inputs.classes) for scope in ("all", "accepted"))
    patients = [scope.removeprefix("patient:") for scope in scores.scopes if scope.startswith("patient:")]
    macro, baseline = scores.value("macro_f1"), scores.value("baseline_macro_f1")
    low = scores.low("macro_f1")
    sure = math.isfinite(low) and low > baseline
    classes = [
        {
            "name": name,
            "support": count(scores.value("support", name)),
            **{
                metric: scores.text(metric, name)
                for metric in ("precision", "recall", "f1", "auroc", "accepted_wrong", "accepted_wrong_at_90_coverage")
            },
        }
        for name in inputs.classes
    ]
    scopes = [scope for scope in scores.scopes if not scope.startswith("patient:")]
    weakest = [name for name in inputs.classes if scores.value("f1", name) < 0.5]
    return {
        "split": split,
        "n_patients": len(patients),
        "classes": classes,
        "weakest": listing(weakest),
        "macro": scores.text("macro_f1"),
        "macro_value": score(macro),
        "macro_range": scores.text("macro_f1").partition(" ")[2],
        "baseline": score(baseline),
        "verdict": "clearly better than" if sure else "better than" if macro > baseline else "no better than",
        "sure": sure,
        "doubt": ""
        if sure
        else "the interval does not exclude that guess"
        if math.isfinite(low)
        else "one patient gives no interval that could exclude that guess",
        "accuracy": scores.text("accuracy"),
        "baseline_accuracy": score(scores.value("baseline_accuracy")),
        "scopes": [
            {
                "name": scope,
                "meaning": SCOPE_WORDS.get(scope, "without these records" if "without" in scope else ""),
                "accuracy": scores.text("accuracy", scope=scope),
                "macro": scores.text("macro_f1", scope=scope),
                "baseline_accuracy": score(scores.value("baseline_accuracy", scope=scope)),
                "baseline": score(scores.value("baseline_macro_f1", scope=scope)),
            }
            for scope in scopes
        ],
        "review": percent(scores.value("review_rate")),
        "coverage": percent(scores.value("coverage")),
        "accepted_error": percent(accepted.error),
        "detected_error": percent(detected.error),
        "missed": percent(detected.missed_share),
        "n_missed": count(detected.missed),
        "ece": scores.text("ece"),
        "aurc": scores.text("aurc"),
        "error_90": percent(scores.value("error_at_90_coverage")),
    }


def review_limits(inputs: ReportInputs) -> dict[str, str]:
    """Return the limits beyond which a beat goes to review, and what they reach on the beats they were fitted on.

    The limit of the confidence is "" where there is none; ``reached`` is "" for a bundle that doesn't say.
    """
    limits = inputs.bundle["thresholds"]
    near = ", ".join(f"{name} {limit(value)}" for name, value in zip(inputs.classes, limits["distance"], strict=True))
    confidence = limits["confidence"]
    fitted = inputs.bundle["provenance"].get("calibration", {})
    wrong = zip(inputs.classes, fitted.get("accepted_wrong", []), strict=False)
    return {
        "confidence": limit(confidence) if confidence else "",
        "noise": limit(limits["noise"]),
        "distance": near,
        "reached": listing(f"{percent(value)} of {name}" for name, value in wrong if value is not None),
    }
