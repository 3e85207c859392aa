"""Intervals from resampling patients: beats and cases of one patient are never taken for independent.

Every statistic here is a function of totals that add up over patients (counts, sums, histograms), so a resample of
patients is one row of integer weights, and a thousand resamples are one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Statistic = Callable[[Array], Array]

_BLOCK = 4_000_000
"""Weights held at a time, so that memory stays bounded for corpora of many patients."""


class Interval(NamedTuple):
    """A value with the ends of its interval; the ends are NaN where there is none."""

    value: float
    lo: float
    hi: float


class Intervals(NamedTuple):
    """Several values of one statistic with the ends of their intervals, each ``(m,)`` float64."""

    value: Array
    lo: Array
    hi: Array

    def at(self, index: int) -> Interval:
        """Return one of the values as an `Interval`."""
        return Interval(float(self.value[index]), float(self.lo[index]), float(self.hi[index]))


def sum_by_patient(values: npt.ArrayLike, patients: Sequence[str] | npt.NDArray[np.object_]) -> tuple[Array, list[str]]:
    """Add up the rows of each patient.

    Parameters
    ----------
    values
        (n,) or (n, ...) numbers, one row a beat or case.
    patients
        (n,) patient ids.

    Returns
    -------
    totals, names
        (n_patients, ...) float64 and the ids in sorted order.
    """
    rows = np.asarray(values, dtype=np.float64)
    if len(rows) != len(patients):
        raise ValueError(f"{len(rows)} values for {len(patients)} patient ids; expected one id a value")
    names, index = np.unique(np.asarray(patients, dtype=object).astype(str), return_inverse=True)
    totals = np.zeros((len(names), *rows.shape[1:]))
    np.add.at(totals, index, rows)
    return totals, names.tolist()


def patient_bootstrap_many(
    totals: npt.ArrayLike,
    statistic: Statistic,
    *,
    draws: int,
    level: float,
    seed: int,
    contributes: npt.NDArray[np.bool_] | None = None,
) -> Intervals:
    """Percentile intervals of several statistics from resampling patients with replacement (Efron 1979).

    Parameters
    ----------
    totals
        (n_patients, ...) numbers that add up over patients: counts, sums, histograms.
    statistic
        Maps totals of resamples ``(n, ...)`` to ``(n, m)`` values. NaN where undefined in a resample; such resamples
        are left out.
    draws
        Resamples.
    level
        Coverage of the interval, such as 0.95.
    seed
        Seed of the resampling: the same totals, draws and seed give the same interval.
    contributes
        (n_patients, m) or (n_patients,) bool: patients on whom a value rests (those with a beat of the class, say);
        all by default.

    Returns
    -------
    Intervals
        Of m values. A value that rests on fewer than two patients has no interval (NaN), since one patient says
        nothing about how patients differ. Without any patient the value itself is NaN where the statistic says so.

    Raises
    ------
    ValueError
        For draws < 1, a level outside (0, 1) or a statistic of the wrong shape.
    """
    sums = np.asarray(totals, dtype=np.float64)
    if draws < 1 or not 0 < level < 1:
        raise ValueError(f"bootstrap with draws={draws}, level={level}; expected draws >= 1 and 0 < level < 1")
    n_patients = sums.shape[0]
    value = np.asarray(statistic(sums.sum(axis=0, keepdims=True)), dtype=np.float64)
    if value.ndim != 2 or value.shape[0] != 1:
        raise ValueError(f"statistic of shape {value.shape} for one resample; expected (1, m)")
    value = value[0]
    nothing = np.full(value.shape, np.nan)
    if contributes is None:
        counts = np.full(value.shape, n_patients)
    else:
        mask = np.asarray(contributes, dtype=bool)
        counts = np.broadcast_to(mask.sum(axis=0), value.shape)
    if n_patients < 2 or not (counts >= 2).any():
        return Intervals(value, nothing, nothing.copy())
    flat = sums.reshape(n_patients, sums[0].size)
    rng = np.random.default_rng(seed)
    parts = []
    block = max(1, min(draws, _BLOCK // n_patients, _BLOCK // flat.shape[1]))
    for first in range(0, draws, block):
        size = min(block, draws - first)
        weights = rng.multinomial(n_patients, np.full(n_patients, 1 / n_patients), size=size)
        parts.append(statistic((weights @ flat).reshape(size, *sums.shape[1:])))
    return percentile_intervals(value, np.concatenate(parts), level, counts >= 2)


def percentile_intervals(value: Array, samples: Array, level: float, enough: npt.NDArray[np.bool_]) -> Intervals:
    """Return the percentile intervals of m values from their resamples.

    Parameters
    ----------
    value
        (m,).
    samples
        (draws, m) values in resamples; those that are NaN are left out.
    level
        Coverage of the interval.
    enough
        (m,) whether a value has an interval.
    """
    lo, hi = np.full(value.shape, np.nan), np.full(value.shape, np.nan)
    tail = (1 - level) / 2
    for k in np.flatnonzero(enough & np.isfinite(value)):
        finite = samples[np.isfinite(samples[:, k]), k]
        if len(finite):
            lo[k], hi[k] = np.quantile(finite, [tail, 1 - tail])
    return Intervals(value, lo, hi)


def patient_bootstrap(
    totals: npt.ArrayLike,
    statistic: Statistic,
    *,
    draws: int,
    level: float,
    seed: int,
    contributes: npt.NDArray[np.bool_] | None = None,
) -> Interval:
    """Return the interval of one statistic that maps totals ``(n, ...)`` to ``(n,)``; see `patient_bootstrap_many`."""

    def column(sums: Array) -> Array:
        return np.asarray(statistic(sums), dtype=np.float64).reshape(len(sums), 1)

    return patient_bootstrap_many(totals, column, draws=draws, level=level, seed=seed, contributes=contributes).at(0)


def patient_ratios(
    numerators: npt.ArrayLike,
    denominators: npt.ArrayLike,
    patients: Sequence[str] | npt.NDArray[np.object_],
    *,
    draws: int,
    level: float,
    seed: int,
) -> Intervals:
    """Return what `patient_ratio` does, for the (n, m) columns of the numerators and one (n,) denominator, at once."""
    above, below = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)[:, None]
    known = np.isfinite(above) & np.isfinite(below)
    parts = np.stack([np.where(known, above, 0.0), np.where(known, below, 0.0), known.astype(np.float64)], axis=2)
    totals, _ = sum_by_patient(parts, patients)
    return patient_bootstrap_many(
        totals,
        lambda sums: divide(sums[..., 0], sums[..., 1]),
        draws=draws,
        level=level,
        seed=seed,
        contributes=totals[..., 2] > 0,
    )


def patient_ratio(
    numerators: npt.ArrayLike,
    denominators: npt.ArrayLike,
    patients: Sequence[str] | npt.NDArray[np.object_],
    *,
    draws: int,
    level: float,
    seed: int,
) -> Interval:
    """Ratio of sums over cases, with a patient bootstrap: a ratio of means, never a mean of ratios.

    Parameters
    ----------
    numerators, denominators
        (n,) numbers, one a case; cases where either is NaN are left out.
    patients
        (n,) patient ids.
    draws, level, seed
        See `patient_bootstrap_many`.

    Returns
    -------
    Interval
        NaN throughout where no case is left or the denominators add up to 0.
    """
    pairs = np.column_stack([np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)])
    keep = np.isfinite(pairs).all(axis=1)
    if not keep.any():
        return Interval(np.nan, np.nan, np.nan)
    totals, _ = sum_by_patient(pairs[keep], np.asarray(patients, dtype=object)[keep])
    return patient_bootstrap(totals, lambda sums: divide(sums[:, 0], sums[:, 1]), draws=draws, level=level, seed=seed)


def patient_mean(
    values: npt.ArrayLike,
    patients: Sequence[str] | npt.NDArray[np.object_],
    *,
    draws: int,
    level: float,
    seed: int,
) -> Interval:
    """Mean over cases, with a patient bootstrap; NaN cases are left out (see `patient_ratio`)."""
    numbers = np.asarray(values, dtype=np.float64)
    return patient_ratio(numbers, np.ones_like(numbers), patients, draws=draws, level=level, seed=seed)


def divide(numerator: Array, denominator: Array) -> Array:
    """Divide, NaN where the denominator is 0."""
    result: Array = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result
