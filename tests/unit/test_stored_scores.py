"""Scores of cases go through the tables of shards without losing a bit, a case or its order."""

import math

import pytest

from beatlens.evaluate.explanations.cohort import CaseParts
from beatlens.evaluate.explanations.stored_scores import read_scores, write_scores
from beatlens.evaluate.explanations.table import CaseScores, Score

PARTS = CaseParts(
    "c/p",
    "V",
    "correct",
    {("fused", "QRS", "II"): 0.1 + 0.2, ("fused", "rhythm", ""): -1e-9},
    {("a and b", "", ""): 0.7},
)
SCORED = Score("lime", "auprc", "planted", 0.1 + 0.2, "uniform", 1 / 3)
CASES = [
    CaseScores("V-correct-01", "c/r", "c/p", "V", (SCORED,), PARTS),
    CaseScores("N-correct-01", "c/r", "c/p", "N", ()),  # no method applies
    CaseScores(
        "S-wrong-01", "c/s", "c/q", "S",
        (Score("fused", "deletion", "", 2.0, "greedy", 0.5, 4.0), Score("fused", "insertion", "", math.pi, "", 0.0)),
    ),
]  # fmt: skip


def test_scores_of_shards_are_the_scores_of_the_cases(tmp_path):
    write_scores(tmp_path / "1", [CASES[2]])
    write_scores(tmp_path / "0", CASES[:2])
    write_scores(tmp_path / "2", [])  # a shard without a case
    folders = [tmp_path / name for name in "012"]
    assert read_scores(folders, [case.case for case in CASES]) == CASES
    assert read_scores(folders[::-1], [case.case for case in CASES[::-1]]) == CASES[::-1]


def test_a_case_that_is_lost_or_scored_twice_is_an_error(tmp_path):
    write_scores(tmp_path / "0", CASES[:2])
    write_scores(tmp_path / "1", CASES[1:2])
    with pytest.raises(ValueError, match="expected the same, unlike"):
        read_scores([tmp_path / "0"], [case.case for case in CASES])
    with pytest.raises(ValueError, match="N-correct-01 was scored in another folder"):
        read_scores([tmp_path / "0", tmp_path / "1"], [case.case for case in CASES])
