"""Ectopy against regular expressions over one letter a beat, and known rhythms."""

from __future__ import annotations

import re

import numpy as np
import pytest

from beatlens.prediction.ectopy_counts import PATTERNS, ectopy, ectopy_columns

LETTER = {"N": "n", "RBBB": "n", "S": "S", "V": "V", "": "?"}


def counted(text, cell=None, stretch=None, ectopic=("S", "V")):
    classes = np.array([{"n": "N", "?": "V"}.get(beat, beat) for beat in text], dtype=object)
    review = np.array([beat == "?" for beat in text], dtype=bool)
    zeros = np.zeros(len(text), dtype=np.int64)
    cell, stretch = zeros if cell is None else cell, zeros if stretch is None else stretch
    return ectopy(classes, review, stretch=stretch, cell=cell, n_cells=int(cell.max(initial=0)) + 1, ectopic=ectopic)


def expressions(name):
    alone = f"(?<!{name}){name}(?!{name})"
    return {
        "n_couplets": f"(?<!{name}){name}{name}(?!{name})",
        "n_runs": f"{name}{{3,}}",
        "n_bigeminy": f"{alone}(?:n{name}(?!{name})){{2,}}",
        "n_trigeminy": f"{alone}(?:nn{name}(?!{name})){{2,}}",
    }


def test_patterns_are_those_that_regular_expressions_find():
    rng = np.random.default_rng(4)
    seen = dict.fromkeys(PATTERNS, 0)
    for _ in range(400):
        n = int(rng.integers(1, 90))
        stretch = np.sort(rng.integers(0, 3, n))
        cell = np.sort(rng.integers(0, 4, n))
        classes = rng.choice(["N", "RBBB", "S", "V", ""], n, p=[0.4, 0.1, 0.15, 0.3, 0.05]).astype(object)
        if rng.random() < 0.5:  # often periodic, else bigeminy is rare
            classes[rng.integers(3) :: rng.integers(2, 4)] = "V"
        called = np.where(classes == "", rng.choice(["N", "V"], n), classes)
        found = ectopy(called, classes == "", stretch=stretch, cell=cell, n_cells=4, ectopic=("S", "V"))
        assert list(found) == ectopy_columns(("S", "V"))
        letters = np.array([LETTER[name] for name in classes])
        for name in ("S", "V"):
            wanted = {
                pattern: np.zeros(4, dtype=int) for pattern in ("n_couplets", "n_runs", "n_bigeminy", "n_trigeminy")
            }
            longest, possible = np.zeros(4, dtype=int), np.zeros((2, 4), dtype=int)
            for part in np.unique(stretch):
                first = int(np.flatnonzero(stretch == part)[0])
                text = "".join(letters[stretch == part])
                for pattern, expression in expressions(name).items():
                    for match in re.finditer(expression, text):
                        place = cell[first + match.start()]
                        wanted[pattern][place] += 1
                        if pattern == "n_runs":
                            longest[place] = max(longest[place], len(match[0]))
                everything = "".join(LETTER[beat] for beat in called[stretch == part])
                for match in re.finditer(f"{name}{{3,}}", everything):
                    place = cell[first + match.start()]
                    possible[0, place] += 1
                    possible[1, place] = max(possible[1, place], len(match[0]))
            np.testing.assert_array_equal(found[f"n_possible_runs_{name}"], possible[0])
            np.testing.assert_array_equal(found[f"longest_possible_run_{name}"], possible[1])
            for pattern, values in wanted.items():
                np.testing.assert_array_equal(found[f"{pattern}_{name}"], values, err_msg=f"{pattern} {classes}")
                seen[pattern] += values.sum()
            np.testing.assert_array_equal(found[f"longest_run_{name}"], longest)
            accepted = np.bincount(cell[letters != "?"], minlength=4)
            own = np.bincount(cell[letters == name], minlength=4)
            with np.errstate(invalid="ignore"):
                np.testing.assert_array_equal(found[f"burden_{name}"], own / accepted)
    assert min(seen[pattern] for pattern in ("n_couplets", "n_runs", "n_bigeminy", "n_trigeminy")) > 20


@pytest.mark.parametrize(
    ("text", "pattern", "count"),
    [
        ("nnVVnn", "n_couplets", 1),
        ("nnVVVn", "n_couplets", 0),
        ("nnVVVn", "n_runs", 1),
        ("nVnVnVn", "n_bigeminy", 1),
        ("nVnVn", "n_bigeminy", 0),  # twice is chance
        ("VnVSVnV", "n_bigeminy", 0),  # an ectopic beat of another kind between
        ("VnV?VnV", "n_bigeminy", 0),  # nor across a beat in review
        ("VnnVnnV", "n_trigeminy", 1),
        ("VnVnVnnVnnV", "n_trigeminy", 1),
        ("V?V", "n_couplets", 0),
        ("V?V", "n_runs", 0),
        ("V?V", "n_possible_runs", 1),
        ("nVVV?VVVn", "n_runs", 2),
        ("nVVV?VVVn", "longest_possible_run", 7),
    ],
)
def test_known_rhythms(text, pattern, count):
    assert counted(text)[f"{pattern}_V"].tolist() == [count]


def test_no_pattern_goes_on_across_a_gap_and_each_counts_where_it_begins():
    text = "nnVVVVnn"
    apart = counted(text, stretch=np.array([0, 0, 0, 0, 1, 1, 1, 1]))
    assert (apart["n_couplets_V"][0], apart["n_runs_V"][0]) == (2, 0)
    strips = counted(text, cell=np.array([0, 0, 0, 0, 1, 1, 1, 1]))
    assert strips["n_runs_V"].tolist() == [1, 0]
    assert strips["longest_run_V"].tolist() == [4, 0]
    assert strips["burden_V"].tolist() == [0.5, 0.5]


def test_no_beat_and_no_accepted_beat_are_legal():
    assert np.isnan(counted("")["burden_V"]).all()
    reviewed = counted("???")
    assert np.isnan(reviewed["burden_S"][0])
    assert reviewed["n_couplets_S"].tolist() == [0]
