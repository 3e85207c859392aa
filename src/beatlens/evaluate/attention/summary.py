"""Attention over the cases of a run: what heads are worth, what agrees, and right against wrong predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beatlens.core.bootstrap import Interval, patient_mean
from beatlens.core.seeds import derive_seed
from beatlens.evaluate.attention.agreement_summary import AgreementSummary, summarise_agreement
from beatlens.evaluate.attention.alignment import Agreement
from beatlens.evaluate.attention.case_report import PARTS, CaseReport
from beatlens.evaluate.attention.outcomes import OutcomeComparison, compare_outcomes
from beatlens.evaluate.settings import EvaluateSettings
from beatlens.explain.attention.weights import STREAMS
from beatlens.explain.methods.attention import KINDS

Array = npt.NDArray[np.float64]

OUTCOME_DRAWS = 999
"""Permutations of patients between right and wrong predictions."""


@dataclass(frozen=True)
class HeadSummary:
    """One head over all cases.

    Attributes
    ----------
    direction, member, head
        Which.
    importance
        Mean change of the class's probability without it, with its interval over patients, -1 to 1.
    magnitude
        Mean size of that change whatever its sign, 0 to 1.
    entropy
        Mean entropy over that of uniform attention, 0 to 1.
    effective_keys
        Mean effective number of keys.
    alignment
        Mean rank correlation with the head of the same number in the other direction, -1 to 1.
    """

    direction: str
    member: int
    head: int
    importance: Interval
    magnitude: float
    entropy: float
    effective_keys: float
    alignment: float


@dataclass(frozen=True)
class ClassSummary:
    """Attention in cases of one class.

    Attributes
    ----------
    name
        The class.
    n_cases, n_patients
        Cases and patients.
    profile, uniform
        Stream -> mean share of the attention on each of `PARTS`, and the same if all keys had as much.
    comparisons
        Statistic -> right against wrong predictions.
    """

    name: str
    n_cases: int
    n_patients: int
    profile: dict[str, Array]
    uniform: dict[str, Array]
    comparisons: dict[str, OutcomeComparison]


@dataclass(frozen=True)
class AttentionSummary:
    """Attention over the cases of a run.

    Attributes
    ----------
    n_cases, n_patients
        Cases and patients.
    parts
        Names of the places of profiles.
    heads
        All heads, those that are worth most first.
    directions
        Agreement of the two directions.
    evidence
        Agreement of each attention method with each perturbation method.
    classes
        By class, in order; a class without a case has none of its own here and is named in `absent`.
    absent
        What couldn't be told, in words.
    """

    n_cases: int
    n_patients: int
    parts: tuple[str, ...]
    heads: tuple[HeadSummary, ...]
    directions: AgreementSummary
    evidence: tuple[AgreementSummary, ...]
    classes: tuple[ClassSummary, ...]
    absent: tuple[str, ...]


def summarise(
    reports: Sequence[CaseReport], classes: Sequence[str], settings: EvaluateSettings, seed: int
) -> AttentionSummary:
    """Summarise the cases of a run; intervals are over patients.

    Parameters
    ----------
    reports
        Of all cases, one or more.
    classes
        Class ids in order.
    settings
        Section ``evaluate``.
    seed
        Of bootstraps and permutations.
    """
    if not reports:
        raise ValueError("attention of no case; expected one or more")
    patients = [report.patient for report in reports]

    def mean(values: Sequence[float], of: Sequence[str], *key: object) -> Interval:
        seed_of_part = derive_seed(seed, "attention", *(str(part) for part in key))
        return patient_mean(values, of, draws=settings.bootstrap, level=settings.level, seed=seed_of_part)

    def agreement(what: str, found: Sequence[Agreement]) -> AgreementSummary:
        return summarise_agreement(what, found, patients, settings, derive_seed(seed, "attention", what))

    heads = []
    for place, first in enumerate(reports[0].directions):
        for head in range(len(first.importance)):
            found = [report.directions[place] for report in reports]
            worth = [float(one.importance[head]) for one in found]
            aligned = [report.alignment[first.member] for report in reports]
            heads.append(
                HeadSummary(
                    first.direction,
                    first.member,
                    head,
                    mean(worth, patients, first.direction, first.member, head),
                    float(np.mean(np.abs(worth))),
                    float(np.mean([one.statistics.entropy[head] for one in found])),
                    float(np.mean([one.statistics.effective_keys[head] for one in found])),
                    float(np.nanmean([one[head].value for one in aligned])),
                )
            )
    absent = [f"{name}: never predicted among the cases" for name in classes if not _of(reports, name)]
    if len(reports[0].directions[0].importance) == 1:
        absent.append("redundancy of heads: a direction has one head, and no other to be like")
    if not any(report.evidence[kind] for report in reports for kind in KINDS):
        absent.append("agreement with perturbation evidence: no perturbation method was run (explain.methods)")
    return AttentionSummary(
        len(reports),
        len(set(patients)),
        PARTS,
        tuple(sorted(heads, key=lambda one: -one.magnitude)),
        agreement("the two directions, tokens of the target beat", [_directions(report) for report in reports]),
        tuple(
            agreement(f"{kind} and {name}", [report.evidence[kind][name] for report in reports])
            for kind in KINDS
            for name in sorted(reports[0].evidence[kind])
        ),
        tuple(_class_summary(name, of_class, seed) for name in classes if (of_class := _of(reports, name))),
        tuple(absent),
    )


def _of(reports: Sequence[CaseReport], name: str) -> list[CaseReport]:
    return [report for report in reports if report.case.case_class == name]


def _directions(report: CaseReport) -> Agreement:
    """Return the agreement of the means over heads, of the member that agrees most typically (median)."""
    means = sorted((one[-1] for one in report.alignment), key=lambda one: (np.isnan(one.value), one.value))
    return means[(len(means) - 1) // 2]


def _class_summary(name: str, reports: Sequence[CaseReport], seed: int) -> ClassSummary:
    known = [report for report in reports if report.correct is not None]
    statistics = {
        "agreement of the directions": [_directions(report).value for report in known],
        **{
            f"entropy, {direction}": [
                float(np.mean([one.statistics.entropy for one in report.directions if one.direction == direction]))
                for report in known
            ]
            for direction in dict.fromkeys(one.direction for one in reports[0].directions)
        },
        "importance of the strongest head": [
            float(max(one.importance.max() for one in report.directions)) for report in known
        ],
    }
    return ClassSummary(
        name,
        len(reports),
        len({report.patient for report in reports}),
        {stream: np.mean([report.profile[stream] for report in reports], axis=0) for stream in STREAMS},
        {stream: np.mean([report.uniform[stream] for report in reports], axis=0) for stream in STREAMS},
        {
            what: compare_outcomes(
                values,
                [bool(report.correct) for report in known],
                [report.patient for report in known],
                draws=OUTCOME_DRAWS,
                seed=derive_seed(seed, "attention outcomes", name, what),
            )
            for what, values in statistics.items()
        },
    )
