"""Attributions that a person makes: from annotations, tables and arrays, drawn in every style."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from beatlens.api import Annotation, attribution_from_annotations, attribution_from_values
from beatlens.core.record import Record
from beatlens.explain.result.attribution import Attribution
from beatlens.figures.settings import Style

LEADS = ("II", "V1")
RECORD = Record("c", "r", "p", np.zeros((2, 1000), np.float32), 100.0, LEADS)


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_annotations_in_seconds_and_in_samples_are_the_same() -> None:
    marks = [Annotation("MLII", 1.0, 1.5, 0.5), Annotation("v1", 2.0, 2.01, -1.0), Annotation(None, 4.0, 5.0, 0.25)]
    wanted = np.zeros((2, 1000), np.float32)
    wanted[0, 100:150], wanted[1, 200:201], wanted[:, 400:500] = 0.5, -1.0, 0.25
    found = attribution_from_annotations(RECORD, marks)
    np.testing.assert_array_equal(found.values, wanted)
    assert (found.leads, found.attribution.fs, found.note) == (LEADS, 100.0, "")
    at_360 = [Annotation(one.lead, one.start * 360, one.end * 360, one.value) for one in marks]
    np.testing.assert_array_equal(attribution_from_annotations(RECORD, at_360, fs=360).values, wanted)
    table = pd.DataFrame(
        {"lead": ["II", "V1", None], "start": [1, 2, 4], "end": [1.5, 2.01, 5], "value": [0.5, -1, 0.25], "who": "me"}
    )
    np.testing.assert_array_equal(attribution_from_annotations(RECORD, table).values, wanted)


@pytest.mark.parametrize(("overlap", "middle", "said"), [("add", 0.7, "add up"), ("last", -0.3, "the later one wins")])
def test_overlapping_annotations_add_up_or_the_later_one_wins(overlap, middle, said) -> None:
    marks = [Annotation("II", 1, 3, 1.0), Annotation("II", 2, 4, -0.3)]
    found = attribution_from_annotations(RECORD, marks, overlap=overlap)
    np.testing.assert_allclose(found.values[0, [150, 250, 350]], [1.0, middle, -0.3], rtol=1e-6)
    assert said in found.note
    assert found.note in texts(found.plot())
    assert attribution_from_annotations(RECORD, marks[:1], overlap=overlap).note == ""


def test_values_from_an_array_and_from_a_table() -> None:
    values = np.random.default_rng(1).normal(size=(2, 400))
    found = attribution_from_values(RECORD, values, ("V1", "MLII"), start_s=2.0)
    np.testing.assert_allclose(found.values, values, rtol=1e-6)
    assert found.leads == ("V1", "II")
    assert (found.times_s[0], found.times_s[-1]) == (2.0, pytest.approx(5.99))
    table = pd.DataFrame(values.T, columns=["V1", "II"])
    np.testing.assert_array_equal(attribution_from_values(RECORD, table, start_s=2.0).values, found.values)
    np.testing.assert_array_equal(attribution_from_values(RECORD, table, ["II"]).values, found.values[1:])
    slower = attribution_from_values(RECORD, values, ("V1", "II"), fs=40.0)
    assert slower.times_s[-1] == pytest.approx(399 / 40)


@pytest.mark.parametrize("style", get_args(Style))
def test_they_are_drawn_in_every_style(style, tmp_path) -> None:
    found = attribution_from_annotations(RECORD, [Annotation("V1", 1, 2, 2.5)], name="seen by hand")
    figure = found.plot(0, 8, figures={"style": style, "layout": "1x1", "smoothing_s": 0})
    assert {"seen by hand", "−2.5", "+2.5", "1 of 2 leads: the strongest"} <= set(texts(figure))
    (drawn,) = [image for image in figure.axes[0].images if image.get_array().shape[1] != 81] or [None]
    assert (drawn is None) == (style == "width")
    found.save(tmp_path / "own.npz")
    np.testing.assert_array_equal(Attribution.load(tmp_path / "own.npz").values, found.values)


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([], "no annotations; expected one or more"),
        ([Annotation("II", 0, 1, 1), Annotation("V5", 0, 1, 1)], "annotation 2: lead 'V5'; expected one of II, V1"),
        ([Annotation("II", 1, 1, 1)], "annotation 1: from 1 to 1 s; expected an end after the start, within 0 to 10"),
        ([Annotation("II", -1, 1, 1)], "within 0 to 10 s"),
        ([Annotation("II", 9, 11, 1)], "within 0 to 10 s"),
        ([Annotation("II", 1.001, 1.002, 1)], "holds no sample at 100 Hz"),
        ([Annotation("II", 1, 2, math.nan)], "value nan; expected finite numbers"),
        (pd.DataFrame({"lead": ["II"], "start": [1], "end": [2]}), "without the columns value; expected lead, start"),
    ],
)
def test_a_wrong_annotation_is_named(marks, expected) -> None:
    with pytest.raises(ValueError, match=expected):
        attribution_from_annotations(RECORD, marks)


def test_other_wrong_input_is_named() -> None:
    mark, values = [Annotation("II", 1, 2, 1)], np.zeros((2, 1000))
    with pytest.raises(ValueError, match="overlap 'max'; expected one of add, last"):
        attribution_from_annotations(RECORD, mark, overlap="max")
    with pytest.raises(ValueError, match="fs 0 Hz"):
        attribution_from_annotations(RECORD, mark, fs=0)
    for given, leads, options, expected in (
        (values, None, {}, "values without leads"),
        (values, ["II"], {}, r"shape \(2, 1000\) with 1 leads"),
        (values, ["II", "MLII"], {}, "each once"),
        (values, ["II", "V3"], {}, "lead 'V3'; expected one of II, V1"),
        (values + math.inf, LEADS, {}, "2000 that are not finite"),
        (values, LEADS, {"start_s": 1}, "expected a stretch within c/r, 0 to 10 s"),
        (values, LEADS, {"fs": 0}, "fs 0 Hz"),
        (pd.DataFrame(values.T, columns=LEADS), ["V2"], {}, r"leads \['V2'\]; expected columns of the table: II, V1"),
    ):
        with pytest.raises(ValueError, match=expected):
            attribution_from_values(RECORD, given, leads, **options)
    found = attribution_from_annotations(RECORD, mark)
    with pytest.raises(ValueError, match="stretch from 0 to 11 s; expected one within 0 to 10 s"):
        found.plot(0, 11)
    with pytest.raises(ValueError, match="figures.style"):
        found.plot(figures={"style": "bar"})
