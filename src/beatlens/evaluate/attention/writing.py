"""Reports of attention as JSON and as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from beatlens.evaluate.attention.case_report import CaseReport, MemberDirection
from beatlens.evaluate.attention.summary import AttentionSummary, ClassSummary


def as_json(value: Any) -> Any:
    """Return a report as JSON: attributes by name, arrays as lists, None for NaN. Weights have files of their own."""
    if is_dataclass(value):
        left_out = {"weights"} if isinstance(value, MemberDirection) else set()
        return {
            entry.name: as_json(getattr(value, entry.name)) for entry in fields(value) if entry.name not in left_out
        }
    if isinstance(value, Mapping):
        return {str(key): as_json(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if hasattr(value, "_asdict"):
        return as_json(value._asdict())
    if isinstance(value, (list, tuple)):
        return [as_json(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def case_text(report: CaseReport) -> str:
    """Return the report of a case as lines of text."""
    case = report.case
    direction, head = report.strongest
    lines = [
        f"{case.case}: {case.beat_id}, class {case.case_class}, probability {report.probability:.3f}, "
        f"{case.outcome}{f', label {case.label}' if case.label else ''}",
        f"strongest head: {direction.direction}, member {direction.member + 1}, head {head + 1}; without it the "
        f"probability changes by {-direction.importance[head]:+.4f}",
    ]
    lines += [
        f"member {member + 1}: waveform->spectrogram {found[-1].words('the transpose of spectrogram->waveform')}"
        for member, found in enumerate(report.alignment)
    ]
    for kind, agreements in report.evidence.items():
        lines += [f"{kind} {agreement.words(name)}" for name, agreement in agreements.items()]
        if not agreements:
            lines.append(f"{kind}: no perturbation evidence to hold it against")
    for one in report.directions:
        statistics = one.statistics
        lines.append(f"{one.direction}, member {one.member + 1}:")
        lines += [
            f"  head {k + 1}: entropy {statistics.entropy[k]:.3f}, {statistics.effective_keys[k]:.1f} effective keys, "
            f"Gini {statistics.gini[k]:.3f}, largest weight {statistics.maximum[k]:.3f} "
            f"({statistics.largest_ratio[k]:.1f} x uniform), {100 * statistics.above_uniform[k]:.0f} % of keys above "
            f"uniform, without it {-one.importance[k]:+.4f}"
            for k in range(len(one.importance))
        ]
        lines += _redundancy_line(one)
        lines += [
            f"  {pair.query} <-> {pair.key}: {pair.weight:.3f} ({pair.ratio:.1f} x uniform, head {pair.head + 1})"
            for pair in one.pairs
        ]
    return "\n".join(lines) + "\n"


def _redundancy_line(one: MemberDirection) -> list[str]:
    """Say how alike the heads of a direction are, nothing for a single head."""
    apart = one.redundancy
    if len(apart) < 2:
        return []
    rows, columns = np.triu_indices(len(apart), 1)
    of_pairs = apart[rows, columns]
    closest = int(of_pairs.argmin())
    return [
        f"  heads apart (Jensen-Shannon, bits): mean {of_pairs.mean():.3f}, least {of_pairs[closest]:.3f} (heads "
        f"{rows[closest] + 1} and {columns[closest] + 1})"
    ]


def summary_text(summary: AttentionSummary, n_heads: int = 10) -> str:
    """Return a summary as lines of text, with so many of the strongest heads."""
    lines = [f"{summary.n_cases} cases of {summary.n_patients} patients", "", "Agreement"]
    lines += [f"  {one.words()}" for one in (summary.directions, *summary.evidence)]
    lines += ["", "Heads, those that change the probability most first"]
    lines += [
        f"  {one.direction}, member {one.member + 1}, head {one.head + 1}: mean change without it "
        f"{-one.importance.value:+.4f} (size {one.magnitude:.4f}), entropy {one.entropy:.3f}, "
        f"{one.effective_keys:.1f} effective keys, agreement of directions {one.alignment:.2f}"
        for one in summary.heads[:n_heads]
    ]
    for of_class in summary.classes:
        lines += ["", *class_lines(of_class, summary.parts)]
    if summary.absent:
        lines += ["", "Not told", *(f"  {text}" for text in summary.absent)]
    return "\n".join(lines) + "\n"


def class_lines(one: ClassSummary, parts: tuple[str, ...]) -> list[str]:
    """Return what is said of a class."""
    lines = [f"Class {one.name}: {one.n_cases} cases of {one.n_patients} patients"]
    for stream, profile in one.profile.items():
        shares = ", ".join(
            f"{part} {100 * value:.0f} ({100 * even:.0f})"
            for part, value, even in zip(parts, profile, one.uniform[stream], strict=True)
        )
        lines.append(f"  attention to {stream} tokens, % (if all had as much): {shares}")
    for what, found in one.comparisons.items():
        numbers = f"right {found.correct:.3f}, wrong {found.wrong:.3f}, effect {found.effect:.2f}, p = {found.p:.3f}"
        lines.append(f"  {what}: {found.absent or numbers}")
    return lines
