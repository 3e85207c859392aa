"""Cohort tables: permutation p against enumeration, Holm by hand, and parts of a planted explanation."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from beatlens.evaluate.explanations.cohort import AGREEMENT, COLUMNS, CaseParts, cohort_table, compare, holm


def test_permutation_p_and_effect_against_enumeration():
    rng = np.random.default_rng(0)
    one, other = rng.normal(0.8, 1, 5), rng.normal(0, 1, 6)
    both = np.concatenate([one, other])
    observed = abs(one.mean() - other.mean())
    ways = [set(chosen) for chosen in combinations(range(11), 5)]
    drawn = [
        abs(both[list(way)].mean() - both[[k for k in range(11) if k not in way]].mean()) >= observed - 1e-12
        for way in ways
    ]
    effect, p = compare(one, other, 20_000, 1)
    assert p == pytest.approx(np.mean(drawn), abs=0.01)
    pooled = np.sqrt((4 * one.var(ddof=1) + 5 * other.var(ddof=1)) / 9)
    assert effect == pytest.approx((one.mean() - other.mean()) / pooled)
    assert np.isnan(compare(one[:1], other, 10, 1)).all()
    assert compare(np.ones(3), np.ones(3), 10, 1)[1] == 1.0


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, np.nan, 0.03]), [0.03, 0.06, np.nan, 0.06])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_a_planted_difference_is_found_and_no_other():
    rng = np.random.default_rng(3)
    cases = []
    for k in range(40):
        correct = k % 2 == 0
        parts = {("fused", "QRS", "II"): rng.normal(0.6 if correct else 0.2, 0.1)}
        parts |= {("fused", wave, "II"): rng.normal(0.1, 0.1) for wave in ("P", "ST", "T")}
        agreement = {("kernelshap and lime", "", ""): 0.9 if k else np.nan}
        cases.append(CaseParts(f"c/{k}", "V", "correct" if correct else "wrong", parts, agreement))
    cases.append(CaseParts("c/x", "V", "review", {("fused", "QRS", "II"): 9.0}, {}))
    table = cohort_table(cases, ["N", "V"], 500, 1)
    assert tuple(table.columns) == COLUMNS
    first = table.iloc[0]
    assert (first["wave"], first["lead"], first["n_correct"], first["n_wrong"]) == ("QRS", "II", 20, 20)
    assert first["difference"] == pytest.approx(0.4, abs=0.1)
    assert first["p_holm"] < 0.02
    assert (table[table["wave"].isin(["P", "ST", "T"])]["p_holm"] > 0.05).all()
    own = table[table["kind"] == AGREEMENT].iloc[0]
    assert (own["method"], own["n_correct"], own["correct"]) == ("kernelshap and lime", 19, pytest.approx(0.9))
    assert cohort_table([], ["V"], 10, 1).empty


def test_many_cases_of_two_patients_prove_nothing():
    """Ten right cases of one patient and ten wrong ones of another differ in the patient, whatever else."""
    key = ("fused", "QRS", "II")
    cases = [
        CaseParts("c/a" if k < 10 else "c/b", "V", "correct" if k < 10 else "wrong", {key: k}, {}) for k in range(20)
    ]
    row = cohort_table(cases, ["V"], 500, 1).iloc[0]
    assert (row["n_correct"], row["n_wrong"], row["difference"]) == (10, 10, -10.0)
    assert np.isnan([row["effect"], row["p"]]).all()
