"""Attention of correct against wrong predictions, class by class, over patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

MIN_PATIENTS = 2
"""Patients that each outcome needs: of one patient nothing follows."""


@dataclass(frozen=True)
class OutcomeComparison:
    """One statistic of correct against wrong predictions of one class.

    Attributes
    ----------
    correct, wrong
        Means over patients, in the statistic's units; NaN without any.
    effect
        Difference correct - wrong over the pooled standard deviation of patients (Cohen's d); NaN where it can't be
        told.
    p
        Two-sided, of permutations over patients, 0 to 1; NaN where it can't be told.
    n_correct, n_wrong
        Patients of each.
    absent
        Why there is no comparison, "" where there is one.
    """

    correct: float
    wrong: float
    effect: float
    p: float
    n_correct: int
    n_wrong: int
    absent: str = ""


def compare_outcomes(
    values: npt.ArrayLike, correct: npt.ArrayLike, patients: Sequence[str], *, draws: int, seed: int
) -> OutcomeComparison:
    """Compare a statistic of correct and wrong predictions, patients being what is drawn.

    A patient counts once an outcome, by the mean of its cases. In the null, the two outcomes of a patient who has both
    change places by chance, and patients who have one are dealt anew to the outcomes.

    Parameters
    ----------
    values
        (n,) statistic of each case; those that aren't finite don't count.
    correct
        (n,) whether the case's prediction was right.
    patients
        (n,) ids.
    draws, seed
        Permutations, and the seed of them.
    """
    value, right = np.asarray(values, dtype=np.float64), np.asarray(correct, dtype=bool)
    names = np.asarray(patients, dtype=object).astype(str)
    if not len(value) == len(right) == len(names):
        raise ValueError(f"{len(value)} values, {len(right)} outcomes, {len(names)} patients; expected as many of each")
    known = np.isfinite(value)
    means = np.full((len(set(names.tolist())), 2), np.nan)
    for row, name in enumerate(sorted(set(names.tolist()))):
        for column, outcome in enumerate((True, False)):
            of_patient = value[known & (names == name) & (right == outcome)]
            if len(of_patient):
                means[row, column] = of_patient.mean()
    means = means[np.isfinite(means).any(axis=1)]
    counts = np.isfinite(means).sum(axis=0)
    of_correct, of_wrong = [float(np.nanmean(means[:, k])) if counts[k] else np.nan for k in (0, 1)]
    n_correct, n_wrong = int(counts[0]), int(counts[1])
    if min(n_correct, n_wrong) < MIN_PATIENTS:
        absent = (
            f"{n_correct} patients with a correct and {n_wrong} with a wrong prediction of the class; a comparison "
            f"needs {MIN_PATIENTS} of each"
        )
        return OutcomeComparison(of_correct, of_wrong, np.nan, np.nan, n_correct, n_wrong, absent)
    return OutcomeComparison(
        of_correct, of_wrong, _effect(means), _p_value(means, draws, np.random.default_rng(seed)), n_correct, n_wrong
    )


def _difference(means: Array) -> float:
    return float(np.nanmean(means[:, 0]) - np.nanmean(means[:, 1]))


def _effect(means: Array) -> float:
    groups = [means[np.isfinite(means[:, k]), k] for k in (0, 1)]
    degrees = sum(len(group) - 1 for group in groups)
    pooled = np.sqrt(sum(((group - group.mean()) ** 2).sum() for group in groups) / degrees)
    return _difference(means) / float(pooled) if pooled > 0 else float("nan")


def _p_value(means: Array, draws: int, rng: np.random.Generator) -> float:
    both = np.isfinite(means).all(axis=1)
    single = np.flatnonzero(~both)
    observed = abs(_difference(means))
    as_far = 1
    for _ in range(draws):
        drawn = means.copy()
        swapped = both & (rng.random(len(means)) < 0.5)
        drawn[swapped] = drawn[swapped, ::-1]
        drawn[single] = _dealt(means[single], rng)
        as_far += abs(_difference(drawn)) >= observed - 1e-12
    return as_far / (1 + draws)


def _dealt(means: Array, rng: np.random.Generator) -> Array:
    """Deal patients with one outcome anew, as many to each as there were."""
    column = np.isfinite(means[:, 1]).astype(np.int64)
    dealt = np.full_like(means, np.nan)
    dealt[np.arange(len(means)), rng.permutation(column)] = means[np.arange(len(means)), column]
    return dealt
