from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from beatlens.core.bootstrap import (
    patient_bootstrap,
    patient_bootstrap_many,
    patient_mean,
    patient_ratio,
    patient_ratios,
    sum_by_patient,
)

OPTIONS = {"draws": 4000, "level": 0.95, "seed": 3}


def test_matches_scipy_when_each_patient_has_one_case() -> None:
    values = np.random.default_rng(0).normal(2, 1, 60)
    ours = patient_mean(values, [f"p{k}" for k in range(60)], **OPTIONS)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    assert ours.value == pytest.approx(values.mean())
    assert ours.lo == pytest.approx(theirs.low, abs=0.02)
    assert ours.hi == pytest.approx(theirs.high, abs=0.02)


def test_resamples_patients_and_not_cases() -> None:
    """A patient's ten thousand equal cases are one observation: the interval must stay as wide as for one each."""
    rng = np.random.default_rng(1)
    means = rng.normal(0, 1, 12)
    patients = np.repeat([f"p{k}" for k in range(12)], 10_000)
    many = patient_mean(np.repeat(means, 10_000), patients, **OPTIONS)
    one = patient_mean(means, [f"p{k:02d}" for k in range(12)], **OPTIONS)
    assert many.hi - many.lo == pytest.approx(one.hi - one.lo, rel=0.1)
    assert many.hi - many.lo > 0.5


def test_ratio_is_a_ratio_of_means() -> None:
    assert patient_ratio([1, 9], [1, 90], ["a", "b"], **OPTIONS).value == pytest.approx(10 / 91)
    assert patient_ratio([1, np.nan, 9], [1, 5, 90], ["a", "a", "b"], **OPTIONS).value == pytest.approx(10 / 91)
    assert np.isnan(patient_ratio([np.nan], [1.0], ["a"], **OPTIONS).value)


def test_many_ratios_at_once_are_each_the_ratio() -> None:
    rng = np.random.default_rng(4)
    above, below = rng.normal(size=(30, 3)), rng.uniform(1, 2, 30)
    above[5, 0] = above[:, 2] = np.nan
    above[1:, 2][:1] = 1.0  # one patient alone has a number there
    patients = [f"p{k % 7}" for k in range(30)]
    found = patient_ratios(above, below, patients, **OPTIONS)
    for k in range(3):
        np.testing.assert_allclose(found.at(k), patient_ratio(above[:, k], below, patients, **OPTIONS), atol=0.02)
    assert np.isnan([found.lo[2], found.hi[2]]).all()


def test_fewer_than_two_patients_have_no_interval() -> None:
    one = patient_mean([1.0, 2.0], ["a", "a"], **OPTIONS)
    assert one.value == 1.5
    assert np.isnan([one.lo, one.hi]).all()
    totals = np.array([[3.0, 4.0], [0.0, 0.0], [0.0, 0.0]])
    rests_on_one = patient_bootstrap(
        totals, lambda sums: sums[:, 0] / np.maximum(sums[:, 1], 1), contributes=totals[:, 1] > 0, **OPTIONS
    )
    assert rests_on_one.value == 0.75
    assert np.isnan([rests_on_one.lo, rests_on_one.hi]).all()


def test_seeded_and_independent_of_the_block_size(resize: Callable[[str, object], None]) -> None:
    totals, names = sum_by_patient(np.arange(20.0), [f"p{k % 5}" for k in range(20)])
    assert names == [f"p{k}" for k in range(5)]
    assert totals[0] == 0 + 5 + 10 + 15

    def run(seed: int) -> tuple[float, ...]:
        return tuple(patient_bootstrap(totals, lambda sums: sums, draws=100, level=0.9, seed=seed))

    first = run(1)
    resize("_BLOCK", 35)
    assert run(1) == first
    assert run(2) != first


def test_refuses_impossible_settings() -> None:
    with pytest.raises(ValueError, match="level=95"):
        patient_bootstrap_many(np.ones((3, 1)), lambda sums: sums, draws=10, level=95, seed=0)
    with pytest.raises(ValueError, match="one id a value"):
        sum_by_patient([1.0, 2.0], ["a"])
