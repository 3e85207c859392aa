"""The cohort's figure and sentences, and scores told apart by truth."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd

from beatlens.evaluate.explanations.cohort import CaseParts, cohort_table
from beatlens.figures.cohort import cohort_figure
from beatlens.figures.scores import score_rows
from beatlens.report.sections.cohort import cohort_section


def table(n: int = 24) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    cases = []
    for k in range(n):
        right = k % 2 == 0
        parts = {("fused", wave, lead): rng.normal(0, 0.02) for wave in ("P", "ST", "T") for lead in ("V1", "II")}
        parts |= {("fused", "QRS", lead): rng.normal(0.4 if right else -0.3, 0.02) for lead in ("V1", "II")}
        parts |= {("fused", "rhythm", ""): 0.1, ("fused", "other beats", ""): -0.05}
        cases.append(
            CaseParts(f"c/{k}", "V", "correct" if right else "wrong", parts, {("kernelshap and lime", "", ""): 0.8})
        )
    return cohort_table(cases, ["N", "V"], 500, 1)


def texts(figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_figure_has_a_cell_a_part_and_stars_where_wrong_predictions_differ() -> None:
    figure = cohort_figure(table(), ["N", "V"])
    (axes,) = figure.axes
    assert "V   12 right, 12 wrong" in axes.get_title(loc="left")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["other beats", "rhythm", "II", "V1"]
    assert sum(text.endswith("*") for text in texts(figure)) == 2
    assert "10" in texts(figure)
    assert cohort_figure(table(0), ["N", "V"]).axes == []


def test_sentences_name_the_largest_parts_and_the_differences() -> None:
    said = cohort_section(SimpleNamespace(cohort=table(), classes=("N", "V")))
    (sentence,) = said["classes"]
    assert sentence.startswith("V (12 cases): most is in QRS in ")
    assert "QRS II of V" in said["differences"]
    assert "QRS V1 of V" in said["differences"]
    assert "agree well" in said["agreement"]
    few = cohort_section(SimpleNamespace(cohort=table(2), classes=("N", "V")))
    assert "Too few wrong predictions" in few["differences"]
    assert cohort_section(SimpleNamespace(cohort=None, classes=("V",))) is None
    assert cohort_section(SimpleNamespace(cohort=table(0), classes=("V",))) is None


def test_scores_against_several_truths_are_rows_of_their_own() -> None:
    base = {"scope": "all", "class": "", "method": "fused", "metric": "auprc", "value": 0.5, "lo": 0.4, "hi": 0.6}
    base |= {"n": 3, "null_name": "empty", "null_value": 0.1, "gain": 0.4, "gain_lo": 0.3, "gain_hi": 0.5}
    truths = ("regions, strict", "annotated beats", "planted")
    rows = score_rows(pd.DataFrame([base | {"truth": truth} for truth in truths]))
    assert [row.name for row in rows] == ["AUPRC, planted", "AUPRC, annotated beats", "AUPRC, regions, strict"]
