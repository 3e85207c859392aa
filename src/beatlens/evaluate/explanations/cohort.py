"""What a model uses for a class: mean attribution by wave and lead, of right and of wrong predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from beatlens.core.seeds import derive_seed
from beatlens.evaluate.explanations.faithfulness import cell_sums
from beatlens.explain.case.choice import Case
from beatlens.explain.case.instance import Instance
from beatlens.explain.players.waves import wave_players
from beatlens.explain.result.attribution import Attribution
from beatlens.shards.patients import patient_key

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]

PART, AGREEMENT = "part", "agreement"
COLUMNS = (
    "kind", "class", "method", "wave", "lead", "n_correct", "correct", "n_wrong", "wrong", "difference", "effect", "p",
    "p_holm",
)  # fmt: skip
"""``part``: mean signed share of the explanation's mass that a wave of the explained beat has in a lead. The shares of
the other beats and of the rhythm have no lead. ``agreement``: mean rank correlation of two methods over the cells of a
case; `wave` and `lead` are empty. ``difference`` is correct minus wrong. ``effect`` is the difference in pooled
standard deviations (Cohen's d), ``p`` comes from permuting right and wrong. Both use means of patients, since cases of
one patient aren't independent. ``p_holm`` is corrected for the parts of a class (Holm 1979).
"""

WAVES = ("P", "QRS", "ST", "T")
OTHER, RHYTHM = "other beats", "rhythm"
MIN_GROUP = 2
"""Patients that a comparison needs with cases of each kind."""

Part = tuple[str, str, str]
"""Method or pair of methods, wave, lead."""


@dataclass(frozen=True)
class CaseParts:
    """One case: ``corpus/patient``, class, whether ``correct``, ``wrong`` or something else, and its parts."""

    patient: str
    label: str
    outcome: str
    parts: Mapping[Part, float]
    agreement: Mapping[Part, float]


def case_parts(
    case: Case, attributions: Mapping[str, Attribution], instance: Instance, edges: npt.NDArray[np.int64]
) -> CaseParts:
    """Sum up one case of a beat target.

    Parameters
    ----------
    case
        Row of the case table.
    attributions
        Method -> attribution; parts are those of ``fused``, or of the only method.
    instance, edges
        As the case was explained with.
    """
    method = "fused" if "fused" in attributions else next(iter(attributions))
    attribution = attributions[method]
    waves = wave_players(instance, rhythm=False)
    lengths = np.diff(waves.edges)
    sums = cell_sums(attribution.values, lengths)
    number = int(instance.target_rows[0]) + 1
    rhythm = attribution.rhythm or 0.0
    mass = float(np.abs(attribution.values.astype(np.float64)).sum()) + abs(rhythm)
    mass += abs(attribution.unassigned)
    scale = 1 / mass if mass > 0 else 0.0
    names = np.array([waves.names[k] for k in waves.cell_player[0]])
    parts: dict[Part, float] = {(method, RHYTHM, ""): rhythm * scale}
    of_beat = np.zeros(len(names), dtype=bool)
    for wave in WAVES:
        chosen = names == f"{wave} {number}"
        of_beat |= chosen
        for row, lead in enumerate(instance.record.leads):
            parts[method, wave, lead] = float(sums[row, chosen].sum()) * scale
    parts[method, OTHER, ""] = float(sums[:, ~of_beat].sum()) * scale
    single = sorted(name for name in attributions if name != "fused")
    cells = {name: cell_sums(attributions[name].values, np.diff(edges)).ravel() for name in single}
    pairs = {(f"{a} and {b}", "", ""): _rank_correlation(cells[a], cells[b]) for a, b in combinations(single, 2)}
    return CaseParts(patient_key(case.corpus, case.patient), case.case_class, case.outcome, parts, pairs)


def _rank_correlation(one: Array, other: Array) -> float:
    """Return Spearman's correlation, NaN where either is constant."""
    from scipy.stats import rankdata

    a, b = (rankdata(values) - (len(values) + 1) / 2 for values in (one, other))
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0 else float("nan")


def cohort_table(cases: Sequence[CaseParts], classes: Sequence[str], draws: int, seed: int) -> pd.DataFrame:
    """Compare right and wrong predictions of each class, part by part.

    Parameters
    ----------
    cases
        Of beat targets; only the outcomes ``correct`` and ``wrong`` enter.
    classes
        Class ids, in order.
    draws
        Permutations.
    seed
        The run's seed.

    Returns
    -------
    Table of `COLUMNS`, parts of largest absolute mean among right predictions first; legal without a row. A mean of no
    case, and a comparison with cases of fewer than `MIN_GROUP` patients of either kind, are NaN.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for name in classes:
        of_class = [case for case in cases if case.label == name and case.outcome in {"correct", "wrong"}]
        for kind in (PART, AGREEMENT):
            found = [_row(kind, name, key=key, cases=of_class, draws=draws, seed=seed) for key in _keys(of_class, kind)]
            for row, p in zip(found, holm([row["p"] for row in found]), strict=True):
                row["p_holm"] = p
            rows += sorted(found, key=lambda row: -abs(np.nan_to_num(row["correct"])))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _values(case: CaseParts, kind: str) -> Mapping[Part, float]:
    return case.parts if kind == PART else case.agreement


def _keys(cases: Sequence[CaseParts], kind: str) -> list[Part]:
    return sorted({key for case in cases for key in _values(case, kind)})


def _row(kind: str, name: str, *, key: Part, cases: Sequence[CaseParts], draws: int, seed: int) -> dict[str, Any]:
    groups: tuple[dict[str, list[float]], dict[str, list[float]]] = {}, {}
    for case in cases:
        value = _values(case, kind).get(key, np.nan)
        if np.isfinite(value):
            groups[case.outcome != "correct"].setdefault(case.patient, []).append(value)
    sizes = [sum(map(len, group.values())) for group in groups]
    means = [float(np.mean(np.concatenate(list(group.values())))) if group else float("nan") for group in groups]
    right, wrong = (np.array([np.mean(of_patient) for of_patient in group.values()]) for group in groups)
    effect, p = compare(right, wrong, draws, derive_seed(seed, "cohort", kind, name, *key))
    return {
        "kind": kind,
        "class": name,
        **dict(zip(("method", "wave", "lead"), key, strict=True)),
        "n_correct": sizes[0],
        "correct": means[0],
        "n_wrong": sizes[1],
        "wrong": means[1],
        "difference": means[0] - means[1],
        "effect": effect,
        "p": p,
    }


def compare(one: Array, other: Array, draws: int, seed: int) -> tuple[float, float]:
    """Return Cohen's d of two groups and the two-sided p of a permutation test of their means.

    p = (1 + permutations with at least this difference) / (1 + draws), so that it is never 0. Both are NaN where a
    group has fewer than `MIN_GROUP` members; d is NaN where nothing varies.
    """
    if min(len(one), len(other)) < MIN_GROUP:
        return float("nan"), float("nan")
    pooled = np.sqrt(
        ((len(one) - 1) * one.var(ddof=1) + (len(other) - 1) * other.var(ddof=1)) / (len(one) + len(other) - 2)
    )
    difference = float(one.mean() - other.mean())
    both = np.concatenate([one, other])
    shuffled = np.random.default_rng(seed).permuted(np.tile(both, (draws, 1)), axis=1)
    drawn = shuffled[:, : len(one)].mean(axis=1) - shuffled[:, len(one) :].mean(axis=1)
    reached = int((np.abs(drawn) >= abs(difference) - 1e-12).sum())
    return difference / float(pooled) if pooled > 0 else float("nan"), (1 + reached) / (1 + draws)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected by Holm's step-down procedure; NaN stays NaN and isn't counted."""
    values = np.asarray(p_values, dtype=np.float64)
    result = np.full(len(values), np.nan)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    steps = values[order] * np.arange(len(order), 0, -1)
    result[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in result]
